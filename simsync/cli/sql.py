"""``simsync sql``: a query over recorded runs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import show_table
from simsync.run.database import RecordingDatabase


@click.command()
@click.argument("files", nargs=-1, required=True, type=options.RECORDING)
@click.argument("query")
@click.option("--limit", type=click.IntRange(0), default=1_000, show_default=True, help="Rows of a table at most.")
@options.max_memory
@options.as_json
def sql(files: tuple[Path, ...], query: str, limit: int, max_memory: int, as_json: bool) -> None:
    """Query recorded runs with SQL, in the dialect of DuckDB (extra [report]).

    \b
    The views are transactions, balances, diffs, sessions and others; their columns are in docs/recordings.md.
    The column file tells several files apart. JSON holds all rows, a table those of --limit.
      simsync sql run.ndjson 'select error, count(*) from transactions group by all order by 2 desc'
    """
    if sum(str(one) == "-" for one in files) > 1:
        raise click.UsageError("standard input can be one of the files only")
    with RecordingDatabase(*files, max_memory=max_memory) as database:
        columns, rows = database.rows(query)
        if as_json:
            _print_json(columns, rows)
            return
        shown = list(itertools.islice(rows, limit))
        if columns:
            show_table(columns, shown)
        if next(rows, None) is not None:
            click.echo(f"only the first {limit:,} rows are shown; --limit shows more", err=True)


def _print_json(columns: list[str], rows: Iterator[tuple[object, ...]]) -> None:
    """Print one JSON document row by row, so that a large result does not have to be in memory."""
    click.echo("[", nl=False)
    separator = "\n"
    for row in rows:
        text = json.dumps(dict(zip(columns, row)), ensure_ascii=False, default=str)
        click.echo(f"{separator}  {text}", nl=False)
        separator = ",\n"
    click.echo("\n]" if separator != "\n" else "]")
