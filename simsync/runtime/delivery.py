"""From the threads to the caller: the events of one (sub-)session, in the order in which the caller gets them.

Reader threads put batches in; the caller takes events out. Everything that has not been handed out lives here, so
leaving a loop, or a timeout, loses nothing. Ctrl-C may interrupt the caller anywhere: what it changes here it changes
in one assignment, or in steps that may be done again.

The order: data-plane events that are there come first; then control events. ``Completed`` is held back until every
subscription has ended, so it is the last event, or a failure takes its place.
"""

from __future__ import annotations

import operator
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Callable, NamedTuple

from simsync.errors import Cancelled, EventTimeout, SimsyncError, SubscriptionFailed
from simsync.events import Completed, Event, Paused, ReadyForContinue, SessionError
from simsync.protocol.route import Route
from simsync.runtime.changes import Changes
from simsync.runtime.failure import fresh
from simsync.runtime.process import OwnProcess


class DataBuffer:
    """How much of one subscription waits for the caller: filled by its reader, emptied by the caller.

    A mark is how many events and bytes there were from the beginning up to the end of a batch.
    """

    def __init__(self, max_events: int, max_bytes: int, make_room: Callable[[], None]) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._make_room = make_room
        self._lock = threading.Lock()  # guards everything below
        self._added = (0, 0)
        self._removed = (0, 0)
        self._waiting = False

    def add(self, events: int, size: int) -> tuple[int, int]:
        """Returns the mark of the batch."""
        with self._lock:
            self._added = (self._added[0] + events, self._added[1] + size)
            return self._added

    def remove(self, mark: tuple[int, int]) -> None:
        """The batch with this mark, and all before it. Wakes the reader once half of the room is free again."""
        with self._lock:
            self._removed = mark
            events, size = self.waiting
            wake = self._waiting and events * 2 <= self._max_events and size * 2 <= self._max_bytes
            if wake:
                self._waiting = False
        if wake:
            self._make_room()

    @property
    def waiting(self) -> tuple[int, int]:
        """Events and bytes."""
        return self._added[0] - self._removed[0], self._added[1] - self._removed[1]

    def is_full(self) -> bool:
        """Asked by the reader before it reads on; once full it stays so until half of the room is free."""
        with self._lock:
            events, size = self.waiting
            if events >= self._max_events or size >= self._max_bytes:
                self._waiting = True
            return self._waiting


class DataBatch:
    """Events of one subscription, and the room that they take up until the caller is through with them."""

    __slots__ = ("_buffer", "_mark", "events")

    def __init__(self, events: list[Event], size: int, buffer: DataBuffer) -> None:
        self.events = events
        self._buffer = buffer
        self._mark = buffer.add(len(events), size)

    def done(self) -> None:
        """May be called again."""
        self._buffer.remove(self._mark)


class Ending:
    """The control stream is over; ``failure`` says why."""

    __slots__ = ("failure",)

    def __init__(self, failure: SimsyncError) -> None:
        self.failure = failure


class SubscriptionState:
    """What the delivery has to know about a subscription. Written by its reader thread, under the link's lock.

    ``held_up``: it waits for the caller or for other sub-sessions, so that its silence means nothing. ``missing`` says
    what has not come yet.
    """

    __slots__ = ("ended", "failure", "held_up", "label", "last_activity", "missing", "up")

    def __init__(self, label: str) -> None:
        self.label = label
        self.up = False
        self.ended = False
        self.held_up = False
        self.failure: SubscriptionFailed | None = None
        self.missing = label
        self.last_activity = time.monotonic()


class Arrivals:
    """Deliveries that have something for a loop over many sessions; each stands here at most once."""

    def __init__(self) -> None:
        self.process = OwnProcess()
        self._changed = Changes()  # guards what follows
        self._waiting: dict[Delivery, None] = {}  # in the order in which they came

    def announce(self, delivery: Delivery) -> None:
        # Whoever puts something in announces afterwards, and whoever takes a delivery from here looks afterwards: so
        # one that stands here needs no lock.
        if delivery not in self._waiting:
            with self._changed:
                self._waiting[delivery] = None
                self._changed.notify_all()

    def take(self, deadline: float | None) -> Delivery | None:
        """The next delivery with something to look at; None when nothing came until ``deadline`` (monotonic)."""
        self.process.check()
        while True:
            with self._changed:
                delivery = next(iter(self._waiting), None)
                if delivery is not None:
                    del self._waiting[delivery]
                    return delivery
                ticket = self._changed.ticket()
            if not ticket.wait(deadline):
                return None


