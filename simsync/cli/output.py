"""Results on standard output: tables for people, JSON for programs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED_WIDTH = 200
"""Width in characters of a table that goes to a file or another program."""


def show_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, with numbers aligned to the right; as plain text if standard output is not a terminal."""
    rows = [tuple(row) for row in rows]
    console = Console(highlight=False, soft_wrap=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int) and not isinstance(row[index], bool) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))  # Text: brackets must not be read as markup
    if console.is_terminal:
        console.print(table)
        return
    plain = Console(file=io.StringIO(), highlight=False, soft_wrap=False, width=_PIPED_WIDTH, no_color=True)
    with plain.capture() as capture:
        plain.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _shown(cell: object) -> str:
    """A cell as text; times in UTC."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return cell.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    return str(cell)


def time_of_ms(milliseconds: int | None) -> datetime | None:
    """The time of a Unix timestamp in milliseconds."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
