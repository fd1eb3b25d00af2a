"""From the threads to the caller: the events of one (sub-)session, in the order in which the caller gets them.

Reader threads put batches into one ``queue.SimpleQueue``; the caller takes events out. Everything that has not been
handed out lives here, so leaving a loop, or a timeout, loses nothing.

The order: data-plane events that are there come first; then control events. ``Completed`` is held back until every
subscription has ended, so it is the last event, or a failure takes its place.
"""

from __future__ import annotations

import operator
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Callable

from simsync.errors import Cancelled, EventTimeout, SimsyncError, SubscriptionFailed
from simsync.events import Completed, Event
from simsync.protocol.route import Route
from simsync.runtime.deadline import seconds_until
from simsync.runtime.failure import fresh
from simsync.runtime.process import OwnProcess


class DataBuffer:
    """How much of one subscription waits for the caller: filled by its reader, emptied by the caller."""

    def __init__(self, max_events: int, max_bytes: int, make_room: Callable[[], None]) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._make_room = make_room
        self._lock = threading.Lock()  # guards everything below
        self._events = 0
        self._bytes = 0
        self._waiting = False

    def add(self, events: int, size: int) -> None:
        with self._lock:
            self._events += events
            self._bytes += size

    def remove(self, events: int, size: int) -> None:
        """Wakes the reader once half of the room is free again, so that it does not wake for each event."""
        with self._lock:
            self._events -= events
            self._bytes -= size
            roomy = self._events * 2 <= self._max_events and self._bytes * 2 <= self._max_bytes
            wake = self._waiting and roomy
            if wake:
                self._waiting = False
        if wake:
            self._make_room()

    @property
    def size(self) -> int:
        """Bytes."""
        with self._lock:
            return self._bytes

    def is_full(self) -> bool:
        """Asked by the reader before it reads on; once full it stays so until half of the room is free."""
        with self._lock:
            if self._events >= self._max_events or self._bytes >= self._max_bytes:
                self._waiting = True
            return self._waiting


class DataBatch:
    """Events of one subscription, and the room that they take up until the caller is through with them."""

    __slots__ = ("buffer", "count", "events", "size")

    def __init__(self, events: list[Event], size: int, buffer: DataBuffer) -> None:
        self.events = events
        self.count = len(events)
        self.size = size
        self.buffer = buffer
        buffer.add(self.count, size)

    def done(self) -> None:
        self.buffer.remove(self.count, self.size)


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
        self._queue: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()

    def announce(self, delivery: Delivery) -> None:
        # Whoever puts something in announces afterwards; whoever takes it out clears the flag before looking.
        if not delivery.announced:
            delivery.announced = True
            self._queue.put(delivery)

    def take(self, timeout: float | None) -> Delivery | None:
        """The next delivery with something to look at; None when nothing came within ``timeout`` seconds."""
        self.process.check()
        try:
            delivery = self._queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if delivery is not None:
            delivery.announced = False
        return delivery


class _Current:
    """The batch that is being handed out. ``before``: how many control events were handed out before it."""

    __slots__ = ("_before", "_control", "events", "iterator")

    def __init__(self, before: int, events: list[Event], *, control: bool) -> None:
        self._before = before
        self._control = len(events) if control else 0
        self.events = events
        self.iterator = iter(events)

    @property
    def left(self) -> int:
        return operator.length_hint(self.iterator)

    @property
    def handed_out(self) -> int:
        """Control events up to now. Of no use once ``events`` was emptied."""
        return self._before + self._control - (self.left if self._control else 0)


