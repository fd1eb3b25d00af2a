"""The blocking iterators over events. They hold no events: what was not delivered stays in the session's queue."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Callable, Generic, Optional, Protocol, TypeVar

from simsync.errors import Cancelled, EventTimeout, SimsyncError
from simsync.events import Event
from simsync.runtime.event_queue import EventQueue, ReadyQueues
from simsync.runtime.failure import fresh
from simsync.runtime.waiting import deadline_after, earliest
from simsync.sessions import first_mistakes
from simsync.sessions.draining import Draining

logger = logging.getLogger("simsync.session")

TakeTurn = Optional[Callable[[], object]]
"""Sends the next continue of a session if it is due. None for a loop without ``advance=``."""


class EventStream(Iterator[Event]):
    """The events of one session, each once, ``Completed`` last.

    A ``for`` loop over it may be left and entered again at any time. It raises what ended the events if that was not
    ``Completed``, and :class:`~simsync.EventTimeout` if no event came within the timeout, or the loop's deadline has
    passed. Continuing after a timeout loses nothing.
    """

    def __init__(
        self,
        queue: EventQueue,
        timeout: float | None,
        take_turn: TakeTurn,
        on_finished: Callable[[], object],
        on_idle: Callable[[], bool] | None = None,
        deadline: float | None = None,
    ) -> None:
        """``on_idle`` is called when a loop without ``take_turn`` has waited for long, until it returns True.

        ``deadline``: seconds for the whole loop, from now on.
        """
        self._queue = queue
        self._timeout = timeout
        self._take_turn = take_turn
        self._on_finished = on_finished
        self._on_idle = None if take_turn is not None else on_idle
        self._seconds = deadline
        self._deadline = deadline_after(deadline)

    @property
    def slots(self) -> int | None:
        """Number of slots in the range of the session; None for one that was attached without its ``create``."""
        return _slots_of(self._queue)

    def __iter__(self) -> Iterator[Event]:
        # A generator over whole batches: it costs Python code once per batch, and next() would cost it once per event.
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            yield from batch if self._deadline is None else self._in_time(batch)

    def _in_time(self, batch: Iterator[Event]) -> Iterator[Event]:
        for event in batch:
            yield event
            self._check_deadline()  # before the next one is taken

    def _check_deadline(self) -> None:
        if not self._queue.has_delivered_all:
            check_deadline(self._deadline, self._seconds)

    def __next__(self) -> Event:
        while (batch := self._next_batch()) is not None:
            for event in batch:
                return event
        raise StopIteration

    def _next_batch(self) -> Iterator[Event] | None:
        # Kept short: where events come one at a time, all of this runs for each of them.
        deadline = None if self._timeout is None else deadline_after(self._timeout)
        if self._deadline is not None:
            self._check_deadline()
            deadline = earliest(deadline, self._deadline)
        try:
            if self._on_idle is None:
                batch = self._queue.next_batch(deadline, self._take_turn)
            else:
                batch = self._wait_watchfully(deadline, self._on_idle)
        except EventTimeout:
            check_deadline(self._deadline, self._seconds)  # raises if it was this one that has passed
            raise
        if self._queue.is_finished:
            self._on_finished()
        return batch

    def _wait_watchfully(self, deadline: float | None, on_idle: Callable[[], bool]) -> Iterator[Event] | None:
        while True:
            idle_at = time.monotonic() + first_mistakes.IDLE
            try:
                return self._queue.next_batch(idle_at if deadline is None or idle_at < deadline else deadline)
            except EventTimeout:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
            if on_idle():
                self._on_idle = None
                return self._queue.next_batch(deadline)


def _slots_of(queue: EventQueue) -> int | None:
    state = queue.state
    return state.end_slot - state.start_slot + 1 if state.range_known else None


def check_deadline(deadline: float | None, seconds: float | None) -> None:
    """Raise EventTimeout if the deadline of a loop has passed; ``seconds`` is what the caller gave."""
    if deadline is not None and time.monotonic() >= deadline:
        text = f"the deadline of the loop has passed ({seconds:g} s); no event is lost, a new loop continues"
        raise EventTimeout(text) from None


class MergedSession(Protocol):
    """What a merged loop needs of a session."""

    session_id: str

    @property
    def is_closed(self) -> bool: ...

    @property
    def is_idle(self) -> bool: ...

    def release(self) -> None: ...


T = TypeVar("T")
Merged = TypeVar("Merged", bound=MergedSession)


class MergedEventStream(Iterator["tuple[Merged, Event]"], Generic[Merged]):
    """The events of all sub-sessions as ``(sub_session, event)``; within each the order of :class:`EventStream`.

    It ends when every sub-session has delivered ``Completed``. If some fail, the events of the others are delivered
    first; then the failure is raised. One loop at a time.
    """

    def __init__(
        self,
        sessions: Mapping[EventQueue, Merged],
        ready_queues: ReadyQueues,
        timeout: float | None,
        turns: Mapping[EventQueue, Callable[[], object]],
        deadline: float | None = None,
    ) -> None:
        """``turns``: for each queue the function that sends the next continue if it is due; empty without them.

        ``deadline``: seconds for the whole loop, from now on.
        """
        self._sessions = sessions
        self._ready_queues = ready_queues
        self._timeout = timeout
        self._turns = turns
        self._generator: Iterator[tuple[Merged, Event]] | None = None
        self._seconds = deadline
        self._deadline = deadline_after(deadline)
        self._watched = [None] * first_mistakes.WATCHED_PAIRS
        self._may_warn = not turns

    @property
    def slots(self) -> int | None:
        """Number of slots in the ranges of all sub-sessions."""
        return sum(_slots_of(queue) or 0 for queue in self._sessions)

    def __next__(self) -> tuple[Merged, Event]:
        if self._generator is None:
            self._generator = iter(self)
        try:
            return next(self._generator)
        except BaseException:
            self._generator = None  # a timeout ends the generator, not the stream
            raise

    def __iter__(self) -> Iterator[tuple[Merged, Event]]:
        self._ready_queues.process.check()
        # A loop that was left may have taken queues from ready_queues, so this one begins with all of them.
        ready = deque(queue for queue in self._sessions if not queue.is_finished)
        open_queues = set(ready)
        draining = Draining()
        failures: list[SimsyncError] = []
        while open_queues:
            check_deadline(self._deadline, self._seconds)
            if not ready:
                ready.extend(self._wait(draining, open_queues))
            queue = ready.popleft()
            if queue not in open_queues:
                continue
            session = self._sessions[queue]
            take_turn = self._turns.get(queue)
            try:
                batch = queue.poll_batch()
            except SimsyncError as failure:
                open_queues.discard(queue)
                draining.discard(queue)
                if session.is_closed:
                    continue  # its caller wanted no more of it
                failures.append(failure)
                if not isinstance(failure, Cancelled):
                    logger.error("session %s failed: %s", session.session_id, failure)
                continue
            if queue.is_finished:
                open_queues.discard(queue)
                draining.discard(queue)
                session.release()
            elif batch is None:
                draining.add(queue)
            if batch is None:
                if take_turn is not None:
                    take_turn()  # the engine may have become ready without an event
                continue
            more = queue.has_more  # before the batch is delivered: what comes from now on is announced
            pairs: Iterator[tuple[Merged, Event]] = zip(repeat(session), batch)
            if self._watched:
                pairs = first_mistakes.watched(pairs, self._watched)
            yield from pairs if self._deadline is None else self._in_time(pairs, queue, open_queues)
            if take_turn is not None:
                take_turn()
            if more:
                self._ready_queues.announce(queue)
        if failures:
            raise fresh(failures[0])

    def _in_time(
        self, pairs: Iterator[tuple[Merged, Event]], queue: EventQueue, open_queues: set[EventQueue]
    ) -> Iterator[tuple[Merged, Event]]:
        for pair in pairs:
            yield pair
            if open_queues or not queue.has_delivered_all:
                check_deadline(self._deadline, self._seconds)  # before the next one is taken

    def _wait(self, draining: Draining, open_queues: set[EventQueue]) -> list[EventQueue]:
        """The queues with something to look at, or one whose drain has timed out."""
        deadline = earliest(deadline_after(self._timeout), self._deadline)
        while True:
            idle_at = time.monotonic() + first_mistakes.IDLE if self._may_warn else None
            queues = self._ready_queues.take(earliest(deadline, idle_at, draining.look_at))
            if queues:
                return queues
            now = time.monotonic()
            late = draining.late(now)
            if late is not None:
                return [late]
            check_deadline(self._deadline, self._seconds)
            if idle_at is not None and now >= idle_at and all(self._sessions[queue].is_idle for queue in open_queues):
                self._may_warn = False
                first_mistakes.warn(
                    f"waited {first_mistakes.IDLE:g} s for events, but every engine waits for a continue: write"
                    " `for sub, event in session.events(advance=10)`, or call sub.send_continue(...)"
                )
            if deadline is not None and now >= deadline:
                raise EventTimeout(
                    f"timed out waiting for an event of any session ({self._timeout:g} s); no event is lost, call again"
                    " to keep waiting"
                )