STOPS = frozenset({ReadyForContinue, Paused, SessionError})
"""After these the engine may be waiting; whether it does is asked before anything is sent."""


class _ControlBatch(NamedTuple):
    """``stops``: how many of all events up to its end are such after which the engine may wait."""

    events: list[Event]
    stops: int


class _Current:
    """The batch that is being handed out. ``before`` and ``stops_before``: how many control events, and how many of
    those after which the engine may wait, were handed out before it; ``stops_after`` counts its own as well."""

    __slots__ = ("_before", "_control", "_stops_after", "_stops_before", "events", "is_last", "iterator")

    def __init__(
        self,
        before: int,
        stops_before: int,
        events: list[Event],
        stops_after: int | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        self.is_last = is_last
        self._before = before
        self._stops_before = stops_before
        self._stops_after = stops_before if stops_after is None else stops_after
        self._control = 0 if stops_after is None else len(events)
        self.events = events
        self.iterator = iter(events)

    @property
    def has_stops(self) -> bool:
        return self._stops_after != self._stops_before

    @property
    def left(self) -> int:
        return operator.length_hint(self.iterator)

    @property
    def handed_out(self) -> int:
        """Control events up to now. Of no use once ``events`` was emptied."""
        return self._before + self._control - (self.left if self._control else 0)

    @property
    def stops(self) -> int:
        """Up to now. Counted here, and not when they are taken out, because Ctrl-C may come in between."""
        if not self.has_stops or not self.left:
            return self._stops_after
        handed_out = self.events[: self._control - self.left]
        return self._stops_before + sum(map(STOPS.__contains__, map(type, handed_out)))


class Delivery:
    """See the module. Put from any thread; taken by any, each event once."""

    def __init__(self, route: Route, arrivals: Arrivals, drain_idle: float) -> None:
        self.route = route
        self.continue_is_due = False
        self.subscriptions: list[SubscriptionState] = []
        self._arrivals = arrivals
        self._drain_idle = drain_idle
        self.on_completed: list[Callable[[], None]] = []
        self.on_cancelled: list[Callable[[], None]] = []
        self._changed = Changes()  # guards everything below
        self._current = _Current(0, 0, [], 0)
        self._handed_out_at_cancel: int | None = None
        # The batch that is being handed out is the first of its kind, and is taken away when the next one is chosen.
        self._control: deque[_ControlBatch] = deque()
        self._stops = 0  # among all that was put
        self._data: deque[DataBatch] = deque()
        self._completed: Completed | None = None
        self._completed_at = 0.0
        self._ending: SimsyncError | None = None
        self.cancelled: Cancelled | None = None

    # The side of the threads.

    def put(self, item: list[Event] | DataBatch | Ending | None) -> None:
        """Control events as a plain list, a data batch, the ending, or None to make the consumer look again."""
        with self._changed:
            self._take_in(item)
            self._changed.notify_all()
        self._arrivals.announce(self)

    def cancel(self, failure: Cancelled) -> None:
        """Wake the consumer; it gets ``failure`` instead of further events."""
        with self._changed:
            self.cancelled = self.cancelled or failure
            # The consumer looks at ``cancelled`` whenever it has set another batch, so this one is the last.
            current = self._current
            if self._handed_out_at_cancel is None:
                self._handed_out_at_cancel = current.handed_out
            current.events.clear()  # ends the loop that is running over it
        self.put(None)
        for tell in tuple(self.on_cancelled):
            tell()

    def _take_in(self, item: list[Event] | DataBatch | Ending | None) -> None:
        if type(item) is list:
            last = item[-1]
            if isinstance(last, Completed):
                self._completed = last
                self._completed_at = time.monotonic()
                item.pop()
            if self.subscriptions:
                for event in item:  # one by one, so that data may overtake the others
                    self._stops += type(event) in STOPS
                    self._control.append(_ControlBatch([event], self._stops))
            elif item:
                self._stops = self.route.cycle.stops
                self._control.append(_ControlBatch(item, self._stops))
        elif isinstance(item, DataBatch):
            self._data.append(item)
        elif isinstance(item, Ending) and self._ending is None:
            self._ending = item.failure

    # The side of the caller.

    @property
    def stops_handed_out(self) -> int:
        """After how many of the events that were handed out the engine may have waited."""
        return self._current.stops

    @property
    def may_stop(self) -> bool:
        """The batch that is being handed out holds events after which the engine may wait."""
        return self._current.has_stops

    @property
    def done(self) -> bool:
        """``Completed`` was handed out, or is at hand as the last event."""
        return self._current.is_last

    @property
    def failure(self) -> SimsyncError | None:
        """Why the events ended, if they did not end with ``Completed``."""
        return self._ending or self.cancelled

    @property
    def last_sequence(self) -> int | None:
        """The number of the last control event that was handed out; None before the first, or without numbers."""
        handed_out = self._current.handed_out
        # Looked at afterwards: cancel() sets it before it empties the batch.
        at_cancel = self._handed_out_at_cancel
        return self.route.sequence_of(handed_out if at_cancel is None else at_cancel)

    @property
    def drain_deadline(self) -> float | None:
        """When a silent subscription makes the run fail, in monotonic seconds; None when nothing is being drained."""
        if self._completed is None or self.done:
            return None
        waiting = [state for state in self.subscriptions if not state.ended]
        if not waiting or any(state.held_up for state in waiting):
            return None
        return max(self._completed_at, *(state.last_activity for state in waiting)) + self._drain_idle

    def next_batch(self, deadline: float | None) -> Iterator[Event] | None:
        """Wait for events until ``deadline`` (monotonic seconds); None once ``Completed`` was handed out.

        The iterator is shared: what is not taken from it is handed out by the next call. Raises EventTimeout, or the
        failure that ended the events.
        """
        self._arrivals.process.check()
        while True:
            with self._changed:
                batch = self._next_at_hand()
                if batch is not None or self.done:
                    return batch
                limits = [limit for limit in (deadline, self.drain_deadline) if limit is not None]
                ticket = self._changed.ticket()
            in_time = ticket.wait(min(limits, default=None))
            if not in_time and deadline is not None and time.monotonic() >= deadline:
                raise self._timeout()

    def poll_batch(self) -> Iterator[Event] | None:
        """As :meth:`next_batch`, without waiting: None when nothing is at hand (or ``done``)."""
        self._arrivals.process.check()
        with self._changed:
            return self._next_at_hand()

    def _timeout(self) -> EventTimeout:
        route = self.route
        return EventTimeout(
            f"no event of session {route.session_id} in time (at slot {route.position} of {route.end_slot},"
            f" {route.cycle.state.value}); nothing is lost, calling again goes on waiting"
        )

    def _next_at_hand(self) -> Iterator[Event] | None:
        current = self._current
        if self.done:
            return current.iterator if current.left else None
        if self.cancelled is None and not current.left:
            chosen = self._choose(current)
            if chosen is None:
                return None
            current = self._current = chosen
            if current.is_last:
                self._changed.notify_all()  # the other consumers
        # Looked at after the batch was set: cancel() sets the failure before it empties the batch.
        if self.cancelled is not None:
            raise fresh(self.cancelled)
        return current.iterator

    def _choose(self, handed_out: _Current) -> _Current | None:
        """What is handed out next. Raises what ended the events."""
        self._take_away(handed_out.events)
        before, stops = handed_out.handed_out, handed_out.stops
        if self._data:
            return _Current(before, stops, self._data[0].events)
        if self._control:
            return _Current(before, stops, *self._control[0])
        failed = next((state.failure for state in self.subscriptions if state.failure is not None), None)
        if failed is not None:
            self._ending = failed
            raise fresh(failed)
        if self._completed is not None:
            # Control has said everything; how its connection ended does not matter any more.
            if all(state.ended for state in self.subscriptions):
                return _Current(before, stops, [self._completed], stops, is_last=True)
            self._check_drain()
        elif self._ending is not None:
            raise fresh(self._ending)
        return None

    def _take_away(self, events: list[Event]) -> None:
        """A batch that has been handed out by now, so that its room is free."""
        if self._data and self._data[0].events is events:
            self._data[0].done()
            self._data.popleft()
        elif self._control and self._control[0].events is events:
            self._control.popleft()

    def _check_drain(self) -> None:
        deadline = self.drain_deadline
        if deadline is not None and time.monotonic() >= deadline:
            late = [state for state in self.subscriptions if not state.ended]
            named = "; ".join(state.missing for state in late)
            self._ending = SubscriptionFailed(
                f"session {self.route.session_id} is completed, but {len(late)} subscription(s) did not end within"
                f" {self._drain_idle:g} s of silence, so the stream is incomplete: {named}"
            )
            raise fresh(self._ending)
