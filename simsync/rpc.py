"""The Solana JSON-RPC of one session, as blocking calls."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Callable, SupportsIndex, TypeVar

from simsync.cancel import CancelToken
from simsync.errors import InvalidParams, ProtocolError, RpcError
from simsync.options import Options
from simsync.params import AccountData, checks
from simsync.params.account import AccountModifications, checked_modifications
from simsync.protocol.connection_log import Adapter
from simsync.runtime import late_imports
from simsync.runtime.http_retry import HttpRetry, is_transient
from simsync.runtime.http_wait import HttpWait
from simsync.runtime.late_http import LateHttpClient
from simsync.wire import rpc as wire
from simsync.wire import urls

if TYPE_CHECKING:
    from simsync.reports import SignatureStatus, Simulation

T = TypeVar("T")

logger = logging.getLogger("simsync.rpc")

_METHOD_NOT_FOUND = -32601
_ADVICE = {404: "the session has ended or never existed; read its last state before the loop reaches Completed"}


class Rpc:
    """JSON-RPC calls to the endpoint of one session, see :attr:`~simsync.SubSession.rpc`.

    The calls need neither an API key nor an open session, and may be used from several threads and after a fork. The
    endpoint answers until the session ends. Addresses and signatures are base58 text or objects that print as such;
    transactions and messages are base64 text, bytes, or objects with a byte form. Amounts are in lamports.

    Every call raises :class:`~simsync.RpcError` for an error reply, :class:`~simsync.ConnectError` if there is no
    reply, :class:`~simsync.HttpStatusError` for an HTTP error, :class:`~simsync.ProtocolError` for a reply that cannot
    be read, and :class:`~simsync.InvalidParams` for a wrong argument. Calls that read are retried after transient
    failures, and so is :meth:`modify_accounts`; :meth:`send_transaction` and :meth:`call` are never retried.

    Args:
        endpoint: An ``http`` or ``https`` address.
        options: ``rpc_timeout``, ``connect_timeout``, ``max_message``, ``ssl_context``, ``ca_bundle`` and ``on_frame``
            apply.
    """

    def __init__(self, endpoint: str, options: Options | None = None) -> None:
        self.endpoint = urls.http_endpoint(endpoint)
        options = options if options is not None else Options()
        if not isinstance(options, Options):
            raise InvalidParams("options", options, "must be an Options(...)")
        self._options = options
        self._http = LateHttpClient(options, _ADVICE)
        self._numbers = itertools.count(1)
        self.keeps: object = None  # keeps the session open while this object is in use, see ``sessions/owner.py``

    def __repr__(self) -> str:
        return f"Rpc({self.endpoint!r})"

    def call(self, method: str, params: Sequence[object] = ()) -> Any:
        """Call any method. Never retried.

        Args:
            method: Name of the method, for example ``"getEpochInfo"``.
            params: Its parameters, as JSON values.

        Returns:
            The ``result`` of the reply, as JSON values.
        """
        return self._once(wire.any_call(method, params))

    def _once(self, call: wire.Call[T], deadline: float | None = None) -> T:
        # wait: caller | a reply | the peer | `rpc_timeout`
        return call.read(self._http.post_json(self.endpoint, call.body(next(self._numbers)), deadline))

    def _retry(self) -> HttpRetry:
        late_imports.load(*late_imports.HTTP)  # the retries need some of them, too
        return HttpRetry(self._options, logger)

    def _read(self, call: wire.Call[T]) -> T:
        retry = self._retry()
        return retry.read(lambda: self._once(call, retry.deadline))

    def get_health(self) -> str:
        """Return ``"ok"``. An endpoint that is not healthy answers with an error."""
        return self._read(wire.get_health())

    def get_slot(self) -> int:
        """Return the slot that the session has reached."""
        return self._read(wire.get_slot())

    def get_balance(self, address: object) -> int:
        """Return the balance of an account in lamports, 0 if it does not exist."""
        return self._read(wire.get_balance(checks.address("address", address)))

    def get_account_info(self, address: object) -> AccountData | None:
        """Return an account, or None if it does not exist."""
        return self._read(wire.get_account_info(checks.address("address", address)))

    def get_multiple_accounts(self, addresses: Iterable[object]) -> list[AccountData | None]:
        """Return several accounts.

        Args:
            addresses: Any number. More than 100 need several requests, which a session that advances meanwhile may
                answer in different slots.

        Returns:
            One entry per address, in order; None for an account that does not exist.
        """
        found: list[AccountData | None] = []
        for keys in _chunks(checks.addresses("addresses", addresses), wire.MAX_ACCOUNTS):
            states = self._read(wire.get_multiple_accounts(keys))
            found += states
        return found

    def get_program_accounts(
        self,
        program: object,
        *,
        data_size: SupportsIndex | None = None,
        memcmp: Iterable[tuple[SupportsIndex, object]] = (),
    ) -> list[tuple[str, AccountData]]:
        """Return the accounts that a program owns and that match all filters.

        Args:
            program: Address of the owner.
            data_size: Length of the data in bytes; None accepts any.
            memcmp: Pairs ``(offset, bytes)``: the data must hold these bytes (1 to 128) at this offset. The bytes may
                be given as base58 text, for example an address.

        Returns:
            Pairs ``(address, account)``.
        """
        filters = [] if data_size is None else [wire.size_filter(checks.integer("data_size", data_size, 0, checks.U64))]
        for index, pair in enumerate(checks.items("memcmp", memcmp)):
            filters.append(wire.compare_filter(f"memcmp[{index}]", pair))
        return self._read(wire.get_program_accounts(checks.address("program", program), filters))

    def get_token_accounts(self, owner: object, mint: object) -> list[tuple[str, AccountData]]:
        """Return the token accounts of a wallet for one mint. :func:`simsync.accounts.read_token_account` reads them.

        Args:
            owner: Address of the wallet.
            mint: Address of the mint, of either token program.

        Returns:
            Pairs ``(address, account)``.

        Raises:
            RpcError: The session has no such mint.
        """
        keys = checks.address("owner", owner), checks.address("mint", mint)
        try:
            return self._read(wire.get_token_accounts_by_owner(*keys))
        except RpcError as error:
            if error.code != _METHOD_NOT_FOUND:
                raise
        # An endpoint without that method has the more general one.
        from simsync import accounts

        places = [(accounts.MINT_OFFSET, keys[1]), (accounts.OWNER_OFFSET, keys[0])]
        return [
            found
            for program in (accounts.TOKEN_PROGRAM, accounts.TOKEN_2022_PROGRAM)
            for found in self.get_program_accounts(program, memcmp=places)
            if accounts.is_token_account(found[1])
        ]

    def get_token_balance(self, owner: object, mint: object) -> int:
        """Return what a wallet holds of a mint, in base units: the sum over its token accounts, 0 if it has none.

        Args:
            owner: Address of the wallet.
            mint: Address of the mint. For the native mint this is the wrapped SOL alone.

        Raises:
            RpcError: The session has no such mint. An endpoint without ``getTokenAccountsByOwner`` does not tell, and
                the balance is 0.
        """
        from simsync import accounts

        found = self.get_token_accounts(owner, mint)
        return sum(accounts.read_token_account(account).amount for _address, account in found)

    def get_latest_blockhash(self) -> str:
        """Return the latest blockhash, base58."""
        return self._read(wire.get_latest_blockhash())

    def get_fee_for_message(self, message: object) -> int | None:
        """Return the fee of a transaction with this message in lamports, or None if its blockhash is not known."""
        return self._read(wire.get_fee_for_message(wire.message_text("message", message)))

    def get_signature_statuses(self, signatures: Iterable[object]) -> list[SignatureStatus | None]:
        """Return the statuses of transactions.

        Args:
            signatures: Any number; more than 256 need several requests.

        Returns:
            One entry per signature, in order; None for one that is not known.
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
        """Return a transaction that was executed in this session, as JSON values of the RPC, or None."""
        return self._read(wire.get_transaction(checks.signature("signature", signature)))

    def get_minimum_balance_for_rent_exemption(self, size: SupportsIndex) -> int:
        """Return the lamports that make an account with ``size`` bytes of data exempt from rent."""
        return self._read(wire.get_minimum_balance_for_rent_exemption(checks.integer("size", size, 0, checks.U64)))

    def get_address_lookup_table(self, address: object) -> Any:
        """Return an address lookup table as JSON values of the server.

        The parameters and the result of this method are a guess.
        """
        return self._read(wire.get_address_lookup_table(checks.address("address", address)))

    def simulate_transaction(
        self, transaction: object, *, accounts: Iterable[object] = (), replace_blockhash: bool = False
    ) -> Simulation:
        """Execute a transaction on the present state without keeping the result. Signatures are not verified.

        Args:
            transaction: The transaction.
            accounts: Addresses whose states after the transaction are returned.
            replace_blockhash: Let the server replace the blockhash by a valid one.
        """
        call = wire.simulate_transaction(
            checks.transaction("transaction", transaction),
            checks.addresses("accounts", accounts),
            replace_blockhash=checks.flag("replace_blockhash", replace_blockhash),
        )
        return self._read(call)

    def send_transaction(self, transaction: object, *, skip_preflight: bool = False) -> str:
        """Execute a transaction at once, in the present slot, without advancing. Never retried.

        Args:
            transaction: The transaction.
            skip_preflight: Do not simulate it first.

        Returns:
            Its signature, base58.
        """
        text = checks.transaction("transaction", transaction)
        return self._once(wire.send_transaction(text, skip_preflight=checks.flag("skip_preflight", skip_preflight)))

    def modify_accounts(self, accounts: AccountModifications) -> None:
        """Write account states at once. Writing the same states twice is harmless, so this is retried.

        Args:
            accounts: Address → whole state: an :class:`~simsync.AccountData`, an account as ``getAccountInfo`` gives
                it (not in ``jsonParsed``), or one of another library with the same attributes. Any other plain mapping
                is sent unchanged.
        """
        call = wire.modify_accounts(checked_modifications("accounts", accounts))
        retry = self._retry()
        # Servers were seen to reply with an empty body now and then.
        retry.write(lambda: self._once(call, retry.deadline))

    def modify_program(
        self,
        program_id: object,
        elf: bytes,
        *,
        deploy_slot: SupportsIndex | None = None,
        authority: object | None = None,
    ) -> dict[str, AccountData]:
        """Replace the code of an upgradeable program, or deploy a program at an unused address.

        Args:
            program_id: Address of the program.
            elf: The compiled program.
            deploy_slot: Slot of the deployment. None means the slot before the present one, because a program that
                was deployed in the current slot cannot be run in it.
            authority: Address that may upgrade the program later; None makes it final.

        Returns:
            Address → account, for each account that was written.

        Raises:
            InvalidParams: ``program_id`` is an account, but not an upgradeable program.
            MissingExtra: ``program_id`` does not exist, and solders, which derives the address of its ProgramData
                account, is not installed.
        """
        from simsync import programs

        address = checks.address("program_id", program_id)
        if deploy_slot is None:
            deploy_slot = programs.deploy_slot_before(self.get_slot())
        programs.program_data_bytes(elf, deploy_slot, authority)  # rejects bad input before anything is sent
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

    def close(self) -> None:
        """Close the connections. The next call opens another one."""
        self._http.close()


