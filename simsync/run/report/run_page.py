"""The page about one recorded run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any, Optional

import simsync
from simsync.params import checks
from simsync.run.event_records import transaction_of
from simsync.run.record_file import PathLike, number, read_records, whole_number
from simsync.run.report import figures
from simsync.run.report.page import write_page
from simsync.run.report.series import BalanceTraces, BusiestBalances, SlotBins
from simsync.run.report.timeline import Timeline
from simsync.run.totals import RunTotals, summarize

_BALANCES = 6
"""Charts of balances if no accounts are chosen."""
_ROWS = 15
"""Rows of the tables of errors and programs."""


def write_report(path: PathLike, target: PathLike, accounts: Iterable[object] = ()) -> RunTotals:
    """Write a page about a recorded run: outcomes, compute units, errors, balances, sessions.

    The file of the run is read two or three times, and memory does not grow with it. The page is replaced atomically.

    Args:
        path: The file of the run.
        target: The HTML file to write.
        accounts: Addresses whose balances are drawn; by default the balances that change most often.

    Returns:
        The totals of the run.

    Raises:
        InvalidParams: An address is not valid, or the file is not a recorded run.
        OSError: The run cannot be read or the page cannot be written.
    """
    wanted = checks.addresses("accounts", accounts)
    totals = summarize(path)
    first, last = _range(totals)
    bins, timeline, busiest, traces = SlotBins(first, last), Timeline(), BusiestBalances(), BalanceTraces(wanted)
    for record in read_records(path):
        timeline.add(record)
        if record.kind == "tx":
            transaction = transaction_of(record.data)
            bins.add(transaction)
            (traces if wanted else busiest).add(transaction)
    if not wanted:
        traces = BalanceTraces(balances=busiest.most(_BALANCES))
        for record in read_records(path):
            if record.kind == "tx":
                traces.add(transaction_of(record.data))
    lines = timeline.in_order()
    values: dict[str, Any] = {
        "title": f"Run {Path(path).name}",
        "version": simsync.__version__,
        "totals": totals,
        "first": first,
        "last": last,
        "began": _time(totals),
        "stopped": timeline.stopped,
        "bins": bins,
        "outcome": figures.outcome_by_slot(bins),
        "units": figures.units_by_slot(bins),
        "errors": list(islice(totals.errors.items(), _ROWS)),
        "programs": list(islice(totals.programs.items(), _ROWS)),
        "chosen": bool(wanted),
        "balances": [(account, mint, figures.balance(points, mint)) for account, mint, points in traces.traces()],
        "timeline": figures.sessions(timeline),
        "lines": lines,
        "name": figures.session_name,
        "reconnects": len(timeline.reconnects) + sum(len(line.reconnects) for line in lines),
    }
    write_page(target, "report.html", values)
    return totals


def _range(totals: RunTotals) -> tuple[int, int]:
    """The range of the run; if the metadata does not name it, the range of its transactions."""
    planned = (whole_number(totals.metadata.get("start_slot")), whole_number(totals.metadata.get("end_slot")))
    recorded = (totals.first_slot, totals.last_slot)
    first, last = (a if a is not None else b or 0 for a, b in zip(planned, recorded))
    return first, max(first, last)


def _time(totals: RunTotals) -> Optional[str]:
    """When the run began, in UTC."""
    at = number(totals.metadata.get("ran_at_unix_secs"))
    if at is None:
        return None
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
