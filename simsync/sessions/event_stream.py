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

logger = logging.getLogger("simsync.session")

TakeTurn = Optional[Callable[[], object]]
"""Sends the next continue of a session if it is due. None for a loop without ``advance=``."""


class EventStream(Iterator[Event]):
    """The events of one session, each once, ``Completed`` last.

    A ``for`` loop over it may be left and entered again at any time. It raises what ended the events if that was not
    ``Completed``, and :class:`~simsync.EventTimeout` if no event came within the timeout. Continuing after a timeout
    loses nothing.
    """

    def __init__(
        self, queue: EventQueue, timeout: float | None, take_turn: TakeTurn, on_finished: Callable[[], object]
    ) -> None:
        self._queue = queue
        self._timeout = timeout
        self._take_turn = take_turn
        self._on_finished = on_finished

    def __iter__(self) -> Iterator[Event]:
        # A generator over whole batches: it costs Python code once per batch, and next() would cost it once per event.
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            yield from batch

    def __next__(self) -> Event:
        for event in self._next_batch() or ():
            return event
        raise StopIteration

    def _next_batch(self) -> Iterator[Event] | None:
        batch = self._queue.next_batch(deadline_after(self._timeout), self._take_turn)
        if self._queue.is_finished:
            self._on_finished()
        return batch


class MergedSession(Protocol):
    """What a merged loop needs of a session."""

    session_id: str

    @property
    def is_closed(self) -> bool: ...

    def release(self) -> None: ...


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
    ) -> None:
        """``turns``: for each queue the function that sends the next continue if it is due; empty without them."""
        self._sessions = sessions
        self._ready_queues = ready_queues
        self._timeout = timeout
        self._turns = turns
        self._generator: Iterator[tuple[Merged, Event]] | None = None

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
        draining: set[EventQueue] = set()
        failures: list[SimsyncError] = []
        while open_queues:
            if not ready:
                ready.extend(self._wait(draining))
            queue = ready.popleft()
            if queue not in open_queues:
                continue
            session = self._sessions[queue]
            self._take_turn(queue)
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
            elif batch is None and queue.drain_deadline is not None:
                draining.add(queue)
            if batch is None:
                continue
            more = queue.has_more  # before the batch is delivered: what comes from now on is announced
            yield from zip(repeat(session), batch)
            self._take_turn(queue)
            if more:
                self._ready_queues.announce(queue)
        if failures:
            raise fresh(failures[0])

    def _take_turn(self, queue: EventQueue) -> None:
        take_turn = self._turns.get(queue)
        if take_turn is not None:
            take_turn()

    def _wait(self, draining: set[EventQueue]) -> list[EventQueue]:
        """The queues with something to look at, or one whose drain has timed out."""
        deadline = deadline_after(self._timeout)
        while True:
            limits = {queue: queue.drain_deadline for queue in draining}
            queues = self._ready_queues.take(earliest(deadline, *limits.values()))
            if queues:
                return queues
            now = time.monotonic()
            for queue, limit in limits.items():
                if limit is not None and now >= limit:
                    return [queue]
            if deadline is not None and now >= deadline:
                raise EventTimeout(
                    f"timed out waiting for an event of any session ({self._timeout:g} s); no event is lost, call again"
                    " to keep waiting"
                )
