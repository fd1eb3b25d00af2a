"""Results on standard output: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from simsync.run.path_like import printable
from simsync.times import unix_time

if TYPE_CHECKING:
    from simsync.run.totals import RunTotals

_GAP = 2
"""Spaces between two columns."""
_NARROWEST = 8
"""Characters of a column of text that are always shown."""
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
"""Characters that could move the cursor: a recording holds text from the chain."""


class Link(NamedTuple):
    """A cell that leads to a page, where the terminal has links."""

    text: str
    url: str


def show_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json_document(value, indent=2))


def json_document(value: object, indent: int | None = None) -> str:
    """A value as JSON, which has neither NaN nor bytes nor halves of surrogate pairs."""
    text = json.dumps(_plain(value), indent=indent, ensure_ascii=False, default=str, allow_nan=False)
    return printable(text)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def say_left_out(file: Path, totals: RunTotals) -> None:
    """Say on standard error what the totals of a recording lack."""
    for phrase in totals.left_out:
        click.echo(f"simsync: {file}: {phrase}", err=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with one line for each row, with numbers aligned to the right.

    In a terminal, long text is cut so that a row fits; in a file or a pipe nothing is cut. Colours are as rich has
    them: ``FORCE_COLOR`` and ``NO_COLOR`` decide, else whether standard output is a terminal.
    """
    rows = [tuple(row) for row in rows]
    texts = [[_shown(cell) for cell in row] for row in rows]
    widths = [max([cell_len(column), *(cell_len(row[index]) for row in texts)]) for index, column in enumerate(columns)]
    numeric = [any(_is_number(row[index]) for row in rows) for index in range(len(columns))]
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=False)
    if terminal:
        widths = _fitted(widths, numeric, console.width)
    console.width = sum(widths) + _GAP * len(widths)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for column, width, right in zip(columns, widths, numeric):
        justify = "right" if right else "left"
        table.add_column(_cut(column, width), justify=justify, no_wrap=True, width=width)  # type: ignore[arg-type]
    for row, shown in zip(rows, texts):
        cells = zip(row, shown, widths)
        # Text: brackets must not be read as markup
        table.add_row(*(Text(_cut(text, width), style=_style(cell, terminal)) for cell, text, width in cells))
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), color=console.is_terminal)


def _fitted(widths: Sequence[int], numeric: Sequence[bool], available: int) -> list[int]:
    """Narrow the widest columns of text until the table fits. Numbers are never cut."""
    found = list(widths)
    while sum(found) + _GAP * (len(found) - 1) > available:
        text = [index for index, right in enumerate(numeric) if not right and found[index] > _NARROWEST]
        if not text:
            break
        found[max(text, key=lambda index: found[index])] -= 1
    return found


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)) + "…"


def _style(cell: object, terminal: bool) -> Style:
    return Style(link=cell.url) if isinstance(cell, Link) and terminal else Style()


def _is_number(cell: object) -> bool:
    return isinstance(cell, (int, float, Decimal)) and not isinstance(cell, bool)


def _shown(cell: object) -> str:
    """A cell as one line of text; times in UTC."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo is None else cell.astimezone(timezone.utc)).strftime("%Y-%m-%d %H:%M:%S")
    return one_line(cell.text if isinstance(cell, Link) else str(cell))


def one_line(text: str) -> str:
    """Text without line breaks, and without what could control the terminal or cannot be printed."""
    return printable(text).translate(_CONTROL)


def time_of_ms(milliseconds: int | None) -> datetime | None:
    """The time of a Unix timestamp in milliseconds; None if there is none, or no calendar has it."""
    return unix_time(None if milliseconds is None else milliseconds / 1000)
