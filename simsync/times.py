"""Times in UTC: from what callers pass, and from and to RFC 3339 text."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from simsync.errors import InvalidParams

_TIME = (
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?(?:[Zz]|([+-])(\d\d):?(\d\d))?)?"
)


def http_date(text: str | None) -> datetime | None:
    """The time of an HTTP date, None if it cannot be read."""
    from email.utils import parsedate_to_datetime  # late, because most programs do not need it

    try:
        time = parsedate_to_datetime(text or "")
    except (TypeError, ValueError, OverflowError):  # Python 3.9 raises TypeError for text that is not a date
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)


def unix_time(seconds: float | None) -> datetime | None:
    """The time that is ``seconds`` of Unix time, None if no calendar has it."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time, or a date as its first moment. A time without a zone is in UTC.

    Raises:
        ValueError: The text is not a time.
    """
    match = re.fullmatch(_TIME, text.strip(), re.ASCII)
    if match is None:
        raise ValueError(f"{text[:60]!r} is neither a date nor an RFC 3339 time")
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = match.groups()
    leap = second == "60"
    try:
        local = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            59 if leap else int(second or 0),
            int((fraction or "")[:6].ljust(6, "0")),
            timezone.utc,
        )
        offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
        return local + timedelta(seconds=leap) + (offset if sign == "-" else -offset)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:60]!r} is not a valid time ({error})") from error


def format_time(time: datetime) -> str:
    """Format a time as RFC 3339 in UTC, for example ``2026-07-01T00:00:00Z``."""
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


# guess: a date as a bound of ranges
def utc_time(argument: str, value: object) -> datetime:
    """Return the UTC time of a ``datetime``, a ``date`` (its first moment), a time of numpy or RFC 3339 text.

    A value without a zone is in UTC. Raises InvalidParams for ``argument``.
    """
    # pandas' NaT is a datetime that equals nothing.
    if isinstance(value, datetime) and value == value:
        if value.utcoffset() is None:
            return value.replace(tzinfo=timezone.utc)
        try:
            return value.astimezone(timezone.utc)
        except OverflowError as error:
            raise InvalidParams(argument, value, "has no equivalent in UTC") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    of_numpy = getattr(getattr(value, "dtype", None), "kind", None) == "M"
    if isinstance(value, str) or of_numpy:
        try:
            return parse_time(str(value))
        except ValueError as error:
            raise InvalidParams(
                argument, value, "must be an RFC 3339 time or a date, for example 2026-06-01"
            ) from error
    raise InvalidParams(argument, value, "must be a datetime, a date or text such as 2026-06-01T12:00:00Z")
