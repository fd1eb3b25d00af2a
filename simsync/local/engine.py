"""The only file that knows LiteSVM: execute a transaction on a set of accounts and say what came of it."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from solders.account import Account
from solders.compute_budget import ComputeBudget
from solders.litesvm import LiteSVM
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from simsync.local.tiny_program import failing_elf
from simsync.local.token_balances import TOKEN_PROGRAMS, TokenBalance, token_account, token_balance
from simsync.local.transaction_error import error_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from solders.transaction import VersionedTransaction

    from simsync.local.transaction_json import AnyMessage

_Result = TypeVar("_Result")

LAMPORTS_PER_SIGNATURE = 5_000
UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
LOOKUP_TABLE_HEADER = 56
"""Bytes before the addresses of an address lookup table."""

_COMPUTE_BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
_PROGRAM, _PROGRAM_DATA = b"\2\0\0\0", b"\3\0\0\0"
_PROGRAM_DATA_HEADER = 45
"""Bytes before the code in ProgramData, with or without an authority."""
# Older LiteSVM neither reports fees nor charges priority fees, and lets programs call each other less deep.
_REPORTS_FEE = hasattr(TransactionMetadata, "fee")
_NO_ACCOUNT = Account(0, b"", Pubkey.default())
_NO_PROGRAM = Account(1, b"", Pubkey.default())
_DEFAULT_UNITS, _BUILTIN_UNITS, _MAX_UNITS = 200_000, 3_000, 1_400_000
"""Compute units that an instruction counts with if its transaction asks for no limit, and the highest limit."""
_DEFAULT_HEAP = 32 * 1024
_BUILTINS = frozenset(
    {
        Pubkey.default(),
        _COMPUTE_BUDGET,
        UPGRADEABLE_LOADER,
        Pubkey.from_string("BPFLoader1111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader2111111111111111111111111111111111"),
        Pubkey.from_string("LoaderV411111111111111111111111111111111111"),
        Pubkey.from_string("KeccakSecp256k11111111111111111111111111111"),
        Pubkey.from_string("Ed25519SigVerify111111111111111111111111111"),
    }
)
"""Programs whose instructions count with few compute units."""


class AccountRefused(ValueError):
    """The engine does not take this account, for instance a sysvar with wrong data."""


class _Budget(NamedTuple):
    """What a message asks for: compute units, micro-lamports for each of them, bytes of heap."""

    units: int
    price: int
    heap: int


class AccountChange(NamedTuple):
    """One account before and after it may have been written; None where it does not exist."""

    address: Pubkey
    before: Account | None
    after: Account | None


def real_changes(changes: Iterable[AccountChange]) -> list[AccountChange]:
    """Return those in which something changed; an account without lamports does not exist."""
    found = []
    for change in changes:
        address, before, after = change
        if before == after:
            continue
        gone, going = before is not None and not before.lamports, after is not None and not after.lamports
        if gone or going:
            change = AccountChange(address, None if gone else before, None if going else after)
            if change.before is None and change.after is None:
                continue
        found.append(change)
    return found


class Outcome:
    """What one executed or simulated transaction did. Amounts in lamports, ``units`` in compute units."""

    __slots__ = (
        "changes",
        "error",
        "fee",
        "keys",
        "loaded_readonly",
        "loaded_writable",
        "meta",
        "post_balances",
        "post_tokens",
        "pre_balances",
        "pre_tokens",
    )

    def __init__(self, meta: TransactionMetadata, error: Any, keys: list[Pubkey], fee: int) -> None:
        self.meta = meta
        self.error = error
        self.keys = keys
        self.fee = fee
        self.loaded_writable: list[Pubkey] = []
        self.loaded_readonly: list[Pubkey] = []
        self.pre_balances: list[int] = []
        self.post_balances: list[int] = []
        self.pre_tokens: list[TokenBalance] = []
        self.post_tokens: list[TokenBalance] = []
        self.changes: list[AccountChange] = []

    @property
    def logs(self) -> list[str]:
        return self.meta.logs()

    @property
    def units(self) -> int:
        return self.meta.compute_units_consumed()

    @property
    def return_data(self) -> tuple[Pubkey, bytes] | None:
        """The program that returned data, and the data; None if there is none."""
        returned = self.meta.return_data()
        return (returned.program_id, returned.data) if returned.data else None

    @property
    def unsanitizable(self) -> bool:
        return bool(self.error == "SanitizeFailure")

    def written_balances(self) -> tuple[int, ...]:
        """Return the lamports of the writable accounts afterwards, in the order of the account keys."""
        return tuple(change.after.lamports if change.after is not None else 0 for change in self.changes)

    def trace(self) -> str:
        """Return a digest of which programs ran, how deep, and how each ended.

        Log messages and compute units are left out: they depend on the build of the token and memo programs that
        the installed LiteSVM carries.
        """
        lines = [
            line
            for line in self.meta.logs()
            if line.startswith("Program ") and (line.endswith((" success", "]")) or " failed: " in line)
        ]
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


class Engine:
    """A set of accounts on which transactions run; signatures, blockhashes and repetition are not checked.

    Each transaction may use ``extra_units`` compute units more than it asks for. A program that was deployed in the
    current slot cannot be called before the next one. Raises AccountRefused for an account that cannot be used.
    """

    def __init__(self, accounts: Mapping[Pubkey, Account], *, extra_units: int = 0) -> None:
        self._svm = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)
        self._extra_units = extra_units
        self._slot = 0
        self._known: set[Pubkey] = set()
        self._undeployed: set[Pubkey] = set()
        self._removed: set[Pubkey] = set()
        for address, account in _program_data_first(accounts.items()):
            self._set(address, account)

    def enter_slot(self, slot: int, time: int) -> None:
        """Set the clock to ``slot`` and the unix ``time`` in seconds."""
        self._svm.warp_to_slot(slot)
        clock = self._svm.get_clock()
        clock.unix_timestamp = time
        self._svm.set_clock(clock)
        self._slot = slot
        waiting, self._undeployed = self._undeployed, set()
        for program in waiting:
            account = self._svm.get_account(program)
            # Without its ProgramData a program stays out of use.
            if account is not None and _is_program(account) and self._svm.get_account(_program_data_of(account)):
                self._put(program, account)

    def account(self, address: Pubkey) -> Account | None:
        return self._svm.get_account(address)

    def balance(self, address: Pubkey) -> int:
        """Return the lamports of an account, 0 if it does not exist."""
        return self._svm.get_balance(address) or 0

    def snapshot(self) -> dict[Pubkey, Account]:
        """Return every account that was given or written, as it is now."""
        found = ((address, self._svm.get_account(address)) for address in sorted(self._known, key=bytes))
        return {address: account for address, account in found if account is not None}

    def owned_by(self, program: Pubkey) -> list[tuple[Pubkey, Account]]:
        """Return the accounts that belong to ``program``, in order of address."""
        return [item for item in self.snapshot().items() if item[1].owner == program]

    def rent_exempt_minimum(self, size: int) -> int:
        """Return the lamports that make an account of ``size`` bytes exempt from rent."""
        return self._svm.minimum_balance_for_rent_exemption(size)

    def set_accounts(self, accounts: Iterable[tuple[Pubkey, Account]]) -> list[AccountChange]:
        """Replace accounts, all or none, and return how they changed; zero lamports remove one. Raises AccountRefused.

        ProgramData comes before the program that names it, and new ProgramData makes the engine load the program again.
        """
        return [
            AccountChange(address, None if account is _NO_ACCOUNT else account, self._svm.get_account(address))
            for address, account in self._replace(accounts)
        ]

    def _replace(self, accounts: Iterable[tuple[Pubkey, Account]]) -> list[tuple[Pubkey, Account]]:
        """Replace accounts and return them as they were before. Raises AccountRefused with nothing replaced."""
        before: list[tuple[Pubkey, Account]] = []
        try:
            for address, account in _program_data_first(accounts):
                before.append((address, self._svm.get_account(address) or _NO_ACCOUNT))
                self._set(address, account)
                self._load_programs_of(address, account)
        except AccountRefused:
            for address, account in _program_data_first(reversed(before)):
                self._put(address, account)
                self._load_programs_of(address, account)
            raise
        return before

    def attempt(
        self,
        overrides: Iterable[tuple[Pubkey, Account]],
        transactions: Iterable[VersionedTransaction],
        wanted: Iterable[Pubkey],
    ) -> tuple[list[Outcome], list[Account | None]]:
        """Replace accounts, run transactions one after the other, read the wanted accounts, then take all of it back.

        A transaction runs whatever became of the one before. Raises AccountRefused, with nothing changed.
        """
        original: dict[Pubkey, Account | None] = {}
        outcomes: list[Outcome] = []
        try:
            _note_changes(original, self.set_accounts(overrides))
            for transaction in transactions:
                outcome = self.execute(transaction)
                _note_changes(original, outcome.changes)
                outcome.changes = []
                outcomes.append(outcome)
            return outcomes, [self.account(address) for address in wanted]
        finally:
            if original:
                self._replace((address, account or _NO_ACCOUNT) for address, account in original.items())

    def _set(self, address: Pubkey, account: Account) -> None:
        self._put(address, account)
        self._known.add(address)

    def _put(self, address: Pubkey, account: Account) -> None:
        if not account.lamports:
            before = self._svm.get_account(address)
            if account.executable or (before is not None and before.executable):
                self._removed.add(address)
        self._give(address, account)
        if _is_program(account):
            self._follow_deployment(address, account)

    def _load_programs_of(self, address: Pubkey, account: Account) -> None:
        """Have the programs of ProgramData loaded again, which LiteSVM does not do by itself."""
        if _is_program_data(account):
            for program, existing in self._programs_of(address):
                self._put(program, existing)

    def _give(self, address: Pubkey, account: Account) -> None:
        try:
            self._svm.set_account(address, account)
        except Exception as error:
            # LiteSVM's own error class cannot be imported.
            if type(error).__name__ != "LiteSVMError" and not isinstance(error, ValueError):
                raise
            text = f"{address}: {error}"
            if _is_program(account):
                text += f"; the code of a program is read from byte {_PROGRAM_DATA_HEADER} of its ProgramData"
            raise AccountRefused(text) from error

    def _follow_deployment(self, program: Pubkey, account: Account) -> None:
        """Take the code of a program out of use until the slot after its deployment; LiteSVM would run it at once."""
        address = _program_data_of(account)
        data = self._svm.get_account(address)
        if data is None or not _is_program_data(data) or _deploy_slot(data) < self._slot:
            self._undeployed.discard(program)
            return
        self._undeployed.add(program)
        # What LiteSVM runs is decided when the program is set, so its ProgramData may be another one at that moment.
        try:
            self._give(address, _NO_ACCOUNT)
            self._give(program, account)
        except AccountRefused:
            # Older LiteSVM takes no program without ProgramData.
            self._give(address, Account(data.lamports, bytes(_PROGRAM_DATA_HEADER) + failing_elf(), UPGRADEABLE_LOADER))
            self._give(program, account)
        self._give(address, data)

    def _programs_of(self, program_data: Pubkey) -> list[tuple[Pubkey, Account]]:
        wanted = _PROGRAM + bytes(program_data)
        found = dict(self.owned_by(UPGRADEABLE_LOADER))
        list_all = getattr(self._svm, "get_program_accounts", None)
        if list_all is not None:
            found.update(list_all(UPGRADEABLE_LOADER))
        return [(address, account) for address, account in found.items() if account.data == wanted]

    def fee_of(self, message: AnyMessage) -> int:
        """Return the fee in lamports that a transaction with this message is charged."""
        fee = LAMPORTS_PER_SIGNATURE * message.header.num_required_signatures
        if not _REPORTS_FEE:
            return fee
        budget = _budget(message)
        return fee + -(-budget.price * budget.units // 1_000_000)

    def _allow_extra_units(self, message: AnyMessage) -> None:
        """Let the next transaction, which has this message, use more compute units than it asks for."""
        wanted = _budget(message)
        budget = ComputeBudget(_REPORTS_FEE)
        budget.compute_unit_limit = wanted.units + self._extra_units
        budget.heap_size = wanted.heap
        self._svm.with_compute_budget(budget)

    def execute(self, transaction: VersionedTransaction) -> Outcome:
        """Run a transaction and keep what it changes. It never raises for a transaction that fails."""
        message = transaction.message
        keys, writable, loaded_writable, loaded_readonly = self._resolve(message)
        get_account, get_balance = self._svm.get_account, self._svm.get_balance
        before = {index: get_account(keys[index]) for index in writable}
        pre = [
            (account.lamports if (account := before[index]) is not None else 0)
            if index in before
            else get_balance(key) or 0
            for index, key in enumerate(keys)
        ]
        readonly_tokens = self._readonly_token_accounts(message, keys, before)
        pre_tokens = self._token_balances(keys, before, readonly_tokens) if readonly_tokens is not None else []
        result = self._run(self._svm.send_transaction, transaction, keys, writable)
        if isinstance(result, FailedTransactionMetadata):
            outcome = Outcome(result.meta(), error_json(result.err()), keys, 0)
        else:
            outcome = Outcome(result, None, keys, 0)
        outcome.loaded_writable, outcome.loaded_readonly = loaded_writable, loaded_readonly
        outcome.pre_balances = pre
        post = list(pre)
        after: dict[int, Account | None] = {}
        for index in writable:
            account = get_account(keys[index])
            after[index] = account
            post[index] = account.lamports if account is not None else 0
            outcome.changes.append(AccountChange(keys[index], before[index], account))
        outcome.post_balances = post
        self._known.update(keys[index] for index in writable)
        if UPGRADEABLE_LOADER in keys:
            for change in outcome.changes:
                if change.after is not None and _is_program(change.after):
                    self._follow_deployment(change.address, change.after)
        if outcome.error is None or outcome.meta.logs() or post != pre:
            outcome.fee = outcome.meta.fee() if _REPORTS_FEE else self.fee_of(message)
        if readonly_tokens is not None:
            outcome.pre_tokens = pre_tokens
            outcome.post_tokens = self._token_balances(keys, after, readonly_tokens)
        return outcome

    def simulate(self, transaction: VersionedTransaction) -> tuple[Outcome, dict[Pubkey, Account]]:
        """Run a transaction and keep nothing of it.

        Return the outcome, without balances, and the accounts as they would have been written.
        """
        keys, writable, loaded_writable, loaded_readonly = self._resolve(transaction.message)
        result = self._run(self._svm.simulate_transaction, transaction, keys, writable)
        if isinstance(result, FailedTransactionMetadata):
            outcome, written = Outcome(result.meta(), error_json(result.err()), keys, 0), {}
        else:
            outcome, written = Outcome(result.meta(), None, keys, 0), dict(result.post_accounts())
        outcome.loaded_writable, outcome.loaded_readonly = loaded_writable, loaded_readonly
        outcome.fee = self.fee_of(transaction.message)
        return outcome, written

    def _run(
        self,
        method: Callable[[VersionedTransaction], _Result],
        transaction: VersionedTransaction,
        keys: Sequence[Pubkey],
        writable: Sequence[int],
    ) -> _Result:
        """Have LiteSVM send or simulate a transaction."""
        if self._extra_units:
            self._allow_extra_units(transaction.message)
        if not self._removed or self._removed.isdisjoint(keys):
            return method(transaction)
        # LiteSVM panics if a program that it once loaded is called without an account.
        readonly = set(keys).difference(keys[index] for index in writable)
        missing = [key for key in self._removed & readonly if self._svm.get_account(key) is None]
        for key in missing:
            self._give(key, _NO_PROGRAM)
        try:
            return method(transaction)
        finally:
            for key in missing:
                self._give(key, _NO_ACCOUNT)

    def _resolve(self, message: AnyMessage) -> tuple[list[Pubkey], list[int], list[Pubkey], list[Pubkey]]:
        """Return all keys, the indices of the writable ones, and the writable and read-only keys from lookup tables."""
        keys = list(message.account_keys)
        header = message.header
        signers, total = header.num_required_signatures, len(keys)
        writable = list(range(max(0, signers - header.num_readonly_signed_accounts)))
        writable.extend(range(signers, max(signers, total - header.num_readonly_unsigned_accounts)))
        writable = [index for index in writable if index < total]
        loaded_writable: list[Pubkey] = []
        loaded_readonly: list[Pubkey] = []
        if isinstance(message, MessageV0):
            for lookup in message.address_table_lookups:
                table = self._svm.get_account(lookup.account_key)
                addresses = table.data[LOOKUP_TABLE_HEADER:] if table is not None else b""
                loaded_writable.extend(_at(addresses, lookup.writable_indexes))
                loaded_readonly.extend(_at(addresses, lookup.readonly_indexes))
            writable.extend(range(total, total + len(loaded_writable)))
            keys += loaded_writable + loaded_readonly
        return keys, writable, loaded_writable, loaded_readonly

    def _readonly_token_accounts(
        self, message: AnyMessage, keys: list[Pubkey], writable: Mapping[int, Any]
    ) -> dict[int, Account] | None:
        """Return the read-only token accounts by index, or None if no token program takes part."""
        if TOKEN_PROGRAMS.isdisjoint(keys):
            return None
        programs = {instruction.program_id_index for instruction in message.instructions}
        found: dict[int, Account] = {}
        for index, key in enumerate(keys):
            if index in writable or index in programs or key in TOKEN_PROGRAMS:
                continue
            account = self._svm.get_account(key)
            if account is not None and not account.executable and token_account(account) is not None:
                found[index] = account
        return found

    def _token_balances(
        self, keys: list[Pubkey], written: Mapping[int, Account | None], readonly: Mapping[int, Account]
    ) -> list[TokenBalance]:
        balances = []
        for index in range(len(keys)):
            account = written[index] if index in written else readonly.get(index)
            balance = token_balance(index, account, self._svm.get_account) if account is not None else None
            if balance is not None:
                balances.append(balance)
        return balances


def _note_changes(original: dict[Pubkey, Account | None], changes: Iterable[AccountChange]) -> None:
    for address, before, after in changes:
        if address not in original and before != after:
            original[address] = before


def _budget(message: AnyMessage) -> _Budget:
    keys, usual = message.account_keys, 0
    units, price, heap = None, 0, _DEFAULT_HEAP
    for instruction in message.instructions:
        index, data = instruction.program_id_index, instruction.data
        program = keys[index] if index < len(keys) else None
        usual += _BUILTIN_UNITS if program in _BUILTINS else _DEFAULT_UNITS
        if program != _COMPUTE_BUDGET:
            continue
        if data[:1] == b"\1" and len(data) >= 5:
            (heap,) = struct.unpack_from("<I", data, 1)
        elif data[:1] == b"\2" and len(data) >= 5:
            (units,) = struct.unpack_from("<I", data, 1)
        elif data[:1] == b"\3" and len(data) >= 9:
            (price,) = struct.unpack_from("<Q", data, 1)
    return _Budget(min(usual if units is None else units, _MAX_UNITS), price, heap)


def _is_program(account: Account) -> bool:
    """Is it a program whose code stands in ProgramData?"""
    data = account.data
    return account.owner == UPGRADEABLE_LOADER and account.executable and data[:4] == _PROGRAM and len(data) >= 36


def _program_data_of(program: Account) -> Pubkey:
    return Pubkey.from_bytes(program.data[4:36])


def _is_program_data(account: Account) -> bool:
    return account.owner == UPGRADEABLE_LOADER and account.data[:4] == _PROGRAM_DATA


def _deploy_slot(program_data: Account) -> int:
    """Return the slot in which the code was deployed; ProgramData too short to say so counts as old."""
    if len(program_data.data) < 12:
        return -1
    slot: int = struct.unpack_from("<Q", program_data.data, 4)[0]
    return slot


def _program_data_first(accounts: Iterable[tuple[Pubkey, Account]]) -> list[tuple[Pubkey, Account]]:
    """Return the accounts in an order in which each program finds its ProgramData."""
    return sorted(accounts, key=lambda item: not _is_program_data(item[1]))


def _at(addresses: bytes, indexes: bytes) -> list[Pubkey]:
    return [
        Pubkey.from_bytes(addresses[32 * index : 32 * index + 32])
        for index in indexes
        if len(addresses) >= 32 * index + 32
    ]
