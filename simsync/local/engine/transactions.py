"""What a transaction did: its error, the balances before and after, and the accounts that it changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction_status import (
    InstructionErrorBorshIO,
    InstructionErrorCustom,
    TransactionErrorDuplicateInstruction,
    TransactionErrorInstructionError,
    TransactionErrorInsufficientFundsForRent,
    TransactionErrorProgramExecutionTemporarilyRestricted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from solders.transaction_metadata import TransactionMetadata

    from simsync.local.engine.message_parts import Keys
    from simsync.local.engine.token_balances import TokenBalance

# -- errors


def error_json(error: object) -> object:
    """Return the JSON-RPC form of a solders transaction error: a name, or an object with one key."""
    if isinstance(error, TransactionErrorInstructionError):
        return {"InstructionError": [error.index, _instruction_error(error.err)]}
    if isinstance(error, TransactionErrorDuplicateInstruction):
        return {"DuplicateInstruction": error.index}
    if isinstance(error, TransactionErrorInsufficientFundsForRent):
        return {"InsufficientFundsForRent": {"account_index": error.account_index}}
    if isinstance(error, TransactionErrorProgramExecutionTemporarilyRestricted):
        return {"ProgramExecutionTemporarilyRestricted": {"account_index": error.account_index}}
    return _name(error)


def _instruction_error(error: object) -> object:
    if isinstance(error, InstructionErrorCustom):
        return {"Custom": error.code}
    if isinstance(error, InstructionErrorBorshIO):
        return {"BorshIoError": error.value}
    return _name(error)


def _name(error: object) -> str:
    return str(error).rpartition(".")[2]


# -- changed accounts and balances


class AccountChange(NamedTuple):
    """One account before and after a possible write; None where it does not exist."""

    address: Pubkey
    before: Account | None
    after: Account | None


def real_changes(changes: Iterable[AccountChange]) -> list[AccountChange]:
    """Return the changes in which something differs. An account without lamports counts as missing."""
    found = []
    for change in changes:
        address, before, after = change
        if before == after:
            continue
        was_empty, is_empty = before is not None and not before.lamports, after is not None and not after.lamports
        if was_empty or is_empty:
            change = AccountChange(address, None if was_empty else before, None if is_empty else after)
            if change.before is None and change.after is None:
                continue
        found.append(change)
    return found


def trace_of(logs: Iterable[str]) -> str:
    """Return a digest of which programs ran, how deep, and how each ended.

    Log messages and compute units are left out: they depend on the builds of the token and memo programs in the
    installed LiteSVM.
    """
    lines = [
        line
        for line in logs
        if line.startswith("Program ") and (line.endswith((" success", "]")) or " failed: " in line)
    ]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


class Outcome:
    """The effects of one executed or simulated transaction. Amounts are in lamports, ``units`` in compute units.

    ``before`` and ``after`` are the accounts that it may write. A simulated transaction has neither, nor balances.
    """

    __slots__ = (
        "_keys",
        "after",
        "before",
        "error",
        "fee",
        "meta",
        "post_balances",
        "post_tokens",
        "pre_balances",
        "pre_tokens",
    )

    def __init__(self, meta: TransactionMetadata, error: object, keys: Keys) -> None:
        self.meta = meta
        self.error = error
        self._keys = keys
        self.fee = 0
        self.pre_balances: Sequence[int] = ()
        self.post_balances: Sequence[int] = ()
        self.pre_tokens: Sequence[TokenBalance] = ()
        self.post_tokens: Sequence[TokenBalance] = ()
        self.before: Sequence[Account | None] = ()
        self.after: Sequence[Account | None] = ()

    @property
    def keys(self) -> Sequence[Pubkey]:
        """Every account key, those from lookup tables included."""
        return self._keys.all

    @property
    def loaded_writable(self) -> Sequence[Pubkey]:
        """The accounts from lookup tables that the message marks as writable."""
        return self._keys.loaded_writable

    @property
    def loaded_readonly(self) -> Sequence[Pubkey]:
        """The other accounts from lookup tables."""
        return self._keys.loaded_readonly

    @property
    def changes(self) -> list[AccountChange]:
        """The accounts that it may write, before and after; empty once they were forgotten."""
        return [AccountChange(*change) for change in zip(self._keys.written, self.before, self.after)]

    def written_balances(self) -> tuple[int, ...]:
        """Return the lamports of the writable accounts afterwards, in the order of the account keys."""
        return tuple([self.post_balances[index] for index in self._keys.writable])

    def forget_accounts(self) -> None:
        """Free the accounts before and after."""
        self.before = self.after = ()

    @property
    def logs(self) -> list[str]:
        """Its logs: a copy of what ``meta`` holds, made each time so that it takes no memory."""
        return self.meta.logs()

    @property
    def units(self) -> int:
        return self.meta.compute_units_consumed()

    @property
    def return_data(self) -> tuple[Pubkey, bytes] | None:
        """The program that returned data, and the data; None if no data was returned."""
        returned = self.meta.return_data()
        return (returned.program_id, returned.data) if returned.data else None

    @property
    def unsanitizable(self) -> bool:
        return bool(self.error == "SanitizeFailure")

    def trace(self) -> str:
        """Return the digest of its logs, see :func:`trace_of`."""
        return trace_of(self.logs)
