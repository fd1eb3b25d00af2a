"""The page about one recorded run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Optional

import simsync
from simsync.params import checks
from simsync.run.database import DEFAULT_MEMORY, RecordingDatabase
from simsync.run.lookup import TransactionFilter, find_transactions
from simsync.run.output_file import refuse_same_file
from simsync.run.record_file import PathLike, amount
from simsync.run.recorded_state import small_records
from simsync.run.report import figures
from simsync.run.report.page import TransactionTable, time_text, write_page
from simsync.run.report.series import balance_lines, busiest_balances, slot_bins, unit_percentiles
from simsync.run.report.timeline import Timeline
from simsync.run.report.transaction_rows import ROWS, transaction_row
from simsync.run.totals import RunTotals, totals_of

_BALANCES = 6
"""Charts of balances if no accounts are chosen."""
_ROWS = 15
"""Rows of the tables of errors and programs."""


def write_report(
    path: PathLike, target: PathLike, accounts: Iterable[object] = (), max_memory: int = DEFAULT_MEMORY
) -> RunTotals:
    """Write a page about a recorded run: which transactions failed, with what, when, and what they cost.

    The file of the run is read several times, and memory does not grow with it. The page is replaced atomically.

    Args:
        path: The file of the run; ``-`` is standard input.
        target: The HTML file to write.
        accounts: Addresses whose balances are drawn; by default the balances that change most often.
        max_memory: MiB that the process may take.

    Returns:
        The totals of the run.

    Raises:
        InvalidParams: An address is not valid, the file is not a recorded run, or the target is that file.
        OSError: The run cannot be read or the page cannot be written.
        SimsyncError: The memory limit is too small, or the temporary folder is full.
    """
    wanted = checks.addresses("accounts", accounts)
    refuse_same_file("target", target, [path])
    with RecordingDatabase(path, max_memory=max_memory) as database:
        totals = totals_of(database, wanted)
        first, last = _range(totals)
        bins = slot_bins(database, first, last)
        timeline = _timeline(database)
        failures = _failures(database)
        balances = _balances(database, wanted)
        percentiles = unit_percentiles(database)
    values: dict[str, Any] = {
        "title": f"Run {Path(path).name}",
        "version": simsync.__version__,
        "totals": totals,
        "first": first,
        "last": last,
        "began": time_text(totals.metadata.get("ran_at_unix_secs")),
        "bins": bins,
        "outcome": figures.outcome_by_slot(bins),
        "units": figures.units_by_slot(bins),
        "percentiles": percentiles,
        "errors": list(islice(totals.errors.items(), _ROWS)),
        "programs": list(islice(totals.programs.items(), _ROWS)),
        "chosen": bool(wanted),
        "balances": balances,
        "timeline": figures.sessions(timeline),
        "lines": timeline.in_order(),
        "name": figures.session_name,
        "reconnects": len(timeline.reconnects) + sum(len(line.reconnects) for line in timeline.in_order()),
    }
    write_page(target, "report.html", values, [failures] if failures.rows else [])
    return totals


def _failures(database: RecordingDatabase) -> TransactionTable:
    """The failed transactions, with their logs."""
    found, total = find_transactions(database, TransactionFilter(failed=True), ROWS)
    rows = [
        transaction_row(
            one.signature or "",
            (one.slot, one.signature or "", one.error, one.compute_units),
            [("", one.logs)],
        )
        for one in found
    ]
    columns, kinds = ("slot", "transaction", "error", "compute units"), ("slot", "signature", "text", "number")
    return TransactionTable("failures", columns, kinds, rows, total)


class BalanceChart(NamedTuple):
    """A chart in the page."""

    account: str
    mint: Optional[str]
    of_changes: bool
    figure: Any


def _balances(database: RecordingDatabase, accounts: Sequence[str]) -> list[BalanceChart]:
    """The charts of the chosen accounts, or of the balances that change most often."""
    if accounts:
        lines = balance_lines(database, accounts)
        keys = list(lines)
    else:
        keys = busiest_balances(database, _BALANCES)
        lines = balance_lines(database, [account for account, _mint in keys]) if keys else {}
    return [
        BalanceChart(*key, lines[key].of_changes, figures.balance(lines[key], key[1])) for key in keys if key in lines
    ]


def _timeline(database: RecordingDatabase) -> Timeline:
    timeline = Timeline()
    for record in small_records(database):
        timeline.add(record)
    rows = database.query(
        "SELECT session_id, sum(number), coalesce(sum(number) FILTER (error IS NOT NULL), 0) FROM outcome"
        " WHERE session_id IS NOT NULL GROUP BY session_id"
    )
    for session_id, transactions, failed in rows:
        timeline.add_transactions(session_id, transactions, failed)
    return timeline


def _range(totals: RunTotals) -> tuple[int, int]:
    """The range of the run; if the metadata does not name it, the range of its transactions."""
    planned = (amount(totals.metadata.get("start_slot")), amount(totals.metadata.get("end_slot")))
    recorded = (totals.first_slot, totals.last_slot)
    first, last = (a if a is not None else b or 0 for a, b in zip(planned, recorded))
    return first, max(first, last)
