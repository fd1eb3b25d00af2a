"""The control protocol: what the sessions on one control connection receive and send.

:class:`ControlProtocol` holds the receive loop and everything that parallel and single sessions have in common. How a
session is created, attached and resumed differs: see :mod:`simsync.protocol.parallel` and
:mod:`simsync.protocol.single`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection
from enum import Enum

from simsync.errors import ContinueSendError, ProtocolError, RemoteError
from simsync.events import BacktestError, Completed, DiscoveryBatch, Event, Paused, SessionError, Slot, Status
from simsync.options import Options
from simsync.protocol.connection_log import control_log
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.continues_in_doubt import ContinuesInDoubt, in_doubt
from simsync.protocol.outcome import GiveUp, Outcome, Reconnect
from simsync.protocol.sequence_numbers import SequenceNumbers, Verdict
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.protocol.silent_sessions import SilentSessions
from simsync.protocol.skipped_messages import SkippedMessages
from simsync.protocol.unreadable_frames import UnreadableFrames
from simsync.wire import requests
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import ControlMessage, NotUnderstood
from simsync.wire.server_errors import advice, is_ignored, is_transient

logger = logging.getLogger("simsync.control")

_PROGRESS = 10_000
"""How many events may wait for the caller that creates the session. The oldest is dropped first."""


class Phase(Enum):
    """How far the handshake of a connection has come. The values are the words of error messages."""

    DOWN = "not connected"
    CREATING = "creating"
    ATTACHING = "attaching"
    RESUMING = "resuming"
    STEADY = "established"


class ControlProtocol(ABC):
    """A state machine without threads, sockets or clocks. Its owner guards it with a lock.

    After each :meth:`receive` and :meth:`tick`, look at ``outcome`` (the connection, or everything, is over),
    ``is_finished``, :meth:`take_outgoing` (messages to send now) and :meth:`take_progress` (events from the time before
    the session existed). Times are seconds on any steady clock.
    """

    survives_loss = True
    """The session can be attached again after its connection was lost."""

    created_here = True
    """This process created the session, so giving up ends it. A session of another process is left alone."""

    delivers_simulation_errors = True
    """Errors of single transactions are events for the caller, not only lines of the log."""

    announces_discoveries = True
    """The session was created with discovery filters, as far as is known."""

    numbers_replies = False
    """Replies are numbered among the events."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.control_session_id: str | None = None
        self.sessions: dict[str, SessionState] = {}
        self.log = control_log(logger, self)
        self.unreadable = UnreadableFrames()
        self._numbers = SequenceNumbers(options, self.log, self.unreadable, count_replies=self.numbers_replies)
        self._decode_all = ControlDecoder(options.dialect, quick=options.fast_path).decode_all
        self._changed: list[SessionState] = []
        self._handshake_deadline: float | None = None
        self._proof_deadline: float | None = None
        self.phase = Phase.DOWN
        self.established_once = False
        """The session exists, so the next connection attaches to it."""
        self.outcome: Outcome | None = None
        self.by_wire_id: dict[str, SessionState] = self.sessions
        """The sessions by the id that their events carry; single sessions have events without an id."""
        self.outgoing: list[bytes] = []
        self.progress: deque[Event] = deque(maxlen=_PROGRESS)
        self.skipped = SkippedMessages(self.log)
        self.doubts = ContinuesInDoubt(options, self.log)
        self._silent = SilentSessions(options, self.log)
        self.closing = False
        self.close_acknowledged = False

    # What parallel and single sessions do in their own way.

    @abstractmethod
    def connected(self, now: float) -> bytes:
        """A connection is up. Returns the first message to send."""

    @abstractmethod
    def _take_message(self, message: ControlMessage, now: float) -> None:
        """Any message that is not an event of a session."""

    @abstractmethod
    def _session_of(self, wire_id: str, sequence: int | None, event: Event | None) -> SessionState | None:
        """The session of an event whose id is not in ``by_wire_id``; None if the event is not for a caller."""

    @property
    def is_settled(self) -> bool:
        """It is known for each session whether its engine waits for this client."""
        return True

    # The life of a connection.

    def lost(self) -> None:
        """The connection is gone."""
        self.phase = Phase.DOWN
        self._numbers.attached_again = self._numbers.attached_again or self.established_once
        self.outgoing = []
        self._handshake_deadline = None
        self._proof_deadline = None
        self.doubts.connection_lost()
        self._silent.connection_lost(self.sessions.values())
        for session in self.sessions.values():
            session.cycle.connection_lost()

    @property
    def progress_mark(self) -> int:
        """Grows whenever something new comes: the session itself, a slot, or another event that tells something."""
        sessions = self.sessions.values() if self.established_once else ()
        return self.established_once + sum(session.news + session.slots_seen for session in sessions)

    def take_outgoing(self) -> list[bytes]:
        messages, self.outgoing = self.outgoing, []
        return messages

    def take_progress(self) -> list[Event]:
        progress = list(self.progress)
        self.progress.clear()
        return progress

    def _await_answer(self, phase: Phase, deadline: float) -> None:
        self.phase = phase
        self._handshake_deadline = deadline

    def _establish(self, now: float) -> None:
        self.phase = Phase.STEADY
        self.established_once = True
        self._handshake_deadline = None
        if self.unreadable.take_created() and self.survives_loss:
            self.unreadable.is_worth_an_attach(self._cursors_in_all)
            self.outcome = Reconnect("the server sent text that is not JSON while creating")
        if in_doubt(self.sessions.values()) or not self.is_settled:
            self._proof_deadline = now + self._options.continue_grace

    def _refused(self, error: BacktestError, request: str) -> None:
        """The server answered a create or an attach with an error. ``request``: what it did not do."""
        reason = f"the server did not {request}: {error}{advice(error)}"
        final = error.terminal or self.phase is Phase.CREATING
        self.outcome = GiveUp(reason, error, is_transient(error)) if final else Reconnect(reason)

    # Receiving: the one loop through which everything comes.

    # guess: place of the missed events, before or after the answer to the attach
    # guess: start slot and slots without a block: notified or not, once or twice
    # guess: an event without a number
    def receive(self, payloads: Collection[bytes], now: float) -> list[SessionState]:
        """Take received messages, in order. Returns the sessions that have events to deliver, or have failed."""
        sessions = self.by_wire_id
        changed = self._changed
        for message in self._decode_all(payloads):
            if type(message) is not tuple:
                self._take_message(message, now)
                if self.outcome is not None:
                    break
                sessions, changed = self.by_wire_id, self._changed
                continue
            wire_id, sequence, event = message
            session = sessions.get(wire_id)
            if session is None:
                session = self._session_of(wire_id, sequence, event)
                if self.outcome is not None:
                    break
                if session is None:
                    continue
            if sequence is None:
                self._take_unnumbered(session, event)
                continue
            if sequence == session.cursor + 1:
                session.cursor = sequence
            elif not self._accept_jump(session, sequence, event):
                continue
            if type(event) is Slot and session.open and not session.cycle.watching:
                # Nearly all events are slots that change nothing but the position of the engine.
                if event.slot > session.highest_slot:
                    session.highest_slot = event.slot
                    session.slots_seen += 1
            else:
                event = self._take_event(session, event, sequence)
                if event is None:
                    session.skip_event()
                    continue
            if not session.events:
                changed.append(session)
            session.events.append(event)
        if self.phase is Phase.CREATING and payloads:
            self._handshake_deadline = now + self._options.create_timeout
        if not self.established_once:
            return []  # nobody waits for events yet
        deliverable, self._changed = list(dict.fromkeys(self._changed)), []
        return deliverable

    def _accept_jump(self, session: SessionState, sequence: int, event: Event | None) -> bool:
        """Whether an event is still to be taken whose number does not follow the cursor."""
        verdict = self._numbers.judge(session, sequence, event)
        if verdict is Verdict.MISSED_END:
            session.begin_batch(session.cursor, step=0)
            self._take_event(session, event, None)
        elif verdict is Verdict.FAILED:
            self._changed.append(session)
        return verdict is Verdict.FOLLOWS

    def _take_unnumbered(self, session: SessionState, event: Event | None) -> None:
        taken = self._take_event(session, event, None)
        if taken is None:
            return
        numbers_are_used = session.cursor != NOTHING_SEEN
        if numbers_are_used:
            session.begin_batch(session.cursor, step=0)
        self._deliver(session, taken)
        if numbers_are_used:
            session.begin_batch(session.cursor + 1)

    # guess: numbers of a single session (`seqId` beside `method`)
    # guess: a terminal error of a session
    def _take_event(self, session: SessionState, event: Event | None, sequence: int | None) -> Event | None:
        """Let an event change the state of its session. Returns it if it is for the caller."""
        if event is None:
            return None
        if sequence is not None and type(event) is not Slot:
            session.stops.note(sequence, event)
        if not self.delivers_simulation_errors and isinstance(event, SessionError) and is_ignored(event.error):
            self.log.of(session).warning("%s", event.error)
            return None
        cycle = session.cycle
        if cycle.is_catching_up and session.open:
            if sequence is not None and sequence <= session.handled_before and not isinstance(event, Completed):
                # The earlier process has handled it. It tells where the engine stood, but is not delivered again.
                session.news += 1
                session.note_position(event)
                cycle.replay(event)
                return None
            if isinstance(event, Slot) and not self.is_settled:
                cycle.replay(event)
        if not session.open:
            if not session.released:
                self.skipped.note("an event of a session that has ended", session.session_id)
            return None
        if isinstance(event, Completed):
            session.news += 1
            session.complete(event)
            return event
        if isinstance(event, (Slot, Paused, DiscoveryBatch)):
            session.note_position(event)
        if not cycle.observe(event):
            self.log.of(session).debug("dropped a readyForContinue that answers nothing")
            return None
        if not isinstance(event, Status):  # a server that resumes a session may send one on each connection
            session.news += 1
        if isinstance(event, SessionError) and event.error.terminal:
            self.log.of(session).error("failed: %s", event.error)
            self._deliver(session, event)
            self._fail(session, RemoteError(event.error, f"session {session.session_id} failed"))
            return None
        return event

    def _deliver(self, session: SessionState, event: Event) -> None:
        self._changed.append(session)
        session.events.append(event)

    def _fail(self, session: SessionState, failure: ContinueSendError | ProtocolError | RemoteError) -> None:
        session.fail(failure)
        self._changed.append(session)

    # guess: Text and Binary frames
    def _not_understood(self, message: NotUnderstood) -> None:
        self.skipped.note(message.reason, message.raw)
        if message.is_json or self.closing:
            return
        if self.phase is Phase.CREATING:
            self.unreadable.note_while_creating()
        elif not self.survives_loss:
            self.unreadable.skipped += 1
        elif self.unreadable.is_worth_an_attach(self._cursors_in_all):
            self.outcome = Reconnect(f"the server sent text that is not JSON while {self.phase.value}")

    @property
    def _cursors_in_all(self) -> int:
        return sum(session.cursor for session in self.sessions.values())

    # Time.

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`tick` must be called at the latest."""
        if self._handshake_deadline is not None:
            return self._handshake_deadline
        deadline = self._silent.earlier_deadline(self._proof_deadline) if self._silent.watched else self._proof_deadline
        return self.doubts.earlier_deadline(deadline) if self.doubts.watched else deadline

    @property
    def has_changes(self) -> bool:
        """:meth:`receive` will return sessions even if nothing more is received."""
        return bool(self._changed)

    def tick(self, now: float) -> list[tuple[SessionState, int]]:
        """Do what is due. Returns the sessions that must be asked for their slot, each with the inquiry's number.

        Events that can be delivered because of this come with the next :meth:`receive`.
        """
        if self._handshake_deadline is not None and now >= self._handshake_deadline:
            self._no_answer(now)
        to_ask = self.doubts.due(now) if self.doubts.watched and self.phase is Phase.STEADY else []
        if self._proof_deadline is not None and now >= self._proof_deadline:
            self._proof_deadline = None
            to_ask += in_doubt(self.sessions.values())
        inquiries = [(session, session.cycle.ask()) for session in to_ask]
        if self._silent.watched and self.phase is Phase.STEADY:
            inquiries += [(session, session.cycle.next_inquiry()) for session in self._silent.due(now)]
        return inquiries

    def _no_answer(self, now: float) -> None:
        reason = f"the server did not answer in time while {self.phase.value}"
        if self.phase is Phase.CREATING and self.unreadable.may_hold_the_answer:
            self.outcome = GiveUp(f"{reason}, or its answer was among the frames that are not JSON")
        else:
            self.outcome = Reconnect(reason)

    # A continue in doubt.

    def answer_inquiry(self, session: SessionState, inquiry: int, slot: int | None) -> bool:
        """The session's RPC answered with ``slot`` (None: it did not answer). True if the continue must be sent again.

        A session that fails because of this is among those of the next :meth:`receive`.
        """
        cycle = session.cycle
        decision: bool | ContinueSendError | None
        if cycle.inquiry == inquiry and self._silent.is_asked(session):
            decision = self._silent.answered(session, slot, self.doubts.offset)
        elif cycle.inquiry != inquiry or cycle.state is not CycleState.ASKING:
            return False  # an event decided it first, or the connection was lost again
        else:
            decision = self.doubts.decide(session, slot)
        if isinstance(decision, ContinueSendError):
            self._fail(session, decision)
            return False
        return bool(decision)

    # The end.

    def release(self, session_id: str) -> None:
        """The caller has everything of this session, or wants no more."""
        session = self.sessions.get(session_id)
        if session is not None:
            session.release()

    @property
    def all_ended(self) -> bool:
        """No session will receive anything more."""
        return bool(self.sessions) and all(not session.open for session in self.sessions.values())

    # guess: closing before the drains have ended
    @property
    def is_finished(self) -> bool:
        """Nobody needs this connection any more.

        It stays up until every caller has drained its subscriptions: closing it earlier may cut off the data plane.
        """
        # safeguard: a run may complete during a handshake -> self.phase is not Phase.STEADY
        if not self.established_once:
            return False
        return all(session.released or session.failure is not None for session in self.sessions.values())

    def close_request(self) -> bytes:
        """The request that ends every session of this connection."""
        self.closing = True
        return requests.close_all()

    def close_session_request(self, session_id: str) -> bytes:
        return requests.close_session(session_id, self._options.dialect)
