"""Figures as text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def rounded(value: float) -> str:
    """Three digits, thousands and millions by their letter."""
    for unit, letter in ((1_000_000, " M"), (1_000, " k")):
        if value >= unit * 0.9995:
            return f"{_three_digits(value / unit)}{letter}"
    return _three_digits(value)


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def spread(values: Sequence[float]) -> str:
    """The median, with the least and the greatest."""
    return f"{rounded(statistics.median(values))} [{rounded(min(values))}–{rounded(max(values))}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, in columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
