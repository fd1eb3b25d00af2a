"""``simsync compare``: two recorded runs, transaction by transaction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.exit_codes import NOT_COMPARABLE
from simsync.cli.output import Link, show_json, show_table
from simsync.run import Comparison
from simsync.run.comparison import BalanceDifference, ComparisonTotals, Difference, Unmatched
from simsync.run.gate import NAMES, Threshold, crossed_thresholds, incomparable_because, parse_threshold
from simsync.run.lookup import explorer_link
from simsync.run.output_file import own_descriptor, refuse_same_file

LISTS = ("regressions", "improvements", "other_errors", "logs", "units")
"""Kinds of differences that are listed transaction by transaction."""
VIEWS = ("all", *LISTS, "unmatched", "balances")
_HEADINGS = {
    "regressions": "regressions",
    "improvements": "improvements",
    "other_errors": "failing with a different error",
    "logs": "different logs",
    "units": "compute units, largest differences",
}


def _thresholds(_context: click.Context, _option: click.Parameter, texts: Sequence[str]) -> list[Threshold]:
    return [parse_threshold(text) for text in texts]


@click.command()
@click.argument("base", type=options.RECORDING)
@click.argument("experiment", type=options.RECORDING)
@click.argument("view", type=click.Choice(VIEWS), default="all")
@click.option("--limit", type=options.LIMIT, default=20, show_default=True, help="Rows of each list at most.")
@click.option(
    "--fail-on",
    "thresholds",
    metavar="CONDITION",
    multiple=True,
    callback=_thresholds,
    help="Exit with code 1 if this is the case, and with code 5 if the runs cannot be compared: one is empty, stopped,"
    " cut or over other slots, or most transactions are in one only. A name, or a name with a limit: 'regressions>0',"
    " 'failed>1%', 'failed>+1%', 'units>+5%'. May be repeated."
    f" Names: {', '.join(NAMES)}.",
)
@click.option(
    "--html",
    type=options.OUTPUT_FILE,
    help="Also write the comparison as an HTML page that needs no network; with - only the page is written.",
)
@options.max_memory
@options.as_json
def compare(
    base: Path,
    experiment: Path,
    view: str,
    limit: int,
    thresholds: list[Threshold],
    html: Path | None,
    max_memory: int,
    as_json: bool,
) -> int:
    """Compare two recorded runs (extra [report]): outcomes, logs, compute units, balances, and what is unmatched."""
    if str(base) == str(experiment) == "-":
        raise click.UsageError("standard input can be one of the two runs only")
    if as_json and html is not None and own_descriptor(html) == 1:
        raise click.UsageError("--json and --html - both write to standard output: give one of them")
    if html is not None:
        refuse_same_file("html", html, [base, experiment])
    with Comparison(base, experiment, max_memory) as comparison:
        totals = comparison.totals()
        lists = {kind: list(comparison.differences(kind, limit)) for kind in LISTS if view in ("all", kind)}
        unmatched = list(comparison.unmatched(limit)) if view in ("all", "unmatched") else []
        balances = comparison.balances(limit) if view in ("all", "balances") else []
        unknown = comparison.changes_not_understood() if view in ("all", "balances") else (0, 0)
        incomparable = incomparable_because(comparison)
        crossed = crossed_thresholds(comparison, thresholds)
        options_differ = comparison.options_that_differ()
        if html is not None:
            from simsync.run.report import write_comparison

            write_comparison(comparison, html)
    for file, count in zip((base, experiment), unknown):
        if count:
            text = f"{file}: {count:,} changes of balances are in an unknown form and not compared"
            click.echo(f"simsync: {text}", err=True)
    if view == "balances" and not balances and limit:
        click.echo("simsync: no balance differs", err=True)
    if as_json:
        found: dict[str, object] = {"totals": totals.to_dict(), **{kind: _dicts(rows) for kind, rows in lists.items()}}
        found["unmatched"] = _dicts(unmatched)
        found["balances"] = [{**row.to_dict(), "difference": row.difference} for row in balances]
        found["changes_not_understood"] = list(unknown)
        found["gate"] = {"incomparable_because": incomparable, "crossed": crossed}
        found["options_that_differ"] = {name: list(values) for name, values in options_differ.items()}
        show_json(found)
    elif html is None or own_descriptor(html) != 1:  # else the page is what standard output holds
        _show_totals(totals)
        for kind, rows in lists.items():
            _show_differences(kind, rows, totals)
        _show_unmatched(unmatched)
        _show_balances(balances)
        if options_differ:
            click.echo("\noptions that differ")
            show_table(("option", "first run", "second run"), [(name, *both) for name, both in options_differ.items()])
    if thresholds and totals.unmatched and not any(one.name in ("unmatched", "differences") for one in thresholds):
        rest = f"{totals.unmatched:,} transactions are in one run only and were not compared"
        click.echo(f"simsync: {rest} (--fail-on unmatched)", err=True)
    return _verdict(incomparable, crossed, gate=bool(thresholds))


def _verdict(incomparable: list[str], crossed: list[str], *, gate: bool) -> int:
    """Say what prevents a conclusion, and what the gate found; returns the exit code."""
    for reason in incomparable:
        click.echo(f"simsync: {reason}", err=True)
    if gate and incomparable:
        return NOT_COMPARABLE
    for phrase in crossed:
        click.echo(f"simsync: the gate fails: {phrase}", err=True)
    return int(bool(crossed))


def _dicts(rows: Sequence[Difference] | Sequence[Unmatched]) -> list[dict[str, object]]:
    return [row.to_dict() for row in rows]


def _show_totals(totals: ComparisonTotals) -> None:
    units = None if totals.units is None else f"{totals.units:+,}"
    if totals.units is not None and totals.base_units:
        units = f"{units} ({100 * totals.units / totals.base_units:+.2f} %)"
    show_table(
        ("transactions", "number"),
        [
            ("in both runs", totals.matched),
            ("in the first run only", totals.only_base),
            ("in the second run only", totals.only_experiment),
            ("failed in the first run", totals.base_failed),
            ("failed in the second run", totals.experiment_failed),
            ("regressions: newly failing", totals.regressions),
            ("improvements: newly succeeding", totals.improvements),
            ("failing with a different error", totals.other_errors),
            ("different logs", totals.logs),
            ("compute units, difference", units),
            *([("compute units in one run only", totals.units_in_one)] if totals.units_in_one else []),
        ],
    )


def _show_differences(kind: str, rows: list[Difference], totals: ComparisonTotals) -> None:
    if rows:
        total = "" if kind == "units" else f" ({len(rows):,} of {getattr(totals, kind):,})"
        click.echo(f"\n{_HEADINGS[kind]}{total}")
        show_table(
            ("slot", "signature", "before", "after", "units"),
            [(row.slot, _link(row.signature), row.before or "ok", row.after or "ok", row.units) for row in rows],
        )


def _show_unmatched(rows: list[Unmatched]) -> None:
    if rows:
        click.echo("\nin one run only")
        show_table(
            ("run", "slot", "signature", "result"),
            [
                ("first" if row.run == "base" else "second", row.slot, _link(row.signature), row.error or "ok")
                for row in rows
            ],
        )


def _show_balances(rows: list[BalanceDifference]) -> None:
    if rows:
        click.echo("\nbalances: gain of each account")
        show_table(
            ("account", "mint", "first run", "second run", "difference"),
            [(row.account, row.mint or "lamports", row.base, row.experiment, row.difference) for row in rows],
        )


def _link(signature: str | None) -> Link:
    return Link(signature or "", explorer_link(signature or ""))
