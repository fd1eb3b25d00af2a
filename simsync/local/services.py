"""The state behind the HTTP services that belong to no session: usage counters and bundle builds.

Built bundles are listed and can be deleted, but sessions only start at the bundles of the ledger.
"""

from __future__ import annotations

import enum
import re
import time
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simsync.local.encoding import MS_PER_DAY, brief, build_request_id, dump_json, read_time, time_text
from simsync.local.request_fields import Fields, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simsync.local.ledger.ledger import Ledger


API_KEY_NAME = "local"
DEFAULT_DAYS = 30
"""Length of the window if ``since`` is missing."""
DEFAULT_BUNDLE_SIZE = 50_000
"""Slots per bundle if the request does not give the number."""
BUNDLE_KINDS = ("blocks", "account_state")
_NUMBER = re.compile(r"[0-9]{1,20}")


# -- usage


class BadWindow(ValueError):
    """``since`` and ``until`` do not make a window; the message says why."""


class Window(NamedTuple):
    """Unix milliseconds. Things that happened at ``until`` belong to it, those at ``since`` do not."""

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
    """Return a clock in unix milliseconds that never goes back, even if the machine's clock is set back."""
    begun = time.time_ns() - time.monotonic_ns()
    return lambda: (begun + time.monotonic_ns()) // 1_000_000


class Counter:
    """Counts how often something happened, and when. Its ``clock`` must not go back."""

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
    """The start and end of one session."""

    def __init__(self, usage: Usage, began: int) -> None:
        self._usage = usage
        self._began = began
        self._ended: int | None = None

    def end(self, how: SessionEnd) -> None:
        """Note how the session ended, unless it ended before."""
        if self._ended is not None:
            return
        self._ended = self._usage.clock()
        if how is SessionEnd.COMPLETED:
            self._usage.completed.add()
        elif how is SessionEnd.FAILED:
            self._usage.failed.add()

    def duration_within(self, window: Window, now: int) -> int:
        """Return how many milliseconds of a window it lasted; a running session lasts until ``now``."""
        end = now if self._ended is None else self._ended
        return max(0, min(end, window.until) - max(self._began, window.since))


class Usage:
    """The counters of a simulator since its start. ``clock`` returns unix milliseconds and never goes back."""

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
        """Return the reply of ``GET /usage`` for a window between two RFC 3339 times. Raises BadWindow."""
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


# -- bundle builds


class KeyTaken(Exception):
    """The idempotency key belongs to another request."""


class Range(NamedTuple):
    """Slots, both ends included, and the kind of data that the bundle holds."""

    start_slot: int
    end_slot: int
    kind: str


class BuildRequest(NamedTuple):
    """A range to build, cut into bundles of ``bundle_size`` slots."""

    range: Range
    bundle_size: int
    idempotency_key: str | None


@dataclass
class _Build:
    request_id: str
    request: BuildRequest
    created: int
    status: str = "in_progress"

    def to_json(self) -> dict[str, object]:
        start, end, _ = self.request.range
        return {
            "request_id": self.request_id,
            "start_slot": start,
            "end_slot": end,
            "bundle_size": self.request.bundle_size,
            "status": self.status,
            "created_at_unix_ms": self.created,
        }


def read_build_request(value: object) -> BuildRequest:
    """Return the request in the body of ``POST /build-bundle``. Raises BadRequest."""
    fields = Fields(value, "a bundle build")
    size = fields.integer("bundle_size", DEFAULT_BUNDLE_SIZE)
    if size < 1:
        raise invalid("bundle_size of a bundle build must be at least 1")
    key = None if fields.get("idempotency_key") is None else fields.text("idempotency_key")
    return BuildRequest(_range(fields, "a bundle build"), size, key)


def read_range(query: Mapping[str, str]) -> Range:
    """Return the range in the query of ``DELETE /bundles``. Raises BadRequest."""
    values = {name: int(text) if _NUMBER.fullmatch(text) else text for name, text in query.items()}
    return _range(Fields(values, "a bundle"), "a bundle")


