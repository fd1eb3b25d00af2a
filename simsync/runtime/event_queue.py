"""From the reader threads to the caller: one queue of events per (sub-)session.

The order: when the next batch is chosen, data-plane events that are there come before control events. A batch of
control events, which arrived together, is not divided for data that comes later. ``Completed`` is held back until every
subscription has ended, so it is the last event, or a failure takes its place.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Callable, Union

from simsync.errors import Cancelled, EventTimeout, SimsyncError, SubscriptionFailed
from simsync.events import Completed, Event
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.runtime.event_batch import DataBatch, EventBatch
from simsync.runtime.failure import fresh
from simsync.runtime.process import OwnProcess
from simsync.runtime.subscription_status import SubscriptionStatus
from simsync.runtime.waiting import InterruptSafeCondition, earliest

_UNUSED = threading.Condition()
"""In place of the conditions of the standard class, which nobody waits for and which take 4 KiB for each queue."""


class Ended:
    """The control stream has ended without ``Completed``, because of ``failure``."""

    __slots__ = ("failure",)

    def __init__(self, failure: SimsyncError) -> None:
        self.failure = failure


Item = Union[EventBatch, Ended]


class ReadyQueues:
    """The queues that have something for a loop over many sessions. Each is listed at most once."""

    def __init__(self) -> None:
        self.process = OwnProcess()
        self._lock = threading.RLock()  # guards what follows
        self.changed = InterruptSafeCondition(self._lock)
        self._queues: dict[EventQueue, None] = {}  # in the order in which they became ready

    def announce(self, *queues: EventQueue) -> None:
        """Call after something was put into these queues."""
        # A loop looks into a queue after taking it from here, so one that is still listed needs no lock.
        if not all(map(self._queues.__contains__, queues)):
            with self._lock:
                self._queues.update(dict.fromkeys(queues))
                self.changed.notify_all()

    def take(self, deadline: float | None) -> list[EventQueue]:
        """Wait for queues with something to look at. Empty if ``deadline`` (monotonic seconds) passed."""
        self.process.check()
        # wait: caller, merged loop | events of any session | a reader; close, cancel | its timeout; the drain
        return self.changed.wait_for(self._take_all, deadline)

    def _take_all(self) -> list[EventQueue]:
        queues = list(self._queues)
        self._queues.clear()
        return queues


class EventQueue(queue.Queue[Event]):
    """The queue between the reader threads and the caller of one (sub-)session.

    It is a :class:`queue.Queue` of events with the standard hooks ``_put``, ``_get`` and ``_qsize``; reader threads put
    whole batches in, and the caller takes events out, or the iterator over a batch, which costs once per batch.

    It differs from the standard class in three ways, because Ctrl-C may interrupt the caller at any instruction. The
    mutex is a C lock with an :class:`InterruptSafeCondition`: the standard class enters and leaves its conditions in
    Python code, where Ctrl-C can leave the lock taken for ever. A batch stays in the queue until the caller asks for
    the one behind it: the standard class can lose an item between ``get`` and the assignment of its result. It ends:
    :meth:`get` raises what ended the session, and ``put`` never blocks, since a slow caller must not stall the control
    connection (subscriptions are bounded by their :class:`~simsync.runtime.data_buffer.DataBuffer`).
    """

    def __init__(self, state: SessionState, ready_queues: ReadyQueues, drain_idle: float) -> None:
        super().__init__()
        self.not_empty = self.not_full = self.all_tasks_done = _UNUSED
        self.state = state
        self.subscriptions: list[SubscriptionStatus] = []
        self.on_completed: list[Callable[[], None]] = []
        self.on_cancelled: list[Callable[[], None]] = []
        self.cancelled: Cancelled | None = None
        self._ready_queues = ready_queues
        self._process = ready_queues.process
        self._drain_idle = drain_idle
        self.mutex = threading.RLock()  # type: ignore[assignment]  # guards everything below
        self.changed = InterruptSafeCondition(self.mutex)  # type: ignore[arg-type]
        self._current = EventBatch([])
        if state.handled_before != NOTHING_SEEN:
            self._current.previous = state.handled_before
        # The batch that is being delivered is the first of its kind. It is removed when the next one is chosen.
        self._control: deque[EventBatch] = deque()
        self._data: deque[DataBatch] = deque()
        self._completed: EventBatch | None = None
        self._completed_at = 0.0
        self._failure: SimsyncError | None = None

    def _init(self, maxsize: int) -> None:
        """Nothing: the batches are not in the container of the standard class."""

    # For the reader threads.

    def put(self, item: Item, block: bool = True, timeout: float | None = None) -> None:  # type: ignore[override]
        """Add a batch of events, or the failure that ends them. Never blocks."""
        self.add(item)
        self._ready_queues.announce(self)

    def collect(self) -> None:
        """Take what the protocol has for this session; the caller announces this queue afterwards."""
        state = self.state
        with self.mutex:
            if state.finished_batches:
                for numbered in state.finished_batches:
                    self._put_control(EventBatch(*numbered))
                state.finished_batches = []
            if state.events:
                self._put_control(EventBatch(state.events, state.first, state.step))
                state.events = []
            state.first = state.cursor + 1 if state.step else None  # the next event continues the numbers
            self.changed.notify_all()

    def add(self, *items: Item) -> None:
        """As :meth:`put`, but the caller announces this queue afterwards, perhaps together with others."""
        with self.mutex:
            for item in items:
                self._put(item)
            self.changed.notify_all()

    def wake(self) -> None:
        """Let the caller look again: the session may have become ready, or a subscription may have ended."""
        with self.mutex:
            self.changed.notify_all()
        self._ready_queues.announce(self)

    def cancel(self, failure: Cancelled) -> None:
        """Let the caller have ``failure`` instead of further events."""
        with self.mutex:
            self.cancelled = self.cancelled or failure
            # The caller looks at ``cancelled`` after it has set another current batch, so this one is the last.
            self._current.cut_short()
        self.wake()  # safeguard: closing wakes waiting callers
        for tell in tuple(self.on_cancelled):
            tell()

    def _put(self, item: Item) -> None:  # type: ignore[override]
        if isinstance(item, Ended):
            self._failure = self._failure or item.failure
        elif isinstance(item, DataBatch):
            self._data.append(item)
        else:
            self._put_control(item)

    def _put_control(self, batch: EventBatch) -> None:
        if type(batch.events[-1]) is Completed:
            self._completed = batch.split_off_last()
            self._completed_at = time.monotonic()
            if not batch.events:
                return
        self._control.append(batch)

    # For the caller.

    def get(self, block: bool = True, timeout: float | None = None) -> Event:
        """Take the next event.

        Args:
            block: Wait for an event if there is none.
            timeout: Seconds to wait at most; None waits without a limit.

        Raises:
            queue.Empty: If no event came in time, or the session is completed and everything was delivered.
            SimsyncError: What ended the session.
        """
        deadline = None if block and timeout is None else time.monotonic() + (timeout or 0.0 if block else 0.0)
        while True:
            try:
                batch = self.next_batch(deadline)
            except EventTimeout:
                raise queue.Empty from None
            if batch is None:
                raise queue.Empty
            for event in batch:
                return event
            # Another thread was faster.

    def next_batch(
        self, deadline: float | None, take_turn: Callable[[], object] | None = None
    ) -> Iterator[Event] | None:
        """Wait for events until ``deadline`` (monotonic seconds). None once ``Completed`` was delivered.

        ``take_turn`` is called first and again after each wake-up. The iterator is shared: what is not taken from
        it is delivered by the next call. Raises EventTimeout, or what ended the session.
        """
        if os.getpid() != self._process.number:
            self._process.check()
        while True:
            # Read first: whatever changes from now on ends the wait below, so no wake-up is lost.
            version = self.changed.version
            if take_turn is not None:
                take_turn()
            batch = self.poll_batch()
            if batch is not None or self.is_finished:
                return batch
            # wait: caller | events of one session | a reader; close, cancel | its timeout; the drain
            limit = deadline if self._completed is None else earliest(deadline, self.drain_deadline)
            in_time = self.changed.wait_past(version, limit)
            if not in_time and deadline is not None and time.monotonic() >= deadline:
                raise self._timed_out()

    def poll_batch(self) -> Iterator[Event] | None:
        """As :meth:`next_batch`, without waiting: None if nothing is there, or the session is finished."""
        with self.mutex:
            return self._get()

    @property
    def is_caught_up(self) -> bool:
        """The caller has been handed every control event that came."""
        waiting = len(self._control)
        if waiting and self._control[0] is self._current:
            return waiting == 1 and not self._current.left
        return not waiting

    @property
    def is_finished(self) -> bool:
        """``Completed`` was delivered, or is the batch that is being delivered."""
        return self._current.is_last

    @property
    def has_delivered_all(self) -> bool:
        """The caller has taken ``Completed``, and so everything."""
        return self._current.is_last and not self._current.left

    @property
    def has_more(self) -> bool:
        """After the current batch there may be something to look at without a further announcement."""
        if self.subscriptions:  # one may have failed; and asking for the next batch frees room in a buffer
            return True
        return len(self._control) > 1 or self._completed is not None or self._failure is not None

    @property
    def failure(self) -> SimsyncError | None:
        """What ended the events, if it was not ``Completed``."""
        return self._failure or self.cancelled

    @property
    def last_sequence(self) -> int | None:
        """The number of the last control event that was delivered; None before the first, or without numbers."""
        return self._current.last_sequence

    @property
    def drain_deadline(self) -> float | None:
        """When silent subscriptions make the session fail, in monotonic seconds; None if nothing is being drained."""
        if self._completed is None or self.is_finished:
            return None
        waiting = [status for status in self.subscriptions if not status.ended]
        if not waiting or any(status.held_up for status in waiting):
            return None
        return max(self._completed_at, *(status.last_activity for status in waiting)) + self._drain_idle

    def _qsize(self) -> int:
        """Events that the caller has not taken."""
        batches = [*self._data, *self._control]
        if self._completed is not None:
            batches.append(self._completed)
        return sum(batch.left for batch in batches)

    def _timed_out(self) -> EventTimeout:
        state = self.state
        of = f" of {state.end_slot}" if state.range_known else ""
        return EventTimeout(
            f"timed out waiting for an event of session {state.session_id} (at slot {state.position}{of},"
            f" {state.cycle.state.value}); no event is lost, call again to keep waiting"
        )

    def _get(self) -> Iterator[Event] | None:  # type: ignore[override]
        current = self._current
        if current.is_last:
            return current.iterator if current.left else None
        if self.cancelled is None and not current.left:
            chosen = self._choose(current)
            if chosen is None:
                return None
            chosen.previous = current.last_sequence
            current = self._current = chosen
            if current.is_last:
                self.changed.notify_all()  # for other threads that take events
        # After the assignment above: cancel() sets the failure before it cuts the current batch short.
        if self.cancelled is not None:
            raise fresh(self.cancelled)
        return current.iterator

    def _choose(self, last: EventBatch) -> EventBatch | None:
        """The batch that is delivered after ``last``. Raises what ended the events."""
        # Only now is ``last`` removed. If Ctrl-C comes before the assignment of the next current batch, this runs again
        # and finds another batch at the front, which stays there.
        batches: deque[EventBatch] = self._data if isinstance(last, DataBatch) else self._control  # type: ignore[assignment]
        if batches and batches[0] is last:
            last.delivered()
            batches.popleft()
        if self._data:
            return self._data[0]
        if self._control:
            return self._control[0]
        for status in self.subscriptions:
            if status.failure is not None:
                self._failure = status.failure
                raise fresh(status.failure)
        if self._completed is not None:
            # Control has sent everything, so it does not matter any more how its connection ended.
            # safeguard: Completed waits for subscriptions -> True
            if all(status.ended for status in self.subscriptions):
                return self._completed
            self._check_drain()
        elif self._failure is not None:
            raise fresh(self._failure)
        return None

    # guess: a stream without an end
    def _check_drain(self) -> None:
        deadline = self.drain_deadline
        if deadline is not None and time.monotonic() >= deadline:
            late = [status for status in self.subscriptions if not status.ended]
            named = "; ".join(status.missing() for status in late)
            self._failure = SubscriptionFailed(
                f"session {self.state.session_id} is completed, but {len(late)} subscription(s) did not end within"
                f" {self._drain_idle:g} s of silence, so the stream is incomplete: {named}"
            )
            raise fresh(self._failure)
