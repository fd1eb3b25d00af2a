"""Writes a page: the template, the stylesheet, the scripts and the data in one HTML file."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from simsync.errors import MissingExtra
from simsync.run.output_file import replaced
from simsync.run.path_like import PathLike, printable
from simsync.run.record_file import number
from simsync.times import unix_time

try:
    import jinja2
    import plotly.graph_objects as go
    from markupsafe import Markup
    from plotly.io import to_json
except ImportError as error:
    raise MissingExtra("pages about runs", "report") from error

_FOLDER = Path(__file__).parent
_SCRIPTS = ("sortable.min.js", "sortable.a11y.min.js", "page.js")


@dataclass
class TransactionTable:
    """A table of transactions that can be filtered, sorted and expanded.

    Attributes:
        name: The id of the table in the page.
        columns: The headings.
        kinds: How the cells of each column are shown: ``slot``, ``signature``, ``number``, ``difference``,
            ``kind`` or ``text``.
        rows: The rows, as :func:`transaction_row` makes them.
        total: How many there are in the run; the page may hold fewer.
    """

    name: str
    columns: Sequence[str]
    kinds: Sequence[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0

    @property
    def choices(self) -> list[str]:
        """The different kinds of rows, if there is a choice."""
        found = list(dict.fromkeys(row["kind"] for row in self.rows if row["kind"]))
        return found if len(found) > 1 else []


def write_page(
    target: PathLike, template: str, values: Mapping[str, object], tables: Sequence[TransactionTable]
) -> None:
    """Render a template and replace the file atomically. Raises OSError.

    Charts (plotly figures) are inserted with the filter ``chart``, and drawn by the browser. Everything else is
    escaped, because recorded runs come from other people and hold text from the chain. The plotting library and the
    data are compressed: the page is small, and the same run gives the same page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures: list[Any] = []

    def chart(figure: go.Figure, label: str) -> Markup:
        figures.append(json.loads(to_json(figure, engine="json")))
        text = Markup('<div class="chart" id="chart-{}" role="img" aria-label="{}" style="height: {}px"></div>')
        return text.format(len(figures), label, figure.layout.height)

    environment.filters["chart"] = chart
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:,}"
    environment.filters["signed"] = lambda value: "–" if value is None else f"{value:+,}" if value else "0"
    environment.filters["percent"] = lambda part, whole: f"{100 * part / whole:.1f}\u00a0%" if whole else "–"
    main = environment.get_template(template).render(zip=zip, tables={one.name: one for one in tables}, **values)
    data = {"figures": figures, "tables": {one.name: {"kinds": one.kinds, "rows": one.rows} for one in tables}}
    text = environment.get_template("page.html").render(
        main=Markup(main),
        scripts=[Markup((_FOLDER / "static" / name).read_text(encoding="utf-8")) for name in _SCRIPTS],
        plotly=base64.b64encode((_FOLDER / "static" / "plotly-basic.min.js.gz").read_bytes()).decode("ascii"),
        data=base64.b64encode(gzip.compress(json.dumps(data).encode("utf-8"), 9, mtime=0)).decode("ascii"),
        **values,
    )
    try:
        with replaced(target) as part:
            part.write_text(printable(text), encoding="utf-8")
    except OSError as error:
        if error.filename is not None:
            raise
        raise type(error)(error.errno, error.strerror, os.fspath(target)) from error  # a device or a pipe


def time_text(seconds: object) -> Optional[str]:
    """A time of a recording in UTC; None if it has none, or one that no calendar has."""
    at = unix_time(number(seconds))
    return None if at is None else at.strftime("%Y-%m-%d %H:%M:%S")
