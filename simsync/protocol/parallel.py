"""The control protocol of a parallel session: many sub-sessions on one connection.

The first connection creates them. Each later one attaches with a cursor per sub-session, and the server sends what was
missed. Replayed events are dropped, so each event is delivered once.
"""

from __future__ import annotations

from simsync.events import Created, Event, Status
from simsync.options import Options
from simsync.params import CreateSession
from simsync.protocol.control import ControlProtocol, Phase
from simsync.protocol.outcome import GiveUp
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.wire import requests
from simsync.wire.control_messages import (
    OWN_SESSION,
    ControlMessage,
    ErrorReported,
    NotUnderstood,
    ParallelAttached,
    SessionCreated,
    SessionsCreated,
    Succeeded,
)


# guess: a session with `disconnect_timeout=0` whose connection is lost
class ParallelProtocol(ControlProtocol):
    """See the module, and :class:`ControlProtocol` for how to use it."""

    delivers_simulation_errors = False

    def __init__(self, create: CreateSession, options: Options) -> None:
        super().__init__(options)
        self._create_request = requests.create_session(create, options.dialect, parallel=True)
        self.survives_loss = create.disconnect_timeout > 0
        self.announces_discoveries = create.announces_discoveries

    def connected(self, now: float) -> bytes:
        self.outcome = None
        if self.control_session_id is None:
            # Whatever an earlier attempt left behind belongs to sessions that cannot be reached any more.
            self._forget_attempt()
            self._await_answer(Phase.CREATING, now + self._options.create_timeout)
            return self._create_request
        self._await_answer(Phase.ATTACHING, now + self._options.handshake_timeout)
        cursors = {key: session.cursor for key, session in self.sessions.items() if session.cursor != NOTHING_SEEN}
        return requests.attach_parallel(self.control_session_id, cursors, self._options.dialect)

    # guess: a connection lost before the create has finished
    def _forget_attempt(self) -> None:
        if self.sessions:
            self.log.warning(
                "the connection was lost before the create was finished; sub-sessions %s of the broken attempt may hold"
                " capacity on the server until their disconnect timeout",
                ", ".join(self.sessions),
            )
        self._use({})
        self._changed = []

    def _use(self, sessions: dict[str, SessionState]) -> None:
        self.sessions = self.by_wire_id = sessions

    # Events.

    # guess: events of a sub-session before its announcement
    def _session_of(self, wire_id: str, sequence: int | None, event: Event | None) -> SessionState | None:
        if wire_id == OWN_SESSION:
            self._take_connection_event(event)
            return None
        if self.phase is not Phase.CREATING:
            self.skipped.note("an event of an unknown session", (wire_id, sequence, event))
            return None
        # Its announcement may still come, so the event must not be lost.
        return self._announced_session(wire_id)

    def _take_connection_event(self, event: Event | None) -> None:
        """An event without a session id."""
        if isinstance(event, Status):
            self.log.info("server status: %s", event.status)
            if self.phase is Phase.CREATING:
                self.progress.append(event)
        else:
            self.log.debug("ignored an event without a session while %s", self.phase.value)

    def _announced_session(self, session_id: str) -> SessionState | None:
        """The session that is being created, made when it is first heard of; None if there are too many."""
        session = self.sessions.get(session_id)
        if session is None and len(self.sessions) < self._options.max_sub_sessions:
            session = self.sessions[session_id] = SessionState(session_id)
        elif session is None:
            self.outcome = GiveUp(
                f"the server announced more than {self._options.max_sub_sessions} sub-sessions:"
                " create a smaller range, or raise Options(max_sub_sessions=...)"
            )
        return session

    # Other messages.

    def _take_message(self, message: ControlMessage, now: float) -> None:
        if isinstance(message, SessionCreated) and self.phase is Phase.CREATING:
            self._session_created(message)
        elif isinstance(message, SessionsCreated) and self.phase is Phase.CREATING:
            self._finish_create(message, now)
        elif isinstance(message, ParallelAttached) and self.phase is Phase.ATTACHING:
            self.log.info("control session %s attached again", self.control_session_id)
            self._establish(now)
        elif isinstance(message, ErrorReported):
            self._take_error(message)
        elif isinstance(message, NotUnderstood):
            self._not_understood(message)
        elif isinstance(message, Succeeded):
            self.close_acknowledged = self.closing
        else:
            self.log.debug("ignored while %s: %s", self.phase.value, type(message).__name__)

    def _session_created(self, message: SessionCreated) -> None:
        session = self._announced_session(message.session_id)
        if session is None:
            return
        session.announced = True
        session.rpc_endpoint = message.rpc_endpoint
        session.task_id = message.task_id
        self.progress.append(Created(message.session_id, message.task_id))
        self.log.of(session).info("created")

    # guess: which errors are retried
    # guess: an error while creating
    # guess: an error while attaching
    # guess: a later error at the top level
    def _take_error(self, message: ErrorReported) -> None:
        error = message.error
        if self.phase is Phase.CREATING:
            self._refused(error, "create the session")
        elif self.phase is Phase.ATTACHING:
            self._refused(error, f"attach {self.control_session_id} again")
        elif self.closing:
            self.log.debug("while closing: %s", error)
        elif error.terminal:
            self.outcome = GiveUp(f"the server reported {error}", error)
        else:
            self.log.warning("the server reported an error without a sub-session: %s", error)

    # guess: `sessionsCreatedV2` that contradicts the announcements
    # guess: `sessionsCreated` without ranges (old servers)
    def _finish_create(self, message: SessionsCreated, now: float) -> None:
        listed = message.session_ids
        counts = (len(listed), len(message.start_slots), len(message.end_slots))
        announced = {key for key, session in self.sessions.items() if session.announced}
        ranges = zip(message.start_slots, message.end_slots)
        odd = next(((start, end) for start, end in ranges if not 0 <= start <= end), None)
        if len(set(counts)) != 1 or message.control_session_id is None:
            self.outcome = GiveUp(
                "the server did not report a slot range for each sub-session"
                f" ({counts[0]} sessions, {counts[1]} starts, {counts[2]} ends): it is too old for parallel sessions"
            )
        elif not listed:
            self.outcome = GiveUp("the server created no sub-session")
        elif set(listed) != announced or len(set(listed)) != len(listed):
            self.outcome = GiveUp(
                f"the server announced {len(announced)} sub-sessions and listed {len(listed)}, not the same ones"
            )
        elif odd:
            self.outcome = GiveUp(
                f"the server reported a sub-session of the slots {odd[0]} to {odd[1]}, which are no range"
            )
        else:
            for key in self.sessions.keys() - announced:
                self.skipped.note("events of a session that was never announced", key)
            for index, session_id in enumerate(listed):
                self.sessions[session_id].set_range(message.start_slots[index], message.end_slots[index])
            # From now on the order is that of the list, which is the order of the slots.
            self._use({session_id: self.sessions[session_id] for session_id in listed})
            self._changed = [one for one in self.sessions.values() if one.has_events or one.failure is not None]
            self.control_session_id = message.control_session_id
            self.log.info("control session %s created with %d sub-sessions", self.control_session_id, len(listed))
            self._establish(now)
