"""The HTTP header ``Retry-After``: how long a server asks to be left alone."""

from __future__ import annotations

import math
import time

from simsync.times import http_date

LONGEST = 7 * 86_400.0
"""Seconds; what asks for more is understood as this."""


def seconds_to_wait(value: str | None, date: str | None = None) -> float:
    """Return the seconds that ``Retry-After`` asks for, 0 if it cannot be read.

    Args:
        value: The header: a number of seconds, or a date.
        date: The header ``Date`` of the same reply, so that a wrong clock here does not matter.
    """
    text = (value or "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), LONGEST)
    until = http_date(text)
    if until is None:
        return 0.0
    now = http_date(date)
    left = until.timestamp() - (time.time() if now is None else now.timestamp())
    return min(max(0.0, math.ceil(left)), LONGEST)
