"""The Solana JSON-RPC of one session, as blocking calls."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from simsync import programs
from simsync.errors import InvalidParams
from simsync.options import Options
from simsync.params import AccountData, checks
from simsync.params.account import checked_modifications
from simsync.reports import SignatureStatus, Simulation
from simsync.runtime.retry import HttpRetry
from simsync.wire import rpc as wire
from simsync.wire import urls

T = TypeVar("T")

logger = logging.getLogger("simsync.rpc")

_ADVICE = {404: "the session is over or was never there; read its last state before a loop takes Completed"}


class Rpc:
    """Calls of one session's endpoint, an ``http`` or ``https`` address; see ``SubSession.rpc``.

    It needs no key and no open session, and may be used from several threads and after a fork. It stops answering when
    the session is over. Addresses and signatures are base58 text or objects that print as such, transactions and
    messages base64 text, bytes, or objects with a byte form. Amounts are lamports.

    Every call raises :class:`~simsync.RpcError` for an error reply, :class:`~simsync.ConnectError` when there was no
    reply, :class:`~simsync.HttpStatusError` for an HTTP error, and :class:`~simsync.ProtocolError` for a reply that
    makes no sense. Calls that read are tried again after failures that may pass, and so is :meth:`modify_accounts`;
    :meth:`send_transaction` and :meth:`call` never are.
    """

    def __init__(self, endpoint: str, options: Options | None = None) -> None:
        self.endpoint = urls.http_endpoint(endpoint)
        options = options if options is not None else Options()
        if not isinstance(options, Options):
            raise InvalidParams("options", options, "must be an Options(...)")
        from simsync.runtime.http import HttpClient  # requests is imported by whoever makes a client

        self._http = HttpClient(
            options.rpc_timeout,
            max_body=options.max_message,
            advice=_ADVICE,
            ssl_context=options.ssl_context,
            on_frame=options.on_frame,
        )
        self._retry = HttpRetry(options, logger, self._http.sleep)
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"Rpc({self.endpoint!r})"

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Any method: the ``result`` as it came. Never tried twice."""
        return self._once(wire.any_call(method, params))

    def _once(self, call: wire.Call[T]) -> T:
        # wait: caller, inquiry, subscription | a reply | the peer; a cancelled token | `rpc_timeout` of silence
        return call.read(self._http.post_json(self.endpoint, call.body(next(self._numbers))))

    def _read(self, call: wire.Call[T]) -> T:
        return self._retry.read(lambda: self._once(call))

    def get_health(self) -> str:
        """The server's word: ``"ok"``. An endpoint that is not healthy answers with an error."""
        return self._read(wire.get_health())

    def get_slot(self) -> int:
        """The slot at which the session stands."""
        return self._read(wire.get_slot())

    def get_balance(self, address: object) -> int:
        """Lamports; 0 for an account that does not exist."""
        return self._read(wire.get_balance(checks.address("address", address)))

    def get_account_info(self, address: object) -> AccountData | None:
        """The account, None when there is none."""
        return self._read(wire.get_account_info(checks.address("address", address)))

    def get_multiple_accounts(self, addresses: Iterable[object]) -> list[AccountData | None]:
        """One entry per address, in order, None for an account that does not exist.

        More than 100 addresses take several requests; a session that advances meanwhile may answer them in different
        slots.
        """
        found: list[AccountData | None] = []
        for keys in _chunks(checks.addresses("addresses", addresses), wire.MAX_ACCOUNTS):
            states = self._read(wire.get_multiple_accounts(keys))
            found += states
        return found

    def get_program_accounts(
        self, program: object, *, data_size: int | None = None, memcmp: Iterable[tuple[int, object]] = ()
    ) -> list[tuple[str, AccountData]]:
        """Address and account of each account that ``program`` owns and that meets all filters.

        ``data_size``: bytes of data. ``memcmp``: pairs ``(offset, bytes)``, where the bytes may be an address.
        """
        filters = [] if data_size is None else [wire.size_filter(data_size)]
        for index, pair in enumerate(checks.items("memcmp", memcmp)):
            filters.append(wire.compare_filter(f"memcmp[{index}]", pair))
        return self._read(wire.get_program_accounts(checks.address("program", program), filters))

    def get_latest_blockhash(self) -> str:
        """Base58 text."""
        return self._read(wire.get_latest_blockhash())

    def get_fee_for_message(self, message: object) -> int | None:
        """Lamports that a transaction with this message costs; None when its blockhash is not known."""
        return self._read(wire.get_fee_for_message(wire.message_text("message", message)))

    def get_signature_statuses(self, signatures: Iterable[object]) -> list[SignatureStatus | None]:
        """One entry per signature, in order, None for one that is not known.

        More than 256 signatures take several requests.
        """
        wanted = [
            checks.signature(f"signatures[{index}]", signature)
            for index, signature in enumerate(checks.items("signatures", signatures))
        ]
        found: list[SignatureStatus | None] = []
        for chunk in _chunks(wanted, wire.MAX_SIGNATURES):
            statuses = self._read(wire.get_signature_statuses(chunk))
            found += statuses
        return found

    def get_transaction(self, signature: object) -> Any:
        """A transaction that was executed in this session, as the RPC writes it; None when there is none."""
        return self._read(wire.get_transaction(checks.signature("signature", signature)))

    def get_minimum_balance_for_rent_exemption(self, size: int) -> int:
        """Lamports that keep an account with ``size`` bytes of data from owing rent."""
        return self._read(wire.get_minimum_balance_for_rent_exemption(checks.integer("size", size, 0, checks.U64)))

    def get_address_lookup_table(self, address: object) -> Any:
        """A lookup table as the server writes it. What this method takes and gives back is a guess."""
        return self._read(wire.get_address_lookup_table(checks.address("address", address)))

    def simulate_transaction(
        self, transaction: object, *, accounts: Iterable[object] = (), replace_blockhash: bool = False
    ) -> Simulation:
        """What the transaction would do in the present state. Signatures are not checked.

        ``accounts``: addresses whose state afterwards is wanted. ``replace_blockhash``: let the server put a valid
        blockhash into it.
        """
        call = wire.simulate_transaction(
            wire.transaction_text("transaction", transaction),
            checks.addresses("accounts", accounts),
            replace_blockhash=checks.flag("replace_blockhash", replace_blockhash),
        )
        return self._read(call)

    def send_transaction(self, transaction: object, *, skip_preflight: bool = False) -> str:
        """Execute at once in the present slot, without advancing; the signature. Never tried twice."""
        text = wire.transaction_text("transaction", transaction)
        return self._once(wire.send_transaction(text, skip_preflight=checks.flag("skip_preflight", skip_preflight)))

    def modify_accounts(self, accounts: Mapping[str, AccountData | Mapping[str, Any]]) -> None:
        """Write whole account states at once.

        Replies were seen to be empty now and then. Writing the same state twice is harmless, so this is tried again
        then, and after other failures that may pass.
        """
        call = wire.modify_accounts(checked_modifications("accounts", accounts))
        self._retry.write(lambda: self._once(call))

    def modify_program(
        self,
        program_id: object,
        elf: bytes,
        *,
        deploy_slot: int | None = None,
        authority: object | None = None,
    ) -> dict[str, AccountData]:
        """Replace the code of an upgradeable program, or put a program where none was; the accounts that were written.

        ``elf``: the compiled program. ``deploy_slot``: without it the slot before the present one, because a program
        that was deployed in the current slot does not run in it. ``authority``: who may upgrade it later. Raises
        InvalidParams when ``program_id`` is an account but no upgradeable program, and MissingExtra when there is no
        such account and solders, which derives the address of its ProgramData, is not installed.
        """
        address = checks.address("program_id", program_id)
        if deploy_slot is None:
            deploy_slot = programs.deploy_slot_before(self.get_slot())
        programs.program_data_bytes(elf, deploy_slot, authority)  # refuses bad input before anything is sent
        present = self.get_account_info(address)
        written: dict[str, AccountData] = {}
        if present is None:
            program_data = programs.program_data_address(address)
            written[address] = programs.program_account(program_data)
        else:
            program_data = programs.program_data_of(present)
        written.update(programs.build_program_injection(program_data, elf, deploy_slot, authority))
        self.modify_accounts(written)
        return written

    def _call_off(self) -> None:
        """End the calls that are under way, and all later ones, with Cancelled; for another thread."""
        self._http.call_off()

    def close(self) -> None:
        """Give the connections back. The next call opens another one."""
        self._http.close()


def _chunks(values: Sequence[str], size: int) -> list[Sequence[str]]:
    return [values[index : index + size] for index in range(0, len(values), size)]
