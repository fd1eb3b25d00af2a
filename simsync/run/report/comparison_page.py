"""The page that compares two recorded runs."""

from __future__ import annotations

from pathlib import Path

import simsync
from simsync.run.comparison import Comparison
from simsync.run.gate import incomparable_because
from simsync.run.lookup import logs_of
from simsync.run.output_file import refuse_same_file
from simsync.run.record_file import PathLike
from simsync.run.report import figures
from simsync.run.report.page import TransactionTable, write_page
from simsync.run.report.series import unit_percentiles
from simsync.run.report.transaction_rows import ROWS, transaction_row

_BARS = 15
"""Bars of a chart of the largest differences."""
_BALANCES = 50
"""Rows of the table of balances."""
_KINDS = {
    "regressions": ("regression", "bad", ROWS // 2),
    "other_errors": ("different error", "bad", ROWS // 6),
    "improvements": ("improvement", "good", ROWS // 6),
}
"""The name, the tone and the most rows of each kind of changed transaction."""


def write_comparison(comparison: Comparison, target: PathLike) -> None:
    """Write a page about an open comparison: which outcomes changed, with both logs, and by how much. It is replaced
    atomically.

    Args:
        comparison: The comparison, inside its ``with`` statement.
        target: The HTML file to write.

    Raises:
        InvalidParams: The comparison is not open, or the target is one of the recordings.
        OSError: The page cannot be written.
        SimsyncError: The memory limit is too small, or the temporary folder is full.
    """
    refuse_same_file("target", target, comparison.paths)
    totals = comparison.totals()
    units = list(comparison.differences("units", _BARS))
    balances = comparison.balances(_BALANCES)
    lamports = [row for row in balances if row.mint is None][:_BARS]
    base, experiment = (Path(path).name for path in comparison.paths)
    changed = _changed(comparison)
    values = {
        "title": f"{base} compared with {experiment}",
        "version": simsync.__version__,
        "base": base,
        "experiment": experiment,
        "totals": totals,
        "incomparable": incomparable_because(comparison),
        "unknown": list(zip((base, experiment), comparison.changes_not_understood())),
        "options": comparison.options_that_differ(),
        "programs": comparison.programs()[:_BARS] if changed.rows else [],
        "percentiles": [unit_percentiles(comparison.database, number) for number in range(2)],
        "balances": balances,
        "units_chart": figures.largest(
            [_shortened(row.signature) for row in units], [row.units or 0 for row in units], "compute units"
        ),
        "balances_chart": figures.largest(
            [_shortened(row.account) for row in lamports], [row.difference for row in lamports], "lamports"
        ),
    }
    write_page(target, "comparison.html", values, [changed] if changed.rows else [])


def _changed(comparison: Comparison) -> TransactionTable:
    """The transactions with another outcome, and those that are in one run only."""
    totals = comparison.totals()
    found = {kind: list(comparison.differences(kind, most)) for kind, (_name, _tone, most) in _KINDS.items()}
    alone = list(comparison.unmatched(ROWS // 12))
    signatures = [row.signature for rows in found.values() for row in rows] + [row.signature for row in alone]
    logs = []
    for number in range(2):
        found_logs = logs_of(comparison.database, f"transactions_{number}", signatures)
        logs.append({signature: text for (_slot, signature), text in found_logs.items()})

    def both(signature: str | None) -> list[tuple[str, str]]:
        first, second = (one.get(signature, "") for one in logs)
        if first == second:
            return [("both runs", first)]
        return [("first run", first), ("second run", second)]

    rows = []
    for kind, (name, tone, _most) in _KINDS.items():
        for row in found[kind]:
            outcome = (name, row.slot, row.signature, row.before or "ok", row.after or "ok", row.units)
            rows.append(transaction_row(row.signature, outcome, both(row.signature), name, tone))
    for one in alone:
        name, result = ("only in the first" if one.run == "base" else "only in the second"), one.error or "ok"
        before, after = (result, "–") if one.run == "base" else ("–", result)
        cells = (name, one.slot, one.signature, before, after, None)
        rows.append(transaction_row(one.signature, cells, both(one.signature), name))
    total = totals.regressions + totals.other_errors + totals.improvements + totals.unmatched
    columns = ("change", "slot", "transaction", "first run", "second run", "units, difference")
    kinds = ("kind", "slot", "signature", "text", "text", "difference")
    return TransactionTable("changed", columns, kinds, rows, total)


def _shortened(text: str) -> str:
    """Enough of an address or signature to find it in the table."""
    return text if len(text) <= 12 else f"{text[:6]}…{text[-4:]}"
