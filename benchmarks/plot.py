"""The results as a picture (extra ``[bench]``)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks import streams
from benchmarks.results import Results
from benchmarks.variants import HEAD_ROOM

_OURS, _PEERS, _MISSED = "#2a6fb0", "#9aa5b1", "#c8553d"


def write(results: Results, path: Path) -> None:
    """Rates of the control events, and how far each measure is beyond its target. The suffix gives the format."""
    from matplotlib.figure import Figure

    wanted = [one for one in results.measures if one.target is not None]
    shown = [
        one
        for one in results.variants
        if one.stream in (streams.CONTROL, streams.CONTROL_TENTH) and one not in HEAD_ROOM
    ]
    heights = [max(1, len(shown)), max(1, len(wanted))]
    figure = Figure(figsize=(13, 1.6 + 0.3 * sum(heights)), layout="constrained")
    rates, targets = figure.subplots(2, 1, height_ratios=heights)

    shown.sort(key=lambda one: statistics.median(results.figures(one, "rate")))
    values = [results.figures(one, "rate") for one in shown]
    colours = [_OURS if one.label.startswith("simsync") else _PEERS for one in shown]
    places = range(len(shown))
    rates.barh(places, list(map(statistics.median, values)), xerr=_whiskers(values), color=colours, ecolor="#333333")
    rates.set_yticks(places, [one.label for one in shown])
    rates.set_title(f"control events per second, {results.sessions} sub-sessions")
    rates.xaxis.set_major_formatter(lambda value, _place: f"{value:,.0f}")

    wanted.reverse()
    values = [
        [one.target / value if one.at_most else value / one.target for value in results.values(one)]
        for one in wanted
        if one.target is not None
    ]
    medians = list(map(statistics.median, values))
    colours = [_OURS if median >= 1 else _MISSED for median in medians]
    targets.errorbar(medians, range(len(wanted)), xerr=_whiskers(values), fmt="none", ecolor="#333333")
    targets.scatter(medians, range(len(wanted)), color=colours, zorder=3)
    targets.axvline(1, color="#333333", linewidth=1)
    targets.set_xscale("log", base=2)
    targets.xaxis.set_major_formatter(lambda value, _place: f"{value:g} ×")
    targets.set_yticks(range(len(wanted)), [one.label for one in wanted])
    targets.set_title("how far beyond its target each measure is (right of the line: reached)")
    for axes in (rates, targets):
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _whiskers(values: Sequence[Sequence[float]]) -> list[list[float]]:
    """From the median down to the least and up to the greatest."""
    medians = list(map(statistics.median, values))
    return [
        [median - min(ones) for median, ones in zip(medians, values)],
        [max(ones) - median for median, ones in zip(medians, values)],
    ]
