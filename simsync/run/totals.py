"""One recorded run summed up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.html_form import html_table
from simsync.json_form import JsonForm
from simsync.params import checks
from simsync.run.database import DEFAULT_MEMORY, RecordingDatabase
from simsync.run.event_records import RecordCounts
from simsync.run.record_file import PathLike
from simsync.run.recorded_state import state_from

_SHOWN = 5
"""Errors in the table of a notebook, the most frequent ones."""


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
        opening: The balance before its first change, in lamports or the token's smallest unit; None if the file holds
            changes only.
        closing: The balance after its last change; None if the file holds changes only.
        first_slot: Slot of the first change.
        last_slot: Slot of the last change.
        changes: How often it changed.
        change: What it gained in all.
    """

    account: str
    mint: Optional[str]
    opening: Optional[int]
    closing: Optional[int]
    first_slot: Optional[int]
    last_slot: Optional[int]
    changes: int
    change: int


@dataclass
class RunTotals(RecordCounts, JsonForm):
    """A recorded run, summed up.

    Attributes:
        transactions: All transactions.
        failed: Those of them that ended with an error.
        diffs: Account diffs, also those inside of transactions.
        first_slot: The lowest slot with a transaction; None without transactions.
        last_slot: The highest slot with a transaction.
        compute_units: The sum over all transactions.
        complete: True if the file proves that it holds all of the run.
        incomplete_because: Why it is not complete; None if it is.
        metadata: The data of the ``metadata`` record.
        summary: The data of the ``summary`` record.
        errors: Failed transactions by error, the most frequent first.
        programs: Totals by program, the most used first.
        accounts: The balances that were asked for.
        accounts_not_found: Addresses that were asked for and of which no balance changed.
        other_records: Records of kinds that only a strategy or another tool has written, by kind.
        without_slot: Transactions without a slot, or with one that is not a number.
        unreadable: Lines and rows that are not records, or name no transaction; they are left out.
        changes_not_understood: Changes of balances and account diffs in an unknown form; they are left out.
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
    accounts_not_found: list[str] = field(default_factory=list)
    other_records: Mapping[str, int] = field(default_factory=dict)
    without_slot: int = 0
    unreadable: int = 0
    changes_not_understood: int = 0

    @property
    def left_out(self) -> list[str]:
        """What the totals, tables and charts lack, as phrases."""
        counted = {
            "records are unreadable and left out": self.unreadable,
            "transactions have no slot and are in no chart by slot": self.without_slot,
            "changes of balances or account diffs are in an unknown form and left out": self.changes_not_understood,
        }
        missing = [f"no balance of {account} changed" for account in self.accounts_not_found]
        return missing + [f"{count:,} {what}" for what, count in counted.items() if count]

    def _repr_html_(self) -> str:
        rows = {
            "run": "complete" if self.complete else f"INCOMPLETE: {self.incomplete_because}",
            "slots": None if self.first_slot is None else f"{self.first_slot} to {self.last_slot}",
            "transactions": self.transactions,
            "failed": self.failed,
            "account diffs": self.diffs,
            "compute units": self.compute_units,
            **{f"error: {error}": number for error, number in list(self.errors.items())[:_SHOWN]},
        }
        return html_table("RunTotals", rows)


def summarize(path: PathLike, accounts: Iterable[object] = (), max_memory: int = DEFAULT_MEMORY) -> RunTotals:
    """Sum up a recorded run (extra ``[report]``).

    Args:
        path: The file of the run; ``-`` is standard input.
        accounts: Addresses whose balances are followed.
        max_memory: MiB that the process may take; the rest is written to the temporary folder.

    Returns:
        The totals.

    Raises:
        InvalidParams: An address is not valid, or the file is not a recorded run.
        MissingExtra: DuckDB is not installed.
        OSError: The file cannot be read.
        SimsyncError: The memory limit is too small, or the temporary folder is full.
    """
    wanted = checks.addresses("accounts", accounts)
    with RecordingDatabase(path, max_memory=max_memory) as database:
        return totals_of(database, wanted)


def totals_of(database: RecordingDatabase, accounts: Sequence[str] = ()) -> RunTotals:
    """Sum up the only file of a database; ``accounts`` are valid addresses."""
    # One pass over the file for everything that does not depend on the others.
    database.execute(
        "CREATE OR REPLACE TABLE outcome AS SELECT session_id, error, programs_of(logs) AS programs,"
        " count(*) AS number, sum(transaction_key(slot, signature)) AS keys, min(slot) AS first_slot,"
        " max(slot) AS last_slot, sum(compute_units) AS units, count(*) FILTER (slot IS NULL) AS without_slot"
        " FROM transactions_0 GROUP BY ALL"
    )
    counted = database.query(
        "SELECT session_id, sum(number), coalesce(sum(number) FILTER (error IS NOT NULL), 0), sum(keys),"
        " min(first_slot), max(last_slot) FROM outcome GROUP BY session_id"
    )
    state = state_from(database, 0, counted)
    first, last, units, without_slot = database.one(
        "SELECT min(first_slot), max(last_slot), coalesce(sum(units), 0), coalesce(sum(without_slot), 0) FROM outcome"
    )
    errors = database.query(
        "SELECT error, sum(number) FROM outcome WHERE error IS NOT NULL GROUP BY error ORDER BY 2 DESC, error"
    )
    programs = database.query(
        "SELECT program, sum(number), coalesce(sum(number) FILTER (error IS NOT NULL), 0) FROM"
        " (SELECT unnest(programs) AS program, number, error FROM outcome) GROUP BY program ORDER BY 2 DESC, program"
    )
    inside = unknown = nameless = 0
    if not state.of_simsync:  # simsync writes one form only; these take another look at the whole file
        inside, unknown = database.one("SELECT count(account), count(*) - count(account) FROM diffs_in_tx_0")
        unknown += database.one("SELECT count(*) FROM not_understood_0")[0]
        (nameless,) = database.one("SELECT count(*) FROM no_transactions_0")
    traces = account_traces(database, accounts) if accounts else []
    found = {trace.account for trace in traces}
    return RunTotals(
        transactions=state.counts.transactions,
        failed=state.counts.failed,
        diffs=state.counts.diffs + inside,
        first_slot=first,
        last_slot=last,
        compute_units=units,
        complete=state.incomplete_because is None,
        incomplete_because=state.incomplete_because,
        metadata=state.metadata,
        summary=state.summary,
        errors=dict(errors),
        programs={program: ProgramTotals(number, failed) for program, number, failed in programs},
        accounts=traces,
        accounts_not_found=[account for account in accounts if account not in found],
        other_records=state.others,
        without_slot=without_slot,
        unreadable=database.odd[0] + nameless,
        changes_not_understood=unknown,
    )


def account_traces(database: RecordingDatabase, accounts: Sequence[str]) -> list[AccountTrace]:
    """The balances of some accounts, over the only file of a database."""
    rows = database.query(
        "SELECT account, mint, arg_min(before, (slot IS NULL, slot, position)),"
        " arg_max(after, (slot IS NOT NULL, slot, position)), min(slot), max(slot), count(*), sum(change)"
        " FROM (SELECT *, row_number() OVER () AS position FROM balances_0 WHERE list_contains(?, account))"
        " GROUP BY account, mint ORDER BY account, mint NULLS FIRST",
        list(accounts),
    )
    return [AccountTrace(*row) for row in rows]