def _range(fields: Fields, what: str) -> Range:
    start, end = fields.integer("start_slot"), fields.integer("end_slot")
    if end < start:
        raise invalid(f"end_slot {end} of {what} is below start_slot {start}")
    kind = "blocks" if fields.get("kind") is None else fields.text("kind")
    if kind not in BUNDLE_KINDS:
        raise invalid(f"kind of {what} must be one of {', '.join(BUNDLE_KINDS)}, not {brief(kind)}")
    return Range(start, end, kind)


class BundleBuilds:
    """All builds of a simulator, and their bundles. A build takes ``delay`` seconds.

    ``clock`` returns unix milliseconds and never goes back. Nothing runs in the background: each call first completes
    the builds whose time is over.
    """

    def __init__(self, ledger: Ledger, delay: float, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._delay = round(delay * 1000)
        self._clock = clock
        self._builds: dict[str, _Build] = {}
        self._by_key: dict[tuple[str, str], _Build] = {}
        self._unfinished: list[_Build] = []
        self._bundles: dict[Range, dict[str, object]] = {}

    def request(self, request: BuildRequest) -> tuple[dict[str, Any], bool]:
        """Accept a request; return the status of its build and whether the build is new. Raises KeyTaken.

        A request with the idempotency key of an earlier request of its kind, and with the same content, returns the
        earlier build.
        """
        self._finish_builds()
        name = None if request.idempotency_key is None else (request.idempotency_key, request.range.kind)
        earlier = None if name is None else self._by_key.get(name)
        if earlier is not None:
            if earlier.request != request:
                raise KeyTaken(f"the idempotency key belongs to {earlier.request_id}, a request with other content")
            return earlier.to_json(), False
        build = _Build(build_request_id(), request, self._clock())
        self._builds[build.request_id] = build
        self._unfinished.append(build)
        if name is not None:
            self._by_key[name] = build
        return build.to_json(), True

    def status(self, request_id: str) -> dict[str, object] | None:
        """Return the status of a build, None for an unknown id."""
        self._finish_builds()
        build = self._builds.get(request_id)
        return None if build is None else build.to_json()

    def listing(self) -> dict[str, Any]:
        """Return all builds, newest first, and all bundles in order of their slots."""
        self._finish_builds()
        builds = [build.to_json() for build in reversed(tuple(self._builds.values()))]
        return {"builds": builds, "bundles": [self._bundles[key] for key in sorted(self._bundles)]}

    def delete(self, wanted: Range) -> dict[str, object] | None:
        """Remove and return the bundle with exactly this range and kind, None if there is none."""
        self._finish_builds()
        return self._bundles.pop(wanted, None)

    def _finish_builds(self) -> None:
        now = self._clock()
        while self._unfinished and self._unfinished[0].created + self._delay <= now:
            build = self._unfinished.pop(0)
            (start, end, kind), size, _ = build.request
            if start < self._ledger.start_slot or end > self._ledger.end_slot:
                build.status = "failed"
                continue
            build.status = "completed"
            for first in range(start, end + 1, size):
                made = Range(first, min(first + size - 1, end), kind)
                self._bundles[made] = {
                    "start_slot": made.start_slot,
                    "end_slot": made.end_slot,
                    "kind": kind,
                    "completed_at_unix_ms": build.created + self._delay,
                    "size_bytes": self._size(made),
                }

    def _size(self, made: Range) -> int:
        """Return the size in bytes of the transactions in a range, or of the accounts of the ledger bundles in it."""
        start, end, kind = made
        if kind == "blocks":
            return sum(
                sum(len(item.wire) for item in block.transactions) + sum(len(dump_json(row)) for row in block.recorded)
                for block in self._ledger.blocks_between(start, end)
            )
        held = (bundle.accounts for bundle in self._ledger.bundles if start <= bundle.start_slot <= end)
        return sum(len(account.data) for accounts in held for account in accounts.values())
