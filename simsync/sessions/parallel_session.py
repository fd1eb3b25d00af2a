"""A parallel session: many sub-sessions on one control connection."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, Generic, Optional, SupportsIndex, TypeVar

from simsync.errors import Cancelled
from simsync.events import Event
from simsync.html_form import html_table
from simsync.options import Options
from simsync.params import checks
from simsync.protocol.coverage import Coverage
from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.data_plane import DataPlane
from simsync.runtime.threads import join, spawn
from simsync.sessions.collected import Collected, Gathering, OnEvent, nothing_left
from simsync.sessions.event_stream import MergedEventStream
from simsync.sessions.owner import ConnectionOwner
from simsync.sessions.sub_session import SubSession
from simsync.sessions.subscribing_all import SubscribingAll

logger = logging.getLogger("simsync.parallel")

T = TypeVar("T")


@dataclass(frozen=True)
class SubResult(Generic[T]):
    """What the function of :meth:`ParallelSession.map` did with one sub-session.

    Attributes:
        sub_session: The sub-session.
        value: What the function returned; None if it raised.
        error: What the function raised; None if it returned.
    """

    sub_session: SubSession
    value: Optional[T] = None
    error: Optional[BaseException] = None

    def get(self) -> T:
        """The value. Raises the exception instead if there was one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class ParallelSession(ConnectionOwner, SubscribingAll):
    """Many sub-sessions on one control connection. :meth:`simsync.Client.parallel` makes it.

    Use it as a context manager: leaving it ends all sub-sessions on the server.

    Attributes:
        control_session_id: The id of all of them together.
    """

    def __init__(
        self, connection: ControlConnection, control_url: str, options: Options, forget_token: Callable[[], None]
    ) -> None:
        self._options = options
        self.control_session_id: str = connection.control_session_id
        self._gathering: Gathering[SubSession] = Gathering()
        data_plane = DataPlane(connection)
        self._sessions = {
            queue: SubSession(queue, data_plane, control_url, options) for queue in connection.queues.values()
        }
        self._own(connection, forget_token, repr(self))

    def __repr__(self) -> str:
        return f"<ParallelSession {self.control_session_id} with {len(self._sessions)} sub-sessions>"

    def _repr_html_(self) -> str:
        rows = {f"slots {sub.start_slot} to {sub.end_slot}": sub.status for sub in self.sub_sessions}
        return html_table(repr(self).strip("<>"), rows)

    def _owned(self) -> tuple[SubSession, ...]:
        return self.sub_sessions

    @property
    def sub_sessions(self) -> tuple[SubSession, ...]:
        """All sub-sessions, in the order of their slots."""
        return tuple(self._sessions.values())

    @property
    def coverage(self) -> tuple[Coverage, ...]:
        """The coverage of each sub-session, in the order of :attr:`sub_sessions`."""
        return tuple(session.coverage for session in self.sub_sessions)

    def events(
        self,
        timeout: checks.Number | None = None,
        advance: SupportsIndex | None = None,
        *,
        deadline: checks.Number | None = None,
    ) -> MergedEventStream[SubSession]:
        """Iterate over the events of all sub-sessions as ``(sub_session, event)``, as they come.

        If sub-sessions fail, the events of the others are delivered first; then the failure is raised.

        Args:
            timeout: Seconds to wait for each event; None waits without a limit.
            advance: Blocks per continue of each sub-session, as in :meth:`SubSession.events`.
            deadline: Seconds for the whole loop, counted from this call; None has no limit.

        Returns:
            An iterator. It raises as that of :meth:`SubSession.events`.
        """
        seconds = checks.optional_seconds("timeout", timeout)
        limit = checks.optional_seconds("deadline", deadline)
        turns = {queue: session.turn(advance) for queue, session in self._sessions.items()}
        due = {queue: turn for queue, turn in turns.items() if turn is not None}
        return MergedEventStream(self._sessions, self._connection.ready_queues, seconds, due, limit)

    def __iter__(self) -> Iterator[tuple[SubSession, Event]]:
        return iter(self.events())

    def collect(
        self,
        *,
        advance: SupportsIndex = 100,
        timeout: checks.Number | None = None,
        deadline: checks.Number | None = None,
        on_progress: OnEvent[SubSession] | None = None,
    ) -> Collected[SubSession]:
        """Run all sub-sessions to their end and keep all events in memory.

        If it is interrupted (a timeout, Ctrl-C, an error of ``on_progress``), call it again: it continues, and the
        result has the events of both calls.

        Args:
            advance: Blocks per continue of each sub-session.
            timeout: Seconds to wait for each event; None waits without a limit.
            deadline: Seconds for the whole run; None has no limit.
            on_progress: Called with the sub-session and each event, as it comes.

        Returns:
            The events, and whether they are complete.

        Raises:
            ControlClosed: Every event was delivered before, so there is nothing to collect.
            SimsyncError: As the loop over :meth:`events`.
        """
        if all(queue.is_finished for queue in self._sessions) and not self._gathering:
            raise nothing_left(self.control_session_id)
        pairs = self._gathering.run(self.events(timeout, advance, deadline=deadline), on_progress)
        return Collected(pairs, self.run_summary)

    def map(self, fn: Callable[[SubSession], T], *, workers: SupportsIndex | None = None) -> list[SubResult[T]]:
        """Call ``fn(sub_session)`` for each sub-session, each in its own thread, and wait for all.

        Args:
            fn: Called once per sub-session. An exception in one call does not disturb the others.
            workers: How many threads to use; by default one per sub-session.

        Returns:
            One :class:`SubResult` per sub-session, in their order.
        """
        self._connection.process.check()
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
                except BaseException as error:  # noqa: BLE001 a strategy that calls sys.exit ends only itself
                    logger.warning("the function failed for %s: %r", subs[index].session_id, error)
                    results[index] = SubResult(subs[index], error=error)

        threads: list[threading.Thread] = []
        try:
            for number in range(min(count, len(subs))):
                threads.append(spawn(f"map-{number}", work))
            for thread in threads:
                # wait: caller, in `map` | its workers | they end; Ctrl-C cancels them | the caller's function
                join(thread)
        except BaseException:
            # Ctrl-C in the waiting thread: wake the workers, which wait in calls of this session, and let them end.
            self._connection.cancel("map was interrupted")
            for thread in threads:
                with contextlib.suppress(KeyboardInterrupt):
                    join(thread, self._options.close_timeout)
            raise
        return results
