"""The Solana JSON-RPC of one session, as blocking calls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_incrementing

from simsync.errors import ConnectError, ProtocolError
from simsync.options import Options
from simsync.params import AccountData, checks
from simsync.params.account import checked_modifications
from simsync.runtime.http import HttpClient
from simsync.wire import rpc as wire

_READ_ATTEMPTS = 3
_WRITE_ATTEMPTS = 5
_WRITE_DELAY = 0.3
"""Seconds, times the number of the attempt."""


def _is_without_reply(error: BaseException) -> bool:
    return type(error) is ConnectError or (isinstance(error, ProtocolError) and error.raw == b"")


class Rpc:
    """Calls of one session's endpoint. It needs no key, and stops answering when the session is over.

    Every call raises :class:`~simsync.RpcError` for an error reply, :class:`~simsync.ConnectError` when there was no
    reply, and :class:`~simsync.HttpStatusError` for an HTTP error. Addresses are base58 text (or objects that print as
    such), transactions base64 text, bytes, or objects with a byte form. Amounts are lamports.
    """

    def __init__(self, endpoint: str, options: Options) -> None:
        self.endpoint = endpoint
        self._http = HttpClient(options.rpc_timeout)
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"Rpc({self.endpoint!r})"

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Any method: the ``result`` as it came."""
        body = wire.request_body(next(self._numbers), method, params)
        return wire.result_of(method, self._http.post_json(self.endpoint, body))

    def _value(self, method: str, params: Sequence[Any]) -> Any:
        return wire.value_of(method, self._read(method, params))

    def _read(self, method: str, params: Sequence[Any] = ()) -> Any:
        """A call that changes nothing may be tried again when there was no reply."""
        return Retrying(
            stop=stop_after_attempt(_READ_ATTEMPTS),
            retry=retry_if_exception(lambda error: type(error) is ConnectError),
            reraise=True,
        )(self.call, method, params)

    def get_slot(self) -> int:
        """The slot at which the session stands."""
        result = self._read(wire.GET_SLOT)
        if not isinstance(result, int):
            raise ProtocolError(f"{wire.GET_SLOT}: the result is no number", result)
        return result

    def get_balance(self, address: object) -> int:
        """Lamports; 0 for an account that does not exist."""
        return int(self._value("getBalance", [checks.address("address", address), wire.CONFIRMED]))

    def get_account_info(self, address: object) -> AccountData | None:
        """The account, None when there is none."""
        value = self._value("getAccountInfo", [checks.address("address", address), wire.account_config()])
        return wire.account_from_json("getAccountInfo", value)

    def get_multiple_accounts(self, addresses: Sequence[object]) -> list[AccountData | None]:
        """One entry per address, in order."""
        keys = list(checks.addresses("addresses", addresses))
        value = self._value("getMultipleAccounts", [keys, wire.account_config()])
        return [wire.account_from_json("getMultipleAccounts", item) for item in value]

    def get_latest_blockhash(self) -> str:
        return str(self._value("getLatestBlockhash", [wire.CONFIRMED])["blockhash"])

    def get_transaction(self, signature: str) -> Any:
        """A transaction that was executed in this session, as the RPC writes it; None when there is none."""
        return self._read("getTransaction", [signature, {"encoding": "json", "maxSupportedTransactionVersion": 0}])

    def simulate_transaction(self, transaction: object) -> Any:
        """What it would do in the present state: err, logs, unitsConsumed and so on, as the RPC writes it."""
        encoded = checks.base64_text("transaction", transaction)
        return self._value("simulateTransaction", [encoded, wire.transaction_config()])

    def send_transaction(self, transaction: object, *, skip_preflight: bool = False) -> str:
        """Execute at once in the present slot, without advancing; the signature. Never tried twice."""
        encoded = checks.base64_text("transaction", transaction)
        return str(self.call("sendTransaction", [encoded, wire.transaction_config(skipPreflight=skip_preflight)]))

    def modify_accounts(self, accounts: Mapping[str, AccountData | Mapping[str, Any]]) -> None:
        """Write whole account states at once.

        Replies were seen to be empty now and then. Writing the same state twice is harmless, so this is tried again
        then, and when the connection broke.
        """
        states = wire.modifications(checked_modifications("accounts", accounts))
        Retrying(
            stop=stop_after_attempt(_WRITE_ATTEMPTS),
            wait=wait_incrementing(start=_WRITE_DELAY, increment=_WRITE_DELAY),
            retry=retry_if_exception(_is_without_reply),
            reraise=True,
        )(self.call, "modifyAccounts", [states])

    def close(self) -> None:
        """Give the connections back. The next call opens another one."""
        self._http.close()
