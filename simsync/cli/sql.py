"""``simsync sql``: a query over recorded runs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import json_document, show_table
from simsync.errors import SimsyncError
from simsync.run.database import RecordingDatabase


@click.command()
@click.argument("files", nargs=-1, required=True, type=options.RECORDING)
@click.argument("query")
@click.option("--limit", type=options.LIMIT, default=1_000, show_default=True, help="Rows of a table at most.")
@options.max_memory
@options.as_json
def sql(files: tuple[Path, ...], query: str, limit: int, max_memory: int, as_json: bool) -> None:
    """Query recorded runs with SQL, in the dialect of DuckDB (extra [report]).

    \b
    The views are transactions, balances, diffs, sessions and others. docs/reference/recording_file.md lists their
    columns. The column file tells several files apart. JSON holds all rows, a table those of --limit.
      simsync sql run.ndjson 'select error, count(*) from transactions group by all order by 2 desc'
    """
    if sum(str(one) == "-" for one in files) > 1:
        raise click.UsageError("standard input can be one of the files only")
    if not query.strip(" ;\n\t"):
        raise click.UsageError("the query is empty")
    with RecordingDatabase(*files, max_memory=max_memory) as database, _wrong_queries():
        database.make_views()
        columns, rows = database.rows(query)
        if as_json:
            _print_json(columns, rows)
            return
        shown = list(itertools.islice(rows, limit))
        if columns:
            show_table(columns, shown)
        if next(rows, None) is not None:
            click.echo(f"only the first {limit:,} rows are shown; --limit shows more", err=True)


@contextlib.contextmanager
def _wrong_queries() -> Iterator[None]:
    """A query that is wrong is wrong usage, wherever DuckDB notices it; a full disk or too little memory is not."""
    import duckdb

    try:
        yield
    except SimsyncError as error:
        others = (duckdb.OperationalError, duckdb.InternalError, duckdb.FatalException, duckdb.InterruptException)
        if isinstance(error.__cause__, duckdb.Error) and not isinstance(error.__cause__, others):
            raise click.UsageError(str(error)) from error
        raise


def _print_json(columns: list[str], rows: Iterator[tuple[object, ...]]) -> None:
    """Print one JSON document row by row, so that a large result does not have to be in memory."""
    separator = "[\n"
    for row in rows:
        click.echo(f"{separator}  {json_document(dict(zip(columns, row)))}", nl=False)
        separator = ",\n"
    click.echo("\n]" if separator != "[\n" else "[]")
