"""The HTTP header ``Retry-After``: how long a server asks to be left alone."""

from __future__ import annotations

import math
import time

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
    until = _moment(text)
    now = _moment(date)
    if until is None:
        return 0.0
    return min(max(0.0, math.ceil(until - (time.time() if now is None else now))), LONGEST)


def _moment(text: str | None) -> float | None:
    from email.utils import parsedate_to_datetime  # late, because most programs do not need it

    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, OverflowError):  # Python 3.9 raises TypeError for text that is not a date
        return None
