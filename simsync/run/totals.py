"""One recorded run summed up, in one pass over its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.json_form import JsonForm
from simsync.params import checks
from simsync.run.completeness import CompletenessCheck
from simsync.run.event_records import BalanceChange, RecordCounts, RecordedTransaction, transaction_of
from simsync.run.record_file import PathLike, read_records


@dataclass
class ProgramTotals(JsonForm):
    """Transactions whose logs name a program.

    Attributes:
        transactions: All of them.
        failed: Those that ended with an error.
    """

    transactions: int = 0
    failed: int = 0


@dataclass
class AccountTrace(JsonForm):
    """One balance of an account over a run.

    First and last go by slots and not by places in the file, because sub-sessions are recorded at the same time.

    Attributes:
        account: The address.
        mint: The token; None for lamports.
        opening: The balance before its first change, in lamports or the token's smallest unit.
        closing: The balance after its last change.
        first_slot: Slot of the first change.
        last_slot: Slot of the last change.
        changes: How often it changed.
    """

    account: str
    mint: Optional[str]
    opening: int
    closing: int
    first_slot: int
    last_slot: int
    changes: int = 1

    def add(self, slot: int, change: BalanceChange) -> None:
        """Count a further change."""
        self.changes += 1
        if slot < self.first_slot:
            self.first_slot, self.opening = slot, change.before
        if slot >= self.last_slot:
            self.last_slot, self.closing = slot, change.after


@dataclass
class RunTotals(RecordCounts, JsonForm):
    """A recorded run, summed up.

    Attributes:
        transactions: All transactions.
        failed: Those of them that ended with an error.
        diffs: Account diffs.
        first_slot: The lowest slot with a transaction; None without transactions.
        last_slot: The highest slot with a transaction.
        compute_units: The sum over all transactions.
        complete: True if the file proves that it is complete, see :mod:`simsync.run.completeness`.
        incomplete_because: Why it is not complete; None if it is.
        metadata: The data of the ``metadata`` record.
        summary: The data of the ``summary`` record.
        errors: Failed transactions by error, the most frequent first.
        programs: Totals by program, the most used first.
        accounts: The balances that were asked for.
    """

    first_slot: Optional[int] = None
    last_slot: Optional[int] = None
    compute_units: int = 0
    complete: bool = False
    incomplete_because: Optional[str] = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    programs: dict[str, ProgramTotals] = field(default_factory=dict)
    accounts: list[AccountTrace] = field(default_factory=list)


def summarize(path: PathLike, accounts: Iterable[object] = ()) -> RunTotals:
    """Sum up a recorded run.

    Args:
        path: The file of the run.
        accounts: Addresses whose balances are followed.

    Returns:
        The totals. Memory grows with the number of different errors, programs and balances, not with the file.

    Raises:
        InvalidParams: An address is not valid, or the file is not a recorded run.
        OSError: The file cannot be read.
    """
    adding = _Adding(frozenset(checks.addresses("accounts", accounts)))
    check = CompletenessCheck()
    for record in read_records(path):
        check.add(record)
        if record.kind == "tx":
            adding.add(transaction_of(record.data))
    totals = adding.sorted_totals()
    totals.diffs = check.counts.diffs
    totals.metadata, totals.summary = dict(check.metadata), dict(check.summary)
    totals.incomplete_because = check.reason
    totals.complete = totals.incomplete_because is None
    return totals


class _Adding:
    """The totals while a file is read."""

    def __init__(self, accounts: frozenset[str]) -> None:
        self.totals = RunTotals()
        self._accounts = accounts
        self._errors: Counter[str] = Counter()
        self._traces: dict[tuple[str, Optional[str]], AccountTrace] = {}

    def add(self, transaction: RecordedTransaction) -> None:
        totals, slot, failed = self.totals, transaction.slot, transaction.error is not None
        totals.add_transaction(failed=failed)
        totals.compute_units += transaction.units or 0
        totals.first_slot = slot if totals.first_slot is None else min(slot, totals.first_slot)
        totals.last_slot = slot if totals.last_slot is None else max(slot, totals.last_slot)
        if transaction.error is not None:
            self._errors[transaction.error] += 1
        for program in transaction.programs:
            row = totals.programs.setdefault(program, ProgramTotals())
            row.transactions += 1
            row.failed += failed
        for change in transaction.changes if self._accounts else ():
            if change.account in self._accounts:
                self._follow(slot, change)

    def _follow(self, slot: int, change: BalanceChange) -> None:
        key = (change.account, change.mint)
        trace = self._traces.get(key)
        if trace is None:
            self._traces[key] = AccountTrace(change.account, change.mint, change.before, change.after, slot, slot)
        else:
            trace.add(slot, change)

    def sorted_totals(self) -> RunTotals:
        totals = self.totals
        totals.errors = dict(self._errors.most_common())
        totals.programs = dict(sorted(totals.programs.items(), key=lambda item: -item[1].transactions))
        totals.accounts = [self._traces[key] for key in sorted(self._traces, key=lambda key: (key[0], key[1] or ""))]
        return totals
