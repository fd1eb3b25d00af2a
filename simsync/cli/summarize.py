"""``simsync summarize``: the totals of a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import click

from simsync.cli import options
from simsync.cli.output import say_left_out, show_json, show_table
from simsync.run import summarize as summarize_file
from simsync.run.totals import RunTotals

Row = TypeVar("Row")

_MOST = 10
"""Rows of the tables of errors and programs."""


@click.command()
@click.argument("file", type=options.RECORDING)
@options.accounts
@options.max_memory
@options.as_json
def summarize(file: Path, accounts: str, max_memory: int, as_json: bool) -> None:
    """Summarize a recorded run (extra [report]): totals, errors, programs, and balances of accounts."""
    totals = summarize_file(file, options.listed(accounts), max_memory)
    say_left_out(file, totals)
    if as_json:
        show_json(totals.to_dict())
        return
    show_table(("run", "value"), _run_rows(totals))
    if totals.errors:
        click.echo("\nerrors")
        show_table(("transactions", "error"), [(count, error) for error, count in _first(totals.errors)])
    if totals.programs:
        click.echo("\nprograms")
        show_table(
            ("transactions", "failed", "program"),
            [(row.transactions, row.failed, program) for program, row in _first(totals.programs)],
        )
    if totals.accounts:
        click.echo("\naccounts")
        show_table(
            ("account", "mint", "opening", "closing", "change", "changes"),
            [
                (
                    row.account,
                    row.mint or "lamports",
                    row.opening,
                    row.closing,
                    row.change,
                    row.changes,
                )
                for row in totals.accounts
            ],
        )


def _run_rows(totals: RunTotals) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("slot range", _range(totals.metadata.get("start_slot"), totals.metadata.get("end_slot"))),
        ("slots with transactions", _range(totals.first_slot, totals.last_slot)),
        ("transactions", f"{totals.transactions:,}"),
        ("succeeded", f"{totals.succeeded:,}"),
        ("failed", f"{totals.failed:,}"),
    ]
    if totals.compute_units:
        rows.append(("compute units", f"{totals.compute_units:,}"))
    if totals.diffs:
        rows.append(("account diffs", f"{totals.diffs:,}"))
    rows += [(f"records: {kind}", f"{count:,}") for kind, count in totals.other_records.items()]
    programs = totals.metadata.get("program_ids")
    if isinstance(programs, list) and programs:
        rows.append(("recorded programs", ", ".join(map(str, programs))))
    rows.append(("complete", totals.incomplete_because is None or f"no: {totals.incomplete_because}"))
    return rows


def _range(first: object, last: object) -> str | None:
    return None if first is None or last is None else f"{first} to {last}"


def _first(rows: dict[str, Row]) -> list[tuple[str, Row]]:
    return list(rows.items())[:_MOST]
