"""What every session has: its queue of events, its state, its subscriptions' end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, SupportsIndex

from simsync.errors import Cancelled
from simsync.events import Completed, Event
from simsync.options import Options
from simsync.params import Continue, ContinueTo, checks
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.coverage import Coverage
from simsync.protocol.session_state import NOTHING_SEEN
from simsync.rpc import Rpc
from simsync.runtime.continues import Continues
from simsync.runtime.data_plane import DataPlane
from simsync.runtime.event_queue import EventQueue
from simsync.runtime.process import StaysHere
from simsync.runtime.waiting import deadline_after
from simsync.sessions import first_mistakes
from simsync.sessions.collected import Gathering, nothing_left
from simsync.sessions.event_stream import EventStream, TakeTurn
from simsync.wire import urls

if TYPE_CHECKING:
    from simsync.runtime.subscription_reader import SubscriptionReader

_STATUS = {
    CycleState.STARTING: "starting",
    CycleState.READY: "ready",
    CycleState.FINISHED: "completed",
}


INTERNAL = frozenset({"end_subscriptions", "has_moved", "is_idle", "keep", "release", "subscribed", "turn"})
"""What other parts of simsync use; completion in a notebook or a shell does not offer it."""


class SessionBase(StaysHere):
    """Events, status and coverage of one session."""

    def __init__(
        self,
        queue: EventQueue,
        data_plane: DataPlane,
        control_url: str,
        options: Options,
        encode: Callable[[Continue | ContinueTo], bytes],
    ) -> None:
        """``encode`` makes the message that continues this session."""
        state = queue.state
        self._queue = queue
        self._data_plane = data_plane
        connection = self._connection = data_plane.connection
        self._options = options
        self._encode = encode
        self._continues = Continues(queue, connection, options)
        self._readers: list[SubscriptionReader] = []
        self.subscribed: set[str] = set()  # kinds of subscriptions, as rows of ``Dialect.streams``
        self._ended_reconnects = 0
        self._gathering: Gathering[Any] = Gathering()
        self._released = False
        self._closed = False
        self._sender: int | None = None  # the thread that sent the last continue
        self._idle_pointed_out = False
        self.session_id: str = state.session_id
        self.task_id: str | None = state.task_id
        self.start_slot: int | None = state.start_slot if state.range_known else None
        self.end_slot: int | None = state.end_slot if state.range_known else None
        self.rpc_endpoint: str = urls.rpc_url(state.rpc_endpoint, control_url)
        self.rpc = Rpc(self.rpc_endpoint, options)

    def __dir__(self) -> Iterable[str]:
        return [name for name in super().__dir__() if name not in INTERNAL]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events())

    @property
    def queue(self) -> EventQueue:
        """The queue between the reader threads and the caller: a :class:`queue.Queue` of events."""
        return self._queue

    @property
    def status(self) -> str:
        """``starting``, ``ready``, ``running``, ``reconnecting``, ``completed``, ``failed`` or ``closed``."""
        state = self._queue.state
        if state.completed:
            return "completed"
        if isinstance(self._queue.failure, Cancelled) or state.released:
            return "closed"
        if self._queue.failure is not None or state.failure is not None:
            return "failed"
        if self._connection.status != "connected":
            return self._connection.status
        return _STATUS.get(state.cycle.state, "running")

    @property
    def coverage(self) -> Coverage:
        """How much of the range was seen, and whether the run is complete."""
        state = self._queue.state
        drained = state.completed and all(status.ended for status in self._queue.subscriptions)
        finished = self._queue.is_finished or drained
        failure = None if finished else self._queue.failure or state.failure
        return Coverage(
            start_slot=self.start_slot,
            end_slot=self.end_slot,
            highest_slot=None if state.highest_slot == NOTHING_SEEN else state.highest_slot,
            slots_seen=state.slots_seen,
            completed=finished,
            failure=None if failure is None else str(failure),
            sequence_gaps=state.sequence_gaps,
            replays_dropped=state.replays_dropped,
            tolerance=self._options.coverage_tolerance,
            unproven=tuple(slots for status in self._queue.subscriptions for slots in status.unproven),
            unreadable_frames=self._connection.unreadable_frames,
        )

    @property
    def has_moved(self) -> bool:
        """The engine is past the start slot, or may be on its way: a recording from now on would lack slots."""
        state = self._queue.state
        at_a_stop = state.cycle.is_ready or state.cycle.state is CycleState.STARTING
        behind = state.attached and state.position > state.start_slot
        return state.completed or state.slots_seen > 1 or behind or not at_a_stop

    @property
    def completion(self) -> Completed | None:
        """The ``Completed`` event, also before it is delivered; None until the server has finished the range."""
        return self._queue.state.completion

    @property
    def last_sequence(self) -> int | None:
        """The number of the last control event that was delivered; None before the first, or without numbers.

        Save it, and :meth:`simsync.Client.attach` resumes after that event, also from another process.
        """
        return self._queue.last_sequence

    @property
    def data_reconnects(self) -> int:
        """How often connections of this session's subscriptions were lost and restored."""
        return self._ended_reconnects + sum(reader.reconnects for reader in tuple(self._readers))

    # Events.

    def events(
        self,
        timeout: checks.Number | None = None,
        advance: SupportsIndex | None = None,
        *,
        deadline: checks.Number | None = None,
    ) -> EventStream:
        """Iterate over every event of this session: each once, ``Completed`` last; then the loop ends.

        With ``advance``, the next continue is sent when the engine is ready and the caller asks for more events after
        it has been handed all that came. So the body of the loop always runs before the engine moves. If the body sends
        a continue itself, none is sent automatically.

        A loop may be left and entered again; no event is lost.

        Args:
            timeout: Seconds to wait for each event; None waits without a limit.
            advance: Blocks per continue; None sends no continues. Such a loop warns once if it waits for 10 s while the
                engine is waiting for a continue.
            deadline: Seconds for the whole loop, counted from this call; None has no limit.

        Returns:
            An iterator. If the run is incomplete, it raises instead of ending.

        Raises:
            EventTimeout: No event came within ``timeout``, or ``deadline`` has passed. No event is lost; call again to
                keep waiting.
            ControlFailed: The control connection was lost for good.
            SubscriptionFailed: Events of a subscription are missing.
            RemoteError: The server reported an error that ends the session.
            Cancelled: The session was closed or cancelled.
        """
        seconds = checks.optional_seconds("timeout", timeout)
        limit = checks.optional_seconds("deadline", deadline)
        return EventStream(self._queue, seconds, self.turn(advance), self.release, self._point_out_idle, limit)

    def next_event(self, timeout: checks.Number | None = None) -> Event:
        """Wait for the next event and return it.

        Args:
            timeout: Seconds to wait; None waits without a limit.

        Raises:
            ControlClosed: ``Completed`` was delivered before.
            SimsyncError: As :meth:`events`.
        """
        seconds = checks.optional_seconds("timeout", timeout)
        for event in EventStream(self._queue, seconds, None, self.release, self._point_out_idle):
            return event
        raise nothing_left(self.session_id)

    def pending(self) -> Iterator[Event]:
        """Iterate over the events that are there, without waiting for more: what stepping has left, for example.

        The control events of a step are there when it returns. Those of the data plane come over other connections and
        may come later. Raises as :meth:`events`.
        """
        self._connection.process.check()
        while True:
            batch = self._queue.poll_batch()
            if self._queue.is_finished:
                self.release()
            if batch is None:
                return
            yield from batch

    @property
    def is_idle(self) -> bool:
        """The engine waits for a continue, and no other thread has sent the last one."""
        return self._queue.state.cycle.is_ready and self._sender in (None, threading.get_ident())

    def _point_out_idle(self) -> bool:
        """Called by a loop that has waited for long. True if it need not call again."""
        if self.is_idle and not self._idle_pointed_out:
            self._idle_pointed_out = True
            first_mistakes.warn(
                f"waited {first_mistakes.IDLE:g} s for events of session {self.session_id}, but its engine waits for a"
                " continue: write `for event in session.events(advance=10)`, or call session.send_continue(...)"
            )
        return self._idle_pointed_out

    def turn(self, advance: SupportsIndex | None) -> TakeTurn:
        """The function that sends a continue of ``advance`` blocks if it is due; None without ``advance``."""
        if advance is None:
            return None
        blocks = checks.integer("advance", advance, 1, checks.U64)
        return partial(self._continues.send_if_due, self._encode(Continue(blocks)))

    # The end.

    @property
    def is_closed(self) -> bool:
        """The caller has closed it."""
        return self._closed

    def keep(self, lifetime: object) -> None:
        """Keep the connection as long as this session, or its ``rpc``, is referred to."""
        self._keeps = lifetime
        self.rpc.keeps = lifetime

    def release(self) -> None:
        """Give the connections back, because every event was delivered. Called by the event streams."""
        if not self._released:
            self._released = True
            self.end_subscriptions()
            self._connection.release(self._queue)

    def end_subscriptions(self) -> None:
        """End the subscriptions and wait for them, within the close timeout."""
        if not self._connection.process.is_here:
            return  # the threads are the parent's
        for reader in self._readers:
            reader.stop()
        deadline = deadline_after(self._options.close_timeout) or 0.0
        for reader in self._readers:
            # wait: caller, closing | the subscriptions | they were told | `close_timeout`
            reader.join(deadline - time.monotonic())
        self._ended_reconnects, self._readers = self.data_reconnects, []
