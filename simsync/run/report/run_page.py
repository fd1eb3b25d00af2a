"""The page about one recorded run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any, Optional

import simsync
from simsync.params import checks
from simsync.run.records import PathLike, read_records
from simsync.run.report import figures
from simsync.run.report.page import write_page
from simsync.run.report.series import BalanceTraces, BusiestBalances, SlotBins
from simsync.run.report.timeline import Timeline
from simsync.run.totals import RunTotals, summarize
from simsync.run.transactions import transaction_of

_BALANCES = 6
"""Charts of balances when nobody chooses."""
_ROWS = 15
"""Rows of errors and of programs."""


def write_report(path: PathLike, target: PathLike, accounts: Iterable[object] = ()) -> RunTotals:
    """Write one page about a recorded run: outcomes, compute units, errors, balances, sessions.

    ``accounts``: whose balances are drawn; without any, those that change most often. The file is read two or three
    times; memory does not grow with it. Returns the totals. Raises OSError, and InvalidParams for an address that is
    none or a file that is no recorded run.
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
    """The slots that were asked for; of a file that does not say, those that are there."""
    asked = (totals.metadata.get("start_slot"), totals.metadata.get("end_slot"))
    there = (totals.first_slot, totals.last_slot)
    first, last = (a if isinstance(a, int) else b if b is not None else 0 for a, b in zip(asked, there))
    return first, max(first, last)


def _time(totals: RunTotals) -> Optional[str]:
    at = totals.metadata.get("ran_at_unix_secs")
    if not isinstance(at, (int, float)):
        return None
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
