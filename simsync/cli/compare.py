"""``simsync compare``: two recorded runs, transaction by transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import click

from simsync.cli import options
from simsync.cli.output import show_json, show_table
from simsync.run import Comparison
from simsync.run.comparison import BalanceDifference, ComparisonTotals, Difference
from simsync.run.output_file import refuse_same_file

LISTS = ("regressions", "improvements", "logs", "units")
"""Kinds of differences that are listed transaction by transaction."""
VIEWS = ("all", *LISTS, "balances")
_HEADINGS = {
    "regressions": "regressions",
    "improvements": "improvements",
    "logs": "different logs",
    "units": "compute units, largest differences",
}
_ERROR_LENGTH = 60
"""Characters of an error in a table."""


@click.command()
@click.argument("base", type=options.RECORDING)
@click.argument("experiment", type=options.RECORDING)
@click.argument("view", type=click.Choice(VIEWS), default="all")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Rows of each list at most.")
@click.option(
    "--fail-on",
    type=click.Choice(("regressions", "improvements", "differences")),
    help="Exit with code 1 if there are any; differences means any difference at all.",
)
@click.option(
    "--html",
    type=options.OUTPUT_FILE,
    help="Also write the comparison as an HTML page that needs no network (extra [report]).",
)
@options.as_json
def compare(
    base: Path, experiment: Path, view: str, limit: int, fail_on: str | None, html: Path | None, as_json: bool
) -> int:
    """Compare two recorded runs: regressions, improvements, different logs, compute units and balances."""
    if html is not None:
        refuse_same_file("html", html, [base, experiment])
    with Comparison(base, experiment) as comparison:
        totals = comparison.totals()
        lists = {kind: list(comparison.differences(kind, limit)) for kind in LISTS if view in ("all", kind)}
        balances = comparison.balances(limit) if view in ("all", "balances") else []
        failed = _fails(totals, fail_on, lambda: bool(balances or comparison.balances(1)))
        if html is not None:
            from simsync.run.report import write_comparison

            write_comparison(comparison, html)
    if as_json:
        show_json(
            {
                "totals": totals.to_dict(),
                **{kind: [row.to_dict() for row in rows] for kind, rows in lists.items()},
                "balances": [{**row.to_dict(), "difference": row.difference} for row in balances],
            }
        )
    else:
        _show_totals(totals)
        for kind, rows in lists.items():
            _show_differences(kind, rows, totals)
        _show_balances(balances)
    return int(failed)


def _fails(totals: ComparisonTotals, fail_on: str | None, has_balances: Callable[[], bool]) -> bool:
    """Apply ``--fail-on``. ``has_balances`` is a query, made only if the answer depends on it."""
    if fail_on == "differences":
        unmatched = totals.only_base + totals.only_experiment
        outcomes = totals.regressions + totals.improvements + totals.other_errors + totals.logs
        return bool(unmatched or outcomes or totals.units) or has_balances()
    return fail_on is not None and getattr(totals, fail_on) > 0


def _show_totals(totals: ComparisonTotals) -> None:
    show_table(
        ("transactions", "number"),
        [
            ("in both runs", totals.matched),
            ("in the first run only", totals.only_base),
            ("in the second run only", totals.only_experiment),
            ("regressions: newly failing", totals.regressions),
            ("improvements: newly succeeding", totals.improvements),
            ("failing with a different error", totals.other_errors),
            ("different logs", totals.logs),
            ("compute units, difference", totals.units),
        ],
    )


def _show_differences(kind: str, rows: list[Difference], totals: ComparisonTotals) -> None:
    if rows:
        total = "" if kind == "units" else f" ({len(rows)} of {getattr(totals, kind)})"
        click.echo(f"\n{_HEADINGS[kind]}{total}")
        show_table(
            ("slot", "signature", "before", "after", "units"),
            [(row.slot, row.signature, _shortened(row.before), _shortened(row.after), row.units) for row in rows],
        )


def _show_balances(rows: list[BalanceDifference]) -> None:
    if rows:
        click.echo("\nbalances: gain of each account")
        show_table(
            ("account", "mint", "first run", "second run", "difference"),
            [(row.account, row.mint or "lamports", row.base, row.experiment, row.difference) for row in rows],
        )


def _shortened(error: str | None) -> str:
    return "ok" if error is None else error if len(error) <= _ERROR_LENGTH else error[: _ERROR_LENGTH - 1] + "…"
