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
from typing import Callable

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

    def announce(self, *deliveries: Delivery) -> None:
        """Call after something was put into them."""
        # Whoever takes a delivery from here looks into it afterwards: so one that stands here needs no lock.
        if not all(map(self._waiting.__contains__, deliveries)):
            with self._changed:
                self._waiting.update(dict.fromkeys(deliveries))
                self._changed.notify_all()

    def take(self, deadline: float | None) -> list[Delivery]:
        """All deliveries with something to look at; none when nothing came until ``deadline`` (monotonic)."""
        self.process.check()
        while True:
            with self._changed:
                if self._waiting:
                    deliveries = list(self._waiting)
                    self._waiting.clear()
                    return deliveries
                ticket = self._changed.ticket()
            if not ticket.wait(deadline):
                return []


STOPS = frozenset({ReadyForContinue, Paused, SessionError})
"""After these the engine may be waiting; whether it does is asked before anything is sent."""


class _Batch:
    """Events that are handed out together.

    ``before`` and ``after``: how many control events were put up to its beginning and its end. ``stops_before`` and
    ``stops_after`` count only those after which the engine may wait.
    """

    __slots__ = ("after", "before", "events", "is_last", "iterator", "stops_after", "stops_before")

    def __init__(
        self, events: list[Event], before: int, after: int, stops_before: int, stops_after: int, is_last: bool = False
    ) -> None:
        self.events = events
        self.iterator = iter(events)
        self.before = before
        self.after = after
        self.stops_before = stops_before
        self.stops_after = stops_after
        self.is_last = is_last

    @property
    def may_stop(self) -> bool:
        """It holds events after which the engine may wait."""
        return self.stops_after != self.stops_before

    @property
    def left(self) -> int:
        return operator.length_hint(self.iterator)

    @property
    def handed_out(self) -> int:
        """Control events up to now. Of no use once ``events`` was emptied."""
        return self.after if self.after == self.before else self.after - self.left

    @property
    def stops(self) -> int:
        """Up to now. Counted here, and not when they are taken out, because Ctrl-C may come in between."""
        if not self.may_stop or not self.left:
            return self.stops_after
        handed_out = self.events[: self.handed_out - self.before]
        return self.stops_before + sum(map(STOPS.__contains__, map(type, handed_out)))


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
        self._current = _Batch([], 0, 0, 0, 0)
        self._handed_out_at_cancel: int | None = None
        # The batch that is being handed out is the first of its kind, and is taken away when the next one is chosen.
        self._control: deque[_Batch] = deque()
        self._events_put = self._stops_put = 0
        self._data: deque[DataBatch] = deque()
        self._completed: Completed | None = None
        self._completed_at = 0.0
        self._ending: SimsyncError | None = None
        self.cancelled: Cancelled | None = None

    # The side of the threads.

    def put(self, item: list[Event] | DataBatch | Ending | None) -> None:
        """Control events as a plain list, a data batch, the ending, or None to make the consumer look again."""
        self.put_unannounced(item)
        self._arrivals.announce(self)

    def put_unannounced(self, item: list[Event] | DataBatch | Ending | None) -> None:
        """As :meth:`put`; whoever calls it announces this delivery afterwards, maybe with others."""
        with self._changed:
            self._take_in(item)
            self._changed.notify_all()

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
                    self._put_control([event], self._stops_put + (type(event) in STOPS))
            elif item:
                self._put_control(item, self.route.cycle.stops)
        elif isinstance(item, DataBatch):
            self._data.append(item)
        elif isinstance(item, Ending) and self._ending is None:
            self._ending = item.failure

    def _put_control(self, events: list[Event], stops: int) -> None:
        before, self._events_put = self._events_put, self._events_put + len(events)
        self._control.append(_Batch(events, before, self._events_put, self._stops_put, stops))
        self._stops_put = stops

    # The side of the caller.

    @property
    def stops_handed_out(self) -> int:
        """After how many of the events that were handed out the engine may have waited."""
        return self._current.stops

    @property
    def may_stop(self) -> bool:
        """The batch that is being handed out holds events after which the engine may wait."""
        return self._current.may_stop

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
        with self._changed:
            return self._next_at_hand()

    @property
    def has_more(self) -> bool:
        """There is, or may be, something to look at once the present batch is handed out, without a further arrival."""
        if self.subscriptions:  # they may have failed, and the room of a batch is free when the next one is asked for
            return True
        return len(self._control) > 1 or self._completed is not None or self._ending is not None

    def _timeout(self) -> EventTimeout:
        route = self.route
        return EventTimeout(
            f"no event of session {route.session_id} in time (at slot {route.position} of {route.end_slot},"
            f" {route.cycle.state.value}); nothing is lost, calling again goes on waiting"
        )

    def _next_at_hand(self) -> Iterator[Event] | None:
        current = self._current
        left = operator.length_hint(current.iterator)
        if current.is_last:
            return current.iterator if left else None
        if self.cancelled is None and not left:
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

    def _choose(self, last: _Batch) -> _Batch | None:
        """What is handed out next, behind the last batch. Raises what ended the events."""
        # Taken away only now, when all of it has been handed out, and the room of data is free.
        if self._control and self._control[0] is last:
            self._control.popleft()
        elif self._data and self._data[0].events is last.events:
            self._data[0].done()
            self._data.popleft()
        if self._data:
            return _Batch(self._data[0].events, last.after, last.after, last.stops_after, last.stops_after)
        if self._control:
            return self._control[0]
        failed = next((state.failure for state in self.subscriptions if state.failure is not None), None)
        if failed is not None:
            self._ending = failed
            raise fresh(failed)
        if self._completed is not None:
            # Control has said everything; how its connection ended does not matter any more.
            if all(state.ended for state in self.subscriptions):
                stops = last.stops_after
                return _Batch([self._completed], last.after, last.after + 1, stops, stops, is_last=True)
            self._check_drain()
        elif self._ending is not None:
            raise fresh(self._ending)
        return None

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
