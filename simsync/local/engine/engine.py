"""Executes transactions on a set of accounts."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from solders.compute_budget import ComputeBudget
from solders.litesvm import LiteSVM
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from simsync.local.engine.accounts import AccountStore
from simsync.local.engine.message_parts import (
    Keys,
    MessageParts,
    budget_of,
    keys_of,
    precompile_signatures,
)
from simsync.local.engine.nonces import advanced_by_failure
from simsync.local.engine.programs import TOKEN_PROGRAMS
from simsync.local.engine.token_balances import token_account, token_balances
from simsync.local.engine.transactions import AccountChange, Outcome, error_json
from simsync.params import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from solders.account import Account
    from solders.pubkey import Pubkey
    from solders.transaction import VersionedTransaction

    from simsync.local.engine.message_parts import AnyMessage
    from simsync.local.engine.sysvars import PastSlot
    from simsync.local.engine.token_balances import TokenBalance

_Result = TypeVar("_Result")

LAMPORTS_PER_SIGNATURE = 5_000
# solders 0.27 neither reports fees nor charges priority fees, and limits nested calls more tightly.
_REPORTS_FEE = hasattr(TransactionMetadata, "fee")


class EngineFailed(RuntimeError):
    """LiteSVM panicked while it ran a transaction. The engine must not be used any more."""


class Engine:
    """A set of accounts on which transactions run. Signatures, blockhashes and repetition are not checked.

    A program cannot be called in the slot in which it was deployed.

    Args:
        accounts: The accounts at the start.
        extra_units: Compute units that each transaction may use beyond its limit.
        past: The blocks before the first slot, oldest first, for the sysvars that hold hashes.

    Raises:
        AccountRefused: An account cannot be used.
    """

    def __init__(
        self, accounts: Mapping[Pubkey, Account], *, extra_units: int = 0, past: Iterable[PastSlot] = ()
    ) -> None:
        self._svm = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)
        self._accounts = AccountStore(self._svm, accounts, past)
        self._extra_units = extra_units

    # -- accounts

    def enter_slot(self, slot: int, time: int, *, blockhash: str | None = None, epoch_start: int | None = None) -> None:
        """Move clock and sysvars to a slot.

        Args:
            slot: The slot.
            time: Its unix time in seconds.
            blockhash: The hash of its block in base58, None if it carries none.
            epoch_start: The unix time of the first slot of its epoch, None to estimate it.
        """
        self._accounts.enter_slot(slot, time, blockhash, epoch_start)

    def account(self, address: Pubkey) -> Account | None:
        return self._accounts.get(address)

    def balance(self, address: Pubkey) -> int:
        """Return the lamports of an account, 0 if it does not exist."""
        return self._svm.get_balance(address) or 0

    def snapshot(self) -> dict[Pubkey, Account]:
        """Return every account that was given or written, in its current state."""
        return self._accounts.snapshot()

    def to_restore(self) -> dict[Pubkey, Account]:
        """Return the accounts that make another engine equal to this one; those that are gone have no lamports."""
        return self._accounts.to_restore()

    def owned_by(self, program: Pubkey) -> list[tuple[Pubkey, Account]]:
        """Return the accounts that belong to ``program``, in order of address."""
        return self._accounts.owned_by(program)

    def rent_exempt_minimum(self, size: int) -> int:
        """Return the lamports that make an account of ``size`` bytes exempt from rent."""
        return self._svm.minimum_balance_for_rent_exemption(size)

    def set_accounts(self, accounts: Iterable[tuple[Pubkey, Account]]) -> list[AccountChange]:
        """Replace accounts, all or none, and return how they changed. Zero lamports remove an account.

        The order does not matter: ProgramData is set before the program that names it, and a program whose ProgramData
        changes is loaded again. Raises AccountRefused.
        """
        return self._accounts.set_all(accounts)

    # -- transactions

    def execute(self, transaction: VersionedTransaction, message: MessageParts | None = None) -> Outcome:
        """Run a transaction and keep its changes. A failing transaction raises nothing.

        Args:
            transaction: The transaction.
            message: Its message, if the caller has taken it apart.
        """
        if message is None:
            message = MessageParts(transaction.message)
        get_account, get_balance = self._svm.get_account, self._svm.get_balance
        found = keys_of(message, get_account)
        writable = found.writable
        before = tuple(map(get_account, found.written))
        pre = [get_balance(key) or 0 for key in found.all]
        tokens = self._readonly_token_accounts(message, found)
        pre_tokens = self._token_balances(writable, before, tokens)
        result = self.run_guarded(self._svm.send_transaction, transaction, message, found)
        if isinstance(result, FailedTransactionMetadata):
            outcome = Outcome(result.meta(), error_json(result.err()), found)
        else:
            outcome = Outcome(result, None, found)
        after = tuple(map(get_account, found.written))
        post = pre.copy()
        for index, account in zip(writable, after):
            post[index] = account.lamports if account is not None else 0
        # A transaction that did not even start is charged nothing.
        charged = outcome.error is None or bool(outcome.logs) or post != pre
        if charged and outcome.error is not None and self._advance_nonce(message, found):
            after = tuple(map(get_account, found.written))
        outcome.pre_balances, outcome.post_balances = tuple(pre), tuple(post)
        outcome.pre_tokens, outcome.post_tokens = pre_tokens, self._token_balances(writable, after, tokens)
        outcome.before, outcome.after = before, after
        self._accounts.note_written(found.written, after, may_deploy=found.with_loader)
        if charged:
            outcome.fee = outcome.meta.fee() if _REPORTS_FEE else self._fee_of(message)
        return outcome

    def _advance_nonce(self, message: MessageParts, keys: Keys) -> bool:
        """Advance the nonce of a transaction that failed; return False if it is not a durable one."""
        advanced = advanced_by_failure(message, keys, self._svm.get_account)
        if advanced is not None:
            self._accounts.restore([advanced])
        return advanced is not None

    def simulate(self, transaction: VersionedTransaction) -> tuple[Outcome, dict[Pubkey, Account]]:
        """Run a transaction without keeping its changes.

        Return the outcome, without balances, and the accounts as the transaction would have written them.
        """
        message = MessageParts(transaction.message)
        keys = keys_of(message, self._svm.get_account)
        result = self.run_guarded(self._svm.simulate_transaction, transaction, message, keys)
        if isinstance(result, FailedTransactionMetadata):
            outcome, written = Outcome(result.meta(), error_json(result.err()), keys), {}
        else:
            outcome, written = Outcome(result.meta(), None, keys), dict(result.post_accounts())
        outcome.fee = self._fee_of(message)
        return outcome, written

    def attempt(
        self,
        overrides: Iterable[tuple[Pubkey, Account]],
        transactions: Iterable[VersionedTransaction],
        wanted: Iterable[Pubkey],
    ) -> tuple[list[Outcome], list[Account | None]]:
        """Replace accounts, run transactions in order, read the wanted accounts, then restore every changed account.

        A transaction runs even if the one before failed. Raises AccountRefused, with nothing changed.
        """
        original: dict[Pubkey, Account | None] = {}
        outcomes: list[Outcome] = []
        try:
            _note_original(original, self.set_accounts(overrides))
            for transaction in transactions:
                outcome = self.execute(transaction)
                _note_original(original, outcome.changes)
                outcome.forget_accounts()
                outcomes.append(outcome)
            return outcomes, [self.account(address) for address in wanted]
        finally:
            if original:
                self._accounts.restore(original.items())

    def fee_of(self, message: AnyMessage) -> int:
        """Return the fee in lamports that a transaction with this message is charged."""
        return self._fee_of(MessageParts(message))

    def _fee_of(self, message: MessageParts) -> int:
        fee = LAMPORTS_PER_SIGNATURE * (message.signers + precompile_signatures(message))
        if not _REPORTS_FEE:
            return fee
        budget = budget_of(message)
        return min(fee + -(-budget.price * budget.units // 1_000_000), checks.U64)  # where a node stops, too

    def run_guarded(
        self,
        method: Callable[[VersionedTransaction], _Result],
        transaction: VersionedTransaction,
        message: MessageParts,
        keys: Keys,
    ) -> _Result:
        """Have LiteSVM send or simulate a transaction."""
        self._accounts.refresh_sysvars(keys.all)
        if self._extra_units:
            self._allow_extra_units(message)
        stand_ins = self._accounts.put_stand_ins(keys)
        try:
            return method(transaction)
        except BaseException as error:
            # A panic in Rust is no Exception: unless it is translated, it ends the thread of the server.
            if type(error).__name__ != "PanicException":
                raise
            raise EngineFailed(f"LiteSVM panicked while it ran a transaction: {error}") from error
        finally:
            self._accounts.remove_stand_ins(stand_ins)

    def _allow_extra_units(self, message: MessageParts) -> None:
        """Raise the compute limit of the next transaction, which has this message."""
        wanted = budget_of(message)
        budget = ComputeBudget(_REPORTS_FEE)
        budget.compute_unit_limit = wanted.units + self._extra_units
        budget.heap_size = wanted.heap
        self._svm.with_compute_budget(budget)

    # -- token balances

    def _readonly_token_accounts(self, message: MessageParts, keys: Keys) -> list[tuple[int, Account]] | None:
        """Return the read-only token accounts by index, or None if the transaction names no token program."""
        if not keys.with_tokens:
            return None
        others = {*keys.writable, *(program for program, _accounts, _data in message.instructions)}
        found: list[tuple[int, Account]] = []
        for index, key in enumerate(keys.all):
            if index in others or key in TOKEN_PROGRAMS:
                continue
            account = self._svm.get_account(key)
            if account is not None and token_account(account) is not None:
                found.append((index, account))
        return found

    def _token_balances(
        self,
        writable: Sequence[int],
        accounts: Sequence[Account | None],
        readonly: list[tuple[int, Account]] | None,
    ) -> Sequence[TokenBalance]:
        """Return the token balances of a transaction while its writable accounts are in this state."""
        if readonly is None:
            return ()
        indexed: list[tuple[int, Account | None]] = [*zip(writable, accounts), *readonly]
        if readonly:
            indexed.sort(key=itemgetter(0))
        return token_balances(indexed, self._svm.get_account)


def _note_original(original: dict[Pubkey, Account | None], changes: Iterable[AccountChange]) -> None:
    """Remember the first known state of each account that changed."""
    for address, before, after in changes:
        if address not in original and before != after:
            original[address] = before
