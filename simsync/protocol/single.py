"""The control protocol of a single session.

The first connection creates the session, or attaches to one of an earlier process. Each later one attaches again with
the number of the last message that was received, and then resumes. Replayed messages are dropped.

A caller that attaches from another process knows the last event that was handled there, but not whether the engine has
been continued since. So the client asks for everything that the server still has. Events that were handled before are
not delivered, but they tell where the engine stood and which matches were announced. The server does not say where the
replay ends, so it gets ``continue_grace`` seconds. If the engine waits after what has come by then, nobody has
continued it.
"""

from __future__ import annotations

from simsync.events import Completed, Created, Event, SessionError, Status
from simsync.options import Options
from simsync.params import CreateSession
from simsync.protocol.control import ControlProtocol, Phase
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.wire import requests, urls
from simsync.wire.control_messages import (
    OWN_SESSION,
    ControlMessage,
    ErrorReported,
    NotUnderstood,
    SessionAttached,
    SessionCreated,
    Succeeded,
)


# guess: a session with `disconnect_timeout=0` whose connection is lost
class SingleProtocol(ControlProtocol):
    """See the module, and :class:`ControlProtocol` for how to use it.

    ``create`` makes a session. With ``session_id`` it is attached instead, and ``create`` (if it is known) says what it
    was made with. ``last_sequence``: everything up to this number was handled before; None if nothing was.
    """

    numbers_replies = True

    def __init__(
        self,
        options: Options,
        create: CreateSession | None = None,
        session_id: str | None = None,
        last_sequence: int | None = None,
    ) -> None:
        super().__init__(options)
        self._create = create
        self._create_request = (
            b"" if create is None else requests.create_session(create, options.dialect, parallel=False)
        )
        self._settled = session_id is None
        self.survives_loss = create is None or create.disconnect_timeout > 0
        self.announces_discoveries = create is None or create.announces_discoveries
        self._session = SessionState("" if session_id is None else session_id)
        if session_id is not None:
            self.created_here = False
            self._session.attached = True
            self._session.handled_before = NOTHING_SEEN if last_sequence is None else last_sequence
            self._session.cycle.begin_catching_up()
            self._use_session()

    def _use_session(self) -> None:
        """The session has an id now."""
        if self._create is not None:
            self._session.set_range(self._create.start_slot, self._create.last_slot)
        self.sessions = {self._session.session_id: self._session}
        self.by_wire_id = {OWN_SESSION: self._session}

    def connected(self, now: float) -> bytes:
        self.outcome = None
        if not self.sessions:
            self._session = SessionState("")  # takes the events that come before the answer to the create
            self._changed = []
            self._numbers.forget_replies()
            self._await_answer(Phase.CREATING, now + self._options.create_timeout)
            return self._create_request
        self._await_answer(Phase.ATTACHING, now + self._options.handshake_timeout)
        cursor = self._session.cursor
        last_sequence = None if cursor == NOTHING_SEEN else cursor
        return requests.attach_session(self._session.session_id, last_sequence, self._options.dialect)

    # Settling: does the engine of an attached session wait for us?

    # guess: whether an engine waits that an earlier process left
    @property
    def is_settled(self) -> bool:
        return self._settled or not self._session.open

    def tick(self, now: float) -> list[tuple[SessionState, int]]:
        if self._proof_deadline is not None and now >= self._proof_deadline:
            self._settled = True
            self._check_caught_up()
        return super().tick(now)

    def _check_caught_up(self) -> None:
        if self._settled and self._session.cursor >= self._session.handled_before:
            self._session.cycle.end_catching_up()

    # Events.

    def _session_of(self, wire_id: str, sequence: int | None, event: Event | None) -> SessionState | None:
        if wire_id != OWN_SESSION:
            self.log.debug("ignored an event of session %s while %s", wire_id, self.phase.value)
            return None
        if isinstance(event, Status):  # of a session that is being created
            self._numbers.note_reply(sequence)
            self.progress.append(event)
            return None
        return self._session

    # guess: waiting for the answer to a close
    def _take_event(self, session: SessionState, event: Event | None, sequence: int | None) -> Event | None:
        if self.closing and isinstance(event, Completed):
            self.close_acknowledged = True
        taken = super()._take_event(session, event, sequence)
        if session.cycle.is_catching_up:
            self._check_caught_up()
        return taken

    # Other messages.

    # guess: attaching to a single session
    def _take_message(self, message: ControlMessage, now: float) -> None:
        if not isinstance(message, ErrorReported):
            self._numbers.note_reply(getattr(message, "sequence", None))
        if isinstance(message, SessionCreated) and self.phase is Phase.CREATING:
            self._finish_create(message, now)
        elif isinstance(message, SessionAttached) and self.phase is Phase.ATTACHING:
            self._session.task_id = message.task_id or self._session.task_id
            self._learn_endpoint(message.rpc_endpoint)
            self.outgoing.append(requests.resume_attached())
            self._await_answer(Phase.RESUMING, now + self._options.continue_grace)
        elif isinstance(message, Succeeded):
            if self.phase is Phase.RESUMING:
                self._finish_attach(now)
            self.close_acknowledged = self.closing
        elif isinstance(message, ErrorReported):
            self._take_error(message)
        elif isinstance(message, NotUnderstood):
            self._not_understood(message)
        else:
            self.log.debug("ignored while %s: %s", self.phase.value, type(message).__name__)

    # guess: endpoint when `sessionAttached` does not name it
    def _learn_endpoint(self, named: str | None) -> None:
        session = self._session
        if not session.rpc_endpoint:
            session.rpc_endpoint = named or urls.session_path(session.session_id)
        elif named and named != session.rpc_endpoint:
            self.log.warning("the server names another RPC now, %r; %r stays in use", named, session.rpc_endpoint)

    def _finish_attach(self, now: float) -> None:
        self.log.info("attached")
        self._establish(now)

    # guess: attaching to a single session
    def _no_answer(self, now: float) -> None:
        if self.phase is not Phase.RESUMING:
            super()._no_answer(now)
            return
        # A server may not answer a resume; it reads what is sent now after it anyway.
        self.log.warning("the server did not answer the resume; continuing")
        self._finish_attach(now)

    def _finish_create(self, message: SessionCreated, now: float) -> None:
        session = self._session
        session.session_id = message.session_id
        self._use_session()
        session.rpc_endpoint = message.rpc_endpoint
        session.task_id = message.task_id
        self.progress.append(Created(message.session_id, message.task_id))
        self.log.info("created")
        if message.sequence is not None and message.sequence > session.cursor:
            session.cursor = message.sequence
            session.stops.jumped(message.sequence)  # the numbers begin here, so a lower one is no replay
            session.begin_batch(message.sequence + 1)
        self._establish(now)

    # guess: an error while attaching
    # guess: a later error at the top level
    def _take_error(self, message: ErrorReported) -> None:
        error = message.error
        if self.phase is Phase.CREATING:
            self._refused(error, "create the session")
        elif self.closing:
            self.log.debug("while closing: %s", error)
        elif self.phase is Phase.STEADY or message.sequence is not None:
            # During a handshake, an error with a number is a replayed event of the session and no answer.
            self._take_error_event(SessionError(error), message.sequence)
        else:
            self._refused(error, f"attach to session {self._session.session_id}")

    def _take_error_event(self, event: SessionError, sequence: int | None) -> None:
        session = self._session
        if sequence is None:
            self._take_unnumbered(session, event)
            return
        if sequence == session.cursor + 1:
            session.cursor = sequence
        elif not self._accept_jump(session, sequence, event):
            return
        if self._take_event(session, event, sequence) is None:
            session.skip_event()
        else:
            self._deliver(session, event)
