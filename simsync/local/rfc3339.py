"""Times as text, in the form of RFC 3339, and as unix milliseconds."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

MS_PER_DAY = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)
_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))?", re.ASCII
)


def read_time(text: str) -> int:
    """Return the unix milliseconds of a time, or of the start (UTC) of a date. Raises ValueError with a reason."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("is neither an RFC 3339 time like 2026-07-01T00:00:00Z nor a date like 2026-07-01")
    date, time, fraction, zone = found.groups()
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    moment = datetime.fromisoformat(f"{date}T{time or '00:00:00'}{offset}")
    return (moment - _EPOCH) // _MS + int(f"{fraction or ''}000"[:3])


def time_text(milliseconds: int) -> str:
    """Return unix milliseconds as text in UTC, with a fraction only where there is one. Raises OverflowError."""
    moment = (_EPOCH + milliseconds * _MS).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds") + "Z"
