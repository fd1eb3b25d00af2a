"""The charts of the pages.

The colours of text and grid come from the stylesheet of the page, which has a light and a dark setting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import plotly.graph_objects as go

from simsync.run.report.series import BalanceLine, SlotBins
from simsync.run.report.timeline import SessionLine, Timeline

GOOD, BAD, NEUTRAL = "#2f7ed8", "#d9541e", "#8a94a6"
"""Succeeded or complete, failed or incomplete, and neither. Blue and orange can be told apart with a colour vision
deficiency too."""
MORE, LESS = "#7b61c9", "#1f9a8a"
"""The direction of a difference, which is neither good nor bad in itself."""

_LAMPORTS_PER_SOL = 1_000_000_000
_ROW_HEIGHT, _MAX_HEIGHT = 22, 1_400
"""Pixels of one row of a chart, and of the whole timeline."""
_TIME = re.compile(r"\d{4}-(\d\d-\d\d) (\d\d:\d\d):\d\d")
_MOST_LABELS = 6
"""Runs that have a label below a chart of many runs."""
_MAX_MARKERS = 60
"""Points of a balance from which on only its line is drawn."""


def outcome_by_slot(bins: SlotBins) -> go.Figure:
    """Transactions by slot, the failed ones on top."""
    figure = _figure(260, "slot", "transactions")
    for name, counts, colour in (("succeeded", bins.succeeded, GOOD), ("failed", bins.failed, BAD)):
        figure.add_bar(x=bins.starts, y=counts, name=name, marker={"color": colour}, offset=0, width=bins.width)
    figure.update_layout(barmode="stack", bargap=0)
    return figure


def units_by_slot(bins: SlotBins) -> go.Figure:
    """Compute units by slot."""
    figure = _figure(220, "slot", "compute units")
    figure.add_bar(
        x=bins.starts, y=bins.units, name="compute units", marker={"color": NEUTRAL}, offset=0, width=bins.width
    )
    figure.update_layout(showlegend=False, bargap=0)
    return figure


def balance(line: BalanceLine, mint: str | None) -> go.Figure:
    """A balance by slot, in SOL or the token's smallest unit; it keeps its value until the next change."""
    points = line.points
    figure = _figure(190, "slot", "SOL" if mint is None else "smallest unit")
    figure.update_yaxes(rangemode="normal", exponentformat="none", separatethousands=True)
    slots = [slot for slot, _ in points]
    amounts = [amount / (_LAMPORTS_PER_SOL if mint is None else 1) for _, amount in points]
    texts = [f"{amount:,} {'lamports' if mint is None else ''}" for _, amount in points]
    figure.add_scatter(
        x=slots,
        y=amounts,
        text=texts,
        hovertemplate="slot %{x}: %{text}<extra></extra>",
        mode="lines+markers" if len(points) < _MAX_MARKERS else "lines",
        line={"shape": "hv", "color": NEUTRAL, "width": 2},
        marker={"size": 4},
    )
    figure.update_layout(showlegend=False)
    return figure


def sessions(timeline: Timeline) -> go.Figure | None:
    """When each session ran and its connections reconnected; None if the file has no times."""
    began = timeline.began()
    if began is None:
        return None
    lines = [line for line in timeline.in_order() if line.began is not None]
    figure = _figure(min(_MAX_HEIGHT, 110 + _ROW_HEIGHT * len(lines)), "seconds since the first began", "")
    names = [session_name(line) for line in lines]
    for name, wanted, colour in (("complete", True, GOOD), ("incomplete", False, BAD)):
        chosen = [(label, line) for label, line in zip(names, lines) if line.complete is wanted]
        figure.add_bar(
            y=[label for label, _ in chosen],
            base=[(line.began or began) - began for _, line in chosen],
            x=[(line.ended or began) - (line.began or began) for _, line in chosen],
            name=name,
            orientation="h",
            marker={"color": colour},
            width=0.6,
            hovertemplate="%{y}: from %{base:.2f} s, %{x:.2f} s long<extra></extra>",
        )
    data = [(label, at - began) for label, line in zip(names, lines) for at in line.reconnects]
    figure.add_scatter(
        y=[label for label, _ in data],
        x=[at for _, at in data],
        name="data connection reconnected",
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": BAD, "line": {"color": "#ffffff", "width": 1}},
    )
    # All sessions share the control connection: each reconnect is a line across all rows, ended by None.
    edges = [names[0], names[-1], None]
    control = sorted(at - began for at in timeline.reconnects)
    figure.add_scatter(
        y=edges * len(control),
        x=[x for at in control for x in (at, at, None)],
        name="control connection reconnected",
        mode="lines+markers",
        marker={"symbol": "line-ns-open", "size": 12, "color": NEUTRAL},
        line={"color": NEUTRAL, "width": 1, "dash": "dot"},
    )
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names, title=None)
    figure.update_layout(barmode="overlay")
    return figure


def largest(names: Sequence[str], values: Sequence[int], unit: str) -> go.Figure | None:
    """Differences as horizontal bars left (less) and right (more) of zero, the first on top; None without any."""
    if not names:
        return None
    figure = _figure(90 + _ROW_HEIGHT * len(names), unit, "")
    colours = [LESS if value < 0 else MORE for value in values]
    figure.add_bar(y=list(names), x=list(values), orientation="h", marker={"color": colours}, width=0.6)
    figure.update_yaxes(autorange="reversed", title=None)
    figure.update_layout(showlegend=False)
    return figure


def over_runs(labels: Sequence[str], values: Sequence[float | None], unit: str, colour: str) -> go.Figure:
    """One value of each run, in the order of time; None leaves a gap."""
    figure = _figure(220, "", unit)
    # Not by label: two runs may have begun in the same second.
    places = list(range(len(labels)))
    figure.add_scatter(
        x=places,
        y=list(values),
        text=list(labels),
        hovertemplate="%{text}: %{y}<extra></extra>",
        mode="lines+markers",
        cliponaxis=False,
        marker={"color": colour, "size": 7},
    )
    named = places[:: -max(1, -(-len(places) // _MOST_LABELS))]
    # Day above time, so that labels stay upright on a phone.
    texts = [_TIME.sub(r"\1<br>\2", labels[place]) for place in named]
    figure.update_xaxes(tickvals=named, ticktext=texts, tickangle=0, title=None, zeroline=False)
    figure.update_layout(showlegend=False)
    return figure


def session_name(line: SessionLine) -> str:
    """The slots of a session, or its id if its slots are not known."""
    return line.session_id if line.start_slot is None else f"{line.start_slot}–{line.end_slot}"


def _figure(height: int, x_title: str, y_title: str) -> go.Figure:
    clear = "rgba(0,0,0,0)"
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor=clear,
        plot_bgcolor=clear,
        dragmode=False,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        hoverlabel={"bgcolor": "#1c2330", "font": {"color": "#ffffff"}},
        font={"family": "system-ui, sans-serif", "size": 12},
    )
    # Slots are identifiers: 312000000 must not become 312M.
    figure.update_xaxes(title=x_title, automargin=True, tickformat="d" if x_title == "slot" else None, fixedrange=True)
    figure.update_xaxes(ticklabelstandoff=6)
    figure.update_yaxes(title=y_title, title_standoff=10, automargin=True, rangemode="tozero", fixedrange=True)
    return figure
