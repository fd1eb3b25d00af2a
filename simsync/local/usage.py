"""What the sessions of a simulator came to, by time: the counters of ``GET /usage``."""

from __future__ import annotations

import enum
import time
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from simsync.local.rfc3339 import MS_PER_DAY, read_time, time_text

if TYPE_CHECKING:
    from collections.abc import Callable

API_KEY_NAME = "local"
DEFAULT_DAYS = 30
"""Length of the window if nobody says since when."""


class BadWindow(ValueError):
    """Since and until make no window; the message says why."""


class Window(NamedTuple):
    """Unix milliseconds; what happened at ``since`` does not belong to it, what happened at ``until`` does."""

    since: int
    until: int


def read_window(since: str | None, until: str | None, now: int) -> Window:
    """Return the window between two RFC 3339 times, with ``since`` rounded down to the UTC day. Raises BadWindow.

    By default it ends ``now`` (unix milliseconds) and begins 30 days before its end.
    """
    end = now if until is None else _read("until", until)
    begin = end - DEFAULT_DAYS * MS_PER_DAY if since is None else _read("since", since)
    if begin > end:
        raise BadWindow(f"since {since!r} is after {'now' if until is None else f'until {until!r}'}")
    return Window(begin - begin % MS_PER_DAY, end)


def _read(name: str, text: str) -> int:
    try:
        return read_time(text)
    except ValueError as error:
        raise BadWindow(f"{name} {text!r}: {error}") from error


def steady_clock() -> Callable[[], int]:
    """Return a clock in unix milliseconds that never goes back, whatever the machine's clock does."""
    begun = time.time_ns() - time.monotonic_ns()
    return lambda: (begun + time.monotonic_ns()) // 1_000_000


class Counter:
    """How often something happened, and when. Its ``clock`` must not go back."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._times = array("q")
        self._totals = array("q", [0])

    def add(self) -> None:
        """Count one more, now."""
        times, totals, now = self._times, self._totals, self._clock()
        if times and now == times[-1]:
            totals[-1] += 1
        else:
            times.append(now)
            totals.append(totals[-1] + 1)

    def within(self, window: Window) -> int:
        """Return how often it happened in a window."""
        first, last = (bisect_right(self._times, moment) for moment in window)
        return self._totals[last] - self._totals[first]


class SessionEnd(enum.Enum):
    """How a session ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CLOSED = "closed"


class SessionUsage:
    """One session: when it began, when and how it ended."""

    def __init__(self, usage: Usage, began: int) -> None:
        self._usage = usage
        self._began = began
        self._ended: int | None = None

    def end(self, how: SessionEnd) -> None:
        """The session ended, unless it has ended before."""
        if self._ended is not None:
            return
        self._ended = self._usage.clock()
        if how is SessionEnd.COMPLETED:
            self._usage.completed.add()
        elif how is SessionEnd.FAILED:
            self._usage.failed.add()

    def duration_within(self, window: Window, now: int) -> int:
        """Return the milliseconds that it lasted in a window; a session that goes on lasts until ``now``."""
        end = now if self._ended is None else self._ended
        return max(0, min(end, window.until) - max(self._began, window.since))


class Usage:
    """The counters of a simulator since its start. ``clock`` returns unix milliseconds and does not go back."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self.clock = clock = steady_clock() if clock is None else clock
        self.started = Counter(clock)
        self.completed = Counter(clock)
        self.failed = Counter(clock)
        self.slots = Counter(clock)
        self.builds = Counter(clock)
        self._sessions: list[SessionUsage] = []

    def start_session(self) -> SessionUsage:
        """Count a session that begins now."""
        self.started.add()
        session = SessionUsage(self, self.clock())
        self._sessions.append(session)
        return session

    def report(self, since: str | None, until: str | None) -> dict[str, Any]:
        """Return the counters of a window, given as RFC 3339 times, in the form of ``GET /usage``. Raises BadWindow."""
        now = self.clock()
        window = read_window(since, until, now)
        try:
            begin, end = (time_text(moment) for moment in window)
        except OverflowError as error:
            raise BadWindow("the window is not within the years 1 to 9999") from error
        return {
            "api_key_name": API_KEY_NAME,
            "since": begin,
            "until": end,
            "sessions": {
                "started": self.started.within(window),
                "completed": self.completed.within(window),
                "failed": self.failed.within(window),
            },
            "compute": {
                "executed_slot_count": self.slots.within(window),
                "session_duration_ms": sum(one.duration_within(window, now) for one in self._sessions),
            },
            "bundle_builds": {"requested": self.builds.within(window)},
        }