def ask_slot(
    endpoint: str, options: Options, cancel: CancelToken, log: Adapter, wanted: Callable[[], bool] | None = None
) -> int:
    """Ask a session for its slot, in a call that ends at once with Cancelled when ``cancel`` is fired.

    With ``wanted`` it is tried as long as a lost connection is, and while that returns True.
    """
    call = wire.get_slot()
    with contextlib.closing(LateHttpClient(options, _ADVICE)) as http:
        with HttpWait(http, lambda: f"{endpoint} was not asked for its slot", None, cancel) as waiting:
            retry = HttpRetry(options, log, waiting.pause)

            def ask() -> int:
                deadline = retry.deadline if wanted is None else time.monotonic() + options.rpc_timeout
                # wait: `simsync-http` | a reply | the peer; a cancelled token | `rpc_timeout`
                return call.read(http.post_json(endpoint, call.body(1), deadline))

            def run() -> int:
                # wait: inquiry, subscription | a reply | `simsync-http`; a cancelled token | `rpc_timeout`
                return waiting.run(ask)

            if wanted is None:
                return retry.read(run)
            return retry.watch(run, lambda error: wanted() and is_transient(error))


def ask_outcomes(
    endpoint: str, options: Options, signatures: Sequence[str], deadline: float | None, cancel: CancelToken
) -> tuple[list[SignatureStatus | None], list[Any]]:
    """Ask a session for the statuses of transactions, and for the transactions that have one; None for the others.

    Ends at once with Cancelled when ``cancel`` is fired, and with EventTimeout at ``deadline``.
    """
    statuses: list[SignatureStatus | None] = []
    replies: list[Any] = []
    with contextlib.closing(LateHttpClient(options, _ADVICE)) as http:
        with HttpWait(http, lambda: f"{endpoint} did not tell the outcome", deadline, cancel) as waiting:
            retry = HttpRetry(options, logger, waiting.pause)

            def ask(call: wire.Call[T]) -> T:
                # wait: caller, stepping | a reply | the peer; a cancelled token | its timeout
                return retry.read(lambda: waiting.run(lambda: call.read(http.post_json(endpoint, call.body(1)))))

            for chunk in _chunks(signatures, wire.MAX_SIGNATURES):
                found = ask(wire.get_signature_statuses(chunk))
                statuses += found
            for signature, status in zip(signatures, statuses):
                try:
                    replies.append(None if status is None else ask(wire.get_transaction(signature)))
                except (RpcError, ProtocolError) as error:  # the status says the most important part
                    logger.debug("%s has a status but no transaction: %s", signature, error)
                    replies.append(None)
    return statuses, replies


def _chunks(values: Sequence[str], size: int) -> list[Sequence[str]]:
    return [values[index : index + size] for index in range(0, len(values), size)]
