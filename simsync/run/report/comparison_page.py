"""The page about two recorded runs."""

from __future__ import annotations

from pathlib import Path

import simsync
from simsync.run.comparison import Comparison
from simsync.run.records import PathLike
from simsync.run.report import figures
from simsync.run.report.page import write_page

_BARS = 15
_HEADINGS = {
    "regressions": "Regressions: fail now",
    "improvements": "Improvements: succeed now",
    "other_errors": "Fail in another way",
    "logs": "Other logs",
}


def write_comparison(comparison: Comparison, target: PathLike, limit: int = 200) -> None:
    """Write one page about an open comparison; ``limit``: rows of each list. Raises OSError."""
    totals = comparison.totals()
    units = list(comparison.differences("units", _BARS))
    balances = comparison.balances(limit)
    lamports = [row for row in balances if row.mint is None][:_BARS]
    base, experiment = (Path(path).name for path in comparison.paths)
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
            "units_chart": figures.largest(
                [_brief(row.signature) for row in units], [row.units or 0 for row in units], "compute units"
            )
            if units
            else None,
            "balances_chart": figures.largest(
                [_brief(row.account) for row in lamports], [row.difference for row in lamports], "lamports"
            )
            if lamports
            else None,
        },
    )


def _brief(text: str) -> str:
    """Enough of an address or signature to find it in the table."""
    return text if len(text) <= 12 else f"{text[:6]}…{text[-4:]}"
