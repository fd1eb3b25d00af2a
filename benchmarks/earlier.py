"""Figures of an earlier run, as ``--json`` wrote them, to compare with."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from benchmarks.figures import rounded
from benchmarks.measures import Measure
from benchmarks.results import Results

FELL = 0.05
"""Share by which a median may be worse before its row is named."""


def read_medians(path: Path) -> dict[str, float]:
    """The median of each row, by its label.

    Raises:
        ValueError: The file was not written by ``--json``.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["measures"]
        return {str(row["label"]): float(row["median"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no figures of --json: {error}") from error


def what_fell(results: Results, before: dict[str, float]) -> list[str]:
    """A line for each row that became worse by more than :data:`FELL`."""
    lines = []
    for measure in results.measures:
        if measure.label in before:
            now = statistics.median(results.values(measure))
            worse = _worse(measure, before[measure.label], now)
            if worse > FELL:
                lines.append(
                    f"{measure.label}: {rounded(before[measure.label])} before, {rounded(now)} now ({worse:.0%} worse)"
                )
    return lines


def _worse(measure: Measure, before: float, now: float) -> float:
    """As a share of the earlier median; negative if it became better."""
    return (now - before) / before if measure.at_most else (before - now) / before
