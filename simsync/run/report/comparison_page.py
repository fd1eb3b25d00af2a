"""The page that compares two recorded runs."""

from __future__ import annotations

from pathlib import Path

import simsync
from simsync.run.comparison import Comparison
from simsync.run.record_file import PathLike
from simsync.run.report import figures
from simsync.run.report.page import write_page

_BARS = 15
"""Bars of a chart of the largest differences."""
_HEADINGS = {
    "regressions": "Regressions: newly failing",
    "improvements": "Improvements: newly succeeding",
    "other_errors": "Failing with a different error",
    "logs": "Different logs",
}


def write_comparison(comparison: Comparison, target: PathLike, limit: int = 200) -> None:
    """Write a page about an open comparison. The file is replaced atomically.

    Args:
        comparison: The comparison, inside its ``with`` statement.
        target: The HTML file to write.
        limit: How many rows each list has at most.

    Raises:
        InvalidParams: The comparison is not open.
        OSError: The page cannot be written.
    """
    totals = comparison.totals()
    units = list(comparison.differences("units", _BARS))
    balances = comparison.balances(limit)
    lamports = [row for row in balances if row.mint is None][:_BARS]
    base, experiment = (Path(path).name for path in comparison.paths)
    units_chart = figures.largest(
        [_shortened(row.signature) for row in units], [row.units or 0 for row in units], "compute units"
    )
    balances_chart = figures.largest(
        [_shortened(row.account) for row in lamports], [row.difference for row in lamports], "lamports"
    )
    write_page(
        target,
        "comparison.html",
        {
            "title": "Two runs compared",
            "version": simsync.__version__,
            "base": base,
            "experiment": experiment,
            "totals": totals,
            "lists": [
                (heading, list(comparison.differences(kind, limit)), getattr(totals, kind))
                for kind, heading in _HEADINGS.items()
            ],
            "balances": balances,
            "units_chart": units_chart,
            "balances_chart": balances_chart,
        },
    )


def _shortened(text: str) -> str:
    """Enough of an address or signature to find it in the table."""
    return text if len(text) <= 12 else f"{text[:6]}…{text[-4:]}"
