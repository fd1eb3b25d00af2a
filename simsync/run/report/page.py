"""Writes a page: the template, the stylesheet and the plotting library in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simsync.errors import MissingExtra
from simsync.run.output_file import replaced
from simsync.run.record_file import PathLike

try:
    import jinja2
    import plotly.graph_objects as go
    from markupsafe import Markup
    from plotly.io import to_html
    from plotly.offline import get_plotlyjs
except ImportError as error:
    raise MissingExtra("pages about runs", "report") from error

_FOLDER = Path(__file__).parent / "templates"
_CONFIG = {"displayModeBar": False, "responsive": True}


def write_page(target: PathLike, template: str, values: Mapping[str, Any]) -> None:
    """Render a template and replace the file atomically. Raises OSError.

    Charts (plotly figures) are inserted with the filter ``chart``. Everything else is escaped, because recorded runs
    come from other people and hold text from the chain.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["chart"] = _Charts().insert
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:,}"
    plotly_js = Markup(get_plotlyjs())
    text = environment.get_template(template).render(plotly_js=plotly_js, **values)
    with replaced(target) as part:
        part.write_text(text, encoding="utf-8")


class _Charts:
    """Numbers the charts of a page: plotly would use random ids, and the same run must give the same page."""

    def __init__(self) -> None:
        self._count = 0

    def insert(self, figure: go.Figure) -> Markup:
        self._count += 1
        height = figure.layout.height
        text = to_html(
            figure,
            full_html=False,
            include_plotlyjs=False,
            config=_CONFIG,
            div_id=f"chart-{self._count}",
            default_height=f"{height}px",
        )
        return Markup(text)
