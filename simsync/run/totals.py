"""One recorded run summed up, in one pass over its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.json_form import JsonForm
from simsync.params import checks
from simsync.run.records import PathLike, read_records
from simsync.run.transactions import BalanceChange, RecordedTransaction, transaction_of


@dataclass
class ProgramTotals(JsonForm):
    """Transactions whose logs name the program."""

    transactions: int = 0
    failed: int = 0


@dataclass
class AccountTrace(JsonForm):
    """Lamports (``mint`` None) or tokens of one account: at the start of its first change, at the end of its last.

    Sub-sessions are recorded side by side, so first and last go by slots, not by places in the file.
    """

    account: str
    mint: Optional[str]
    opening: int
    closing: int
    first_slot: int
    last_slot: int
    changes: int = 1

    def add(self, slot: int, change: BalanceChange) -> None:
        self.changes += 1
        if slot < self.first_slot:
            self.first_slot, self.opening = slot, change.before
        if slot >= self.last_slot:
            self.last_slot, self.closing = slot, change.after


@dataclass
class RunTotals(JsonForm):
    """``complete``: the file has its last record, the summary. Slots are those of transactions."""

    transactions: int = 0
    failed: int = 0
    first_slot: Optional[int] = None
    last_slot: Optional[int] = None
    compute_units: int = 0
    diffs: int = 0
    complete: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    programs: dict[str, ProgramTotals] = field(default_factory=dict)
    accounts: list[AccountTrace] = field(default_factory=list)

    @property
    def succeeded(self) -> int:
        return self.transactions - self.failed


def summarize(path: PathLike, accounts: Iterable[object] = ()) -> RunTotals:
    """Read a recorded run and sum it up; ``accounts``: addresses whose balances are followed.

    Raises OSError, and InvalidParams for an address that is none or a file that is no recorded run.
    """
    wanted = frozenset(checks.addresses("accounts", accounts))
    totals = RunTotals()
    errors: Counter[str] = Counter()
    traces: dict[tuple[str, Optional[str]], AccountTrace] = {}
    for record in read_records(path):
        if record.kind == "tx":
            _count(totals, errors, traces, wanted, transaction_of(record.data))
        elif record.kind == "diff":
            totals.diffs += 1
        elif record.kind == "metadata":
            totals.metadata = dict(record.data)
        elif record.kind == "summary":
            totals.summary = dict(record.data)
            totals.complete = True
    totals.errors = dict(errors.most_common())
    totals.programs = dict(sorted(totals.programs.items(), key=lambda item: -item[1].transactions))
    totals.accounts = [traces[key] for key in sorted(traces, key=lambda key: (key[0], key[1] or ""))]
    return totals


def _count(
    totals: RunTotals,
    errors: Counter[str],
    traces: dict[tuple[str, Optional[str]], AccountTrace],
    wanted: frozenset[str],
    transaction: RecordedTransaction,
) -> None:
    slot = transaction.slot
    totals.transactions += 1
    totals.compute_units += transaction.units or 0
    totals.first_slot = slot if totals.first_slot is None else min(slot, totals.first_slot)
    totals.last_slot = slot if totals.last_slot is None else max(slot, totals.last_slot)
    if transaction.error is not None:
        totals.failed += 1
        errors[transaction.error] += 1
    for program in transaction.programs:
        row = totals.programs.setdefault(program, ProgramTotals())
        row.transactions += 1
        row.failed += transaction.error is not None
    for change in _of_accounts(transaction.changes, wanted):
        key = (change.account, change.mint)
        trace = traces.get(key)
        if trace is None:
            traces[key] = AccountTrace(change.account, change.mint, change.before, change.after, slot, slot)
        else:
            trace.add(slot, change)


def _of_accounts(changes: Sequence[BalanceChange], wanted: frozenset[str]) -> list[BalanceChange]:
    return [change for change in changes if change.account in wanted] if wanted else []