class Delivery:
    """See the module. Put from any thread; taken by one consumer at a time."""

    def __init__(self, route: Route, arrivals: Arrivals, drain_idle: float) -> None:
        self.route = route
        self.announced = False
        self.done = False
        self.continue_is_due = False
        self.stops_handed_out = 0
        self.subscriptions: list[SubscriptionState] = []
        self._arrivals = arrivals
        self._drain_idle = drain_idle
        self.on_completed: list[Callable[[], None]] = []
        # Written in C: Ctrl-C cannot leave its lock taken, as it can that of queue.Queue.
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._consumer = threading.Lock()  # guards everything below: one consumer at a time
        self._current = _Current(0, [], control=True)
        self._handed_out_at_cancel: int | None = None
        self._control: deque[list[Event]] = deque()
        self._data: deque[DataBatch] = deque()
        self._taken: DataBatch | None = None
        self._completed: Completed | None = None
        self._completed_at = 0.0
        self._ending: SimsyncError | None = None
        self.cancelled: Cancelled | None = None

    # The side of the threads.

    def put(self, item: list[Event] | DataBatch | Ending | None) -> None:
        """Control events as a plain list, a data batch, the ending, or None to make the consumer look again."""
        self._inbox.put(item)
        self._arrivals.announce(self)

    def cancel(self, failure: Cancelled) -> None:
        """Wake the consumer; it gets ``failure`` instead of further events."""
        self.cancelled = self.cancelled or failure
        # The consumer looks at ``cancelled`` whenever it has set another batch, so this one is the last.
        current = self._current
        if self._handed_out_at_cancel is None:
            self._handed_out_at_cancel = current.handed_out
        current.events.clear()  # ends the loop that is running over it
        self.put(None)

    # The side of the caller.

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
        left = seconds_until(deadline)
        if not self._consumer.acquire(timeout=-1 if left is None else left):
            raise self._timeout()
        try:
            while True:
                batch = self._next_at_hand()
                if batch is not None or self.done:
                    return batch
                limits = [limit for limit in (deadline, self.drain_deadline) if limit is not None]
                if deadline is not None and time.monotonic() >= deadline:
                    raise self._timeout()
                try:
                    item = self._inbox.get(timeout=seconds_until(min(limits, default=None)))
                except queue.Empty:
                    continue
                self._absorb(item)
        finally:
            self._consumer.release()

    def poll_batch(self) -> Iterator[Event] | None:
        """As :meth:`next_batch`, without waiting: None when nothing is at hand (or ``done``)."""
        self._arrivals.process.check()
        if not self._consumer.acquire(blocking=False):
            return None  # another thread is reading this session
        try:
            return self._next_at_hand()
        finally:
            self._consumer.release()

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
            self._absorb_all()
            batch = self._choose()
            if batch is None:
                return None
            # Data events are never chosen while the batch of a control event is not handed out.
            current = _Current(current.handed_out, batch, control=self._taken is None)
            self._current = current
        # Looked at after the batch was set: cancel() sets the failure before it empties the batch.
        if self.cancelled is not None:
            raise fresh(self.cancelled)
        return current.iterator

    def _absorb_all(self) -> None:
        while True:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return
            self._absorb(item)

    def _absorb(self, item: list[Event] | DataBatch | Ending | None) -> None:
        if type(item) is list:
            last = item[-1]
            if isinstance(last, Completed):
                self._completed = last
                self._completed_at = time.monotonic()
                item.pop()
            if item:
                self._control.append(item)
        elif isinstance(item, DataBatch):
            self._data.append(item)
        elif isinstance(item, Ending) and self._ending is None:
            self._ending = item.failure

    def _take_data(self) -> list[Event] | None:
        """The next data batch. The one before has been handed out by now, so its room is free."""
        if self._taken is not None:
            self._taken.done()
            self._taken = None
        if not self._data:
            return None
        self._taken = self._data.popleft()
        return self._taken.events

    def _choose(self) -> list[Event] | None:
        data = self._take_data()
        if data is not None:
            return data
        if self._control:
            batch = self._control.popleft()
            if self.subscriptions and len(batch) > 1:
                # One by one, so that data may overtake the others.
                self._control.appendleft(batch)
                return [batch.pop(0)]
            return batch
        failed = next((state.failure for state in self.subscriptions if state.failure is not None), None)
        if failed is not None:
            # Its last events may have been put after the look into the inbox above.
            self._absorb_all()
            data = self._take_data()
            if data is not None:
                return data
            self._ending = failed
            raise fresh(failed)
        if self._completed is not None:
            # Control has said everything; how its connection ended does not matter any more.
            return self._choose_last(self._completed)
        if self._ending is not None:
            raise fresh(self._ending)
        return None

    def _choose_last(self, completed: Completed) -> list[Event] | None:
        if all(state.ended for state in self.subscriptions):
            self._absorb_all()
            data = self._take_data()
            if data is not None:
                return data
            self.done = True
            return [completed]
        deadline = self.drain_deadline
        if deadline is not None and time.monotonic() >= deadline:
            late = [state for state in self.subscriptions if not state.ended]
            named = "; ".join(state.missing for state in late)
            self._ending = SubscriptionFailed(
                f"session {self.route.session_id} is completed, but {len(late)} subscription(s) did not end within"
                f" {self._drain_idle:g} s of silence, so the stream is incomplete: {named}"
            )
            raise fresh(self._ending)
        return None
