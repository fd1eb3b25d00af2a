"""The iterators over events. They hold nothing: whatever was not handed out stays in the session."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import TYPE_CHECKING, Callable, Optional

from simsync.errors import Cancelled, EventTimeout, SimsyncError
from simsync.events import Event
from simsync.runtime.deadline import deadline_after
from simsync.runtime.delivery import STOPS, Arrivals, Delivery
from simsync.runtime.failure import fresh

if TYPE_CHECKING:
    from simsync.session import Session
    from simsync.sub_session import SubSession

logger = logging.getLogger("simsync.session")

Advance = Optional[Callable[[Delivery], None]]
"""Sends the next continue of a session if it is its turn."""


def note_handed_out(delivery: Delivery, event: Event) -> None:
    """The caller is about to get ``event``."""
    if type(event) in STOPS:
        delivery.continue_is_due = True


def pending_events(session: Session, delivery: Delivery) -> Iterator[Event]:
    """What is at hand, without waiting."""
    session._link.process.check()
    while True:
        batch = delivery.poll_batch()
        if delivery.done:
            session._release()
        if batch is None:
            return
        for event in batch:
            note_handed_out(delivery, event)
            yield event


class EventStream(Iterator[Event]):
    """The events of one session, each once, ``Completed`` last.

    A ``for`` loop may be left and entered again at any time. Raises what ended the events if it was not ``Completed``,
    and :class:`~simsync.EventTimeout` when nothing came within the timeout; going on after that loses nothing.
    """

    def __init__(self, session: Session, delivery: Delivery, timeout: float | None, advance: Advance) -> None:
        self._session = session
        self._delivery = delivery
        self._timeout = timeout
        self._advance = advance

    def __iter__(self) -> Iterator[Event]:
        delivery = self._delivery
        delivery.continue_is_due = True  # perhaps: Ctrl-C may have ended the loop before
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            if not delivery.may_stop:
                yield from batch
                continue
            for event in batch:
                note_handed_out(delivery, event)
                yield event
                if delivery.continue_is_due:
                    self._continue()

    def __next__(self) -> Event:
        batch = self._next_batch()
        for event in batch or ():
            note_handed_out(self._delivery, event)
            return event
        raise StopIteration

    def _next_batch(self) -> Iterator[Event] | None:
        if self._delivery.continue_is_due:
            self._continue()
        deadline = deadline_after(self._timeout)
        batch = self._delivery.next_batch(deadline)
        if self._delivery.done:
            self._session._release()
        return batch

    def _continue(self) -> None:
        if self._advance is not None:
            self._advance(self._delivery)


class MergedEventStream(Iterator["tuple[SubSession, Event]"]):
    """The events of all sub-sessions as ``(sub_session, event)``; within each the order of :class:`EventStream`.

    It ends when every sub-session has delivered ``Completed``. When some failed, the events of the others still come
    first; then the failure is raised. One loop at a time.
    """

    def __init__(
        self,
        sessions: Mapping[Delivery, SubSession],
        arrivals: Arrivals,
        timeout: float | None,
        advance: Advance,
    ) -> None:
        self._sessions = sessions
        self._arrivals = arrivals
        self._timeout = timeout
        self._advance = advance
        self._generator: Iterator[tuple[SubSession, Event]] | None = None

    def __next__(self) -> tuple[SubSession, Event]:
        if self._generator is None:
            self._generator = iter(self)
        try:
            return next(self._generator)
        except BaseException:
            self._generator = None  # a timeout ends a generator, not the stream
            raise

    def __iter__(self) -> Iterator[tuple[SubSession, Event]]:
        advance = self._advance
        arrivals = self._arrivals
        taken = deque(delivery for delivery in self._sessions if not delivery.done)  # each may have something already
        waiting = set(taken)
        draining: set[Delivery] = set()
        failures: list[SimsyncError] = []
        if advance is not None:
            for delivery in taken:
                advance(delivery)  # Ctrl-C may have ended the loop before
        while waiting:
            if not taken:
                taken.extend(self._take(draining))
            delivery = taken.popleft()
            if delivery not in waiting:
                continue
            session = self._sessions[delivery]
            try:
                batch = delivery.poll_batch()
            except SimsyncError as failure:
                waiting.discard(delivery)
                draining.discard(delivery)
                if session._closed:
                    continue  # its caller did not want it any more
                failures.append(failure)
                if not isinstance(failure, Cancelled):
                    logger.error("session %s failed: %s", session.session_id, failure)
                continue
            if delivery.done:
                waiting.discard(delivery)
                draining.discard(delivery)
                session._release()
            elif batch is None and delivery.drain_deadline is not None:
                draining.add(delivery)
            if batch is None:
                continue
            more = delivery.has_more  # looked at before the batch is handed out: what comes from now on is announced
            if delivery.may_stop:
                for event in batch:
                    note_handed_out(delivery, event)
                    yield session, event
                    if delivery.continue_is_due and advance is not None:
                        advance(delivery)
            else:
                yield from zip(repeat(session), batch)
            if more:
                arrivals.announce(delivery)
        if failures:
            raise fresh(failures[0])

    def _take(self, draining: set[Delivery]) -> list[Delivery]:
        """The sessions with something new, or one with a drain whose time is over."""
        deadline = deadline_after(self._timeout)
        while True:
            limits = {delivery: delivery.drain_deadline for delivery in draining}
            drains = [limit for limit in limits.values() if limit is not None]
            nearest = min(drains if deadline is None else [*drains, deadline], default=None)
            deliveries = self._arrivals.take(nearest)
            if deliveries:
                return deliveries
            now = time.monotonic()
            for candidate, limit in limits.items():
                if limit is not None and now >= limit:
                    return [candidate]
            if deadline is not None and now >= deadline:
                raise EventTimeout(f"no event of any session within {self._timeout:g} s; nothing is lost")
