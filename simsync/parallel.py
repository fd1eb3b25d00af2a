"""A parallel session: many sub-sessions on one control connection."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable, Generic, Optional, TypeVar

from simsync.errors import Cancelled
from simsync.link_owner import LinkOwner
from simsync.options import Options
from simsync.params import Continue, checks
from simsync.protocol.coverage import Coverage
from simsync.runtime.control import ControlLink
from simsync.runtime.coordinator import ReconnectCoordinator
from simsync.runtime.delivery import Delivery
from simsync.runtime.threads import join, spawn
from simsync.streams import Advance, MergedEventStream
from simsync.sub_session import SubSession

logger = logging.getLogger("simsync.parallel")

T = TypeVar("T")


@dataclass(frozen=True)
class SubResult(Generic[T]):
    """What a function given to :meth:`ParallelSession.map` did with one sub-session: its value, or the exception."""

    sub_session: SubSession
    value: Optional[T] = None
    error: Optional[BaseException] = None

    def get(self) -> T:
        """The value; raises the exception instead if there was one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class ParallelSession(LinkOwner):
    """Use it as a context manager; made by :meth:`simsync.Client.parallel`."""

    def __init__(self, link: ControlLink, control_url: str, options: Options, forget_token: Callable[[], None]) -> None:
        self._options = options
        self.control_session_id: str = link.control_session_id
        coordinator = ReconnectCoordinator(link)
        self._sessions = {
            delivery: SubSession(delivery, link, coordinator, control_url, options)
            for delivery in link.deliveries.values()
        }
        self._own(link, forget_token)

    def __repr__(self) -> str:
        return f"<ParallelSession {self.control_session_id} with {len(self._sessions)} sub-sessions>"

    def _owned(self) -> tuple[SubSession, ...]:
        return self.sub_sessions

    @property
    def sub_sessions(self) -> tuple[SubSession, ...]:
        """In the order of their slots."""
        return tuple(self._sessions.values())

    @property
    def coverage(self) -> tuple[Coverage, ...]:
        """Of each sub-session, in the order of :attr:`sub_sessions`."""
        return tuple(session.coverage for session in self.sub_sessions)

    def events(self, timeout: float | None = None, advance: int | None = None) -> MergedEventStream:
        """The events of all sub-sessions as ``(sub_session, event)``, as they come.

        ``timeout`` and ``advance`` as in :meth:`SubSession.events`. When sub-sessions fail, the events of the others
        come first, then the failure is raised.
        """
        if timeout is not None:
            checks.seconds("timeout", timeout)
        return MergedEventStream(self._sessions, self._link.arrivals, timeout, self._advancer(advance))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.events())

    def _advancer(self, advance: int | None) -> Advance:
        if advance is None:
            return None
        checks.integer("advance", advance, 1, checks.U64)
        request = Continue(advance)
        payloads = {delivery: self._link.encode_continue(delivery, request) for delivery in self._sessions}

        def send(delivery: Delivery) -> None:
            self._link.continue_when_possible(delivery, payloads[delivery])

        return send

    def map(self, fn: Callable[[SubSession], T], *, workers: int | None = None) -> list[SubResult[T]]:
        """Call ``fn(sub_session)`` for each sub-session, each in a thread of its own, and wait for all.

        Returns one :class:`SubResult` per sub-session, in their order; an exception of one does not disturb the others.
        ``workers`` limits the threads. With fewer workers than sub-sessions the rest wait for their turn.
        """
        self._link.process.check()
        subs = self.sub_sessions
        count = len(subs) if workers is None else checks.integer("workers", workers, 1, checks.U32)
        results: list[SubResult[T]] = [SubResult(sub, error=Cancelled("was not started")) for sub in subs]
        indexes = iter(range(len(subs)))
        next_index = threading.Lock()  # guards indexes

        def work() -> None:
            while True:
                with next_index:
                    index = next(indexes, None)
                if index is None:
                    return
                try:
                    results[index] = SubResult(subs[index], value=fn(subs[index]))
                except BaseException as error:  # noqa: BLE001 (a strategy that calls sys.exit ends itself only)
                    logger.warning("the function failed for %s: %r", subs[index].session_id, error)
                    results[index] = SubResult(subs[index], error=error)

        threads: list[threading.Thread] = []
        try:
            for number in range(min(count, len(subs))):
                threads.append(spawn(f"map-{number}", work))
            for thread in threads:
                join(thread)
        except BaseException:
            # Ctrl-C in the waiting thread: wake the workers, which are in calls of this session, and let them end.
            self._link.cancel("map was interrupted")
            for thread in threads:
                with contextlib.suppress(KeyboardInterrupt):
                    join(thread, self._options.close_timeout)
            raise
        return results
