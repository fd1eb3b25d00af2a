"""The sequence numbers of the events of a control connection: gaps, replays, and numbers that start over."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from simsync.errors import ContinueSendError, ProtocolError, RemoteError
from simsync.events import Event
from simsync.options import Options
from simsync.protocol.connection_log import control_log
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.protocol.unreadable_frames import UnreadableFrames

logger = logging.getLogger("simsync.control")


class SequenceNumbers(ABC):
    """The part of the control protocol that judges numbers which do not follow the cursor of their session."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._attached_again = False
        self.control_session_id: str | None = None
        self.sessions: dict[str, SessionState] = {}
        self.log = control_log(logger, self)
        self.unreadable = UnreadableFrames()

    @abstractmethod
    def _take_event(self, session: SessionState, event: Event | None, sequence: int | None) -> Event | None:
        """Let an event change the state of its session. Returns it if it is for the caller."""

    @abstractmethod
    def _fail(self, session: SessionState, failure: ContinueSendError | ProtocolError | RemoteError) -> None:
        """The session cannot continue."""

    def _missing_before(self, session: SessionState, sequence: int) -> int:
        """How many events are missing before the one with this number."""
        return 0 if session.cursor == NOTHING_SEEN else sequence - session.cursor - 1

    # guess: a cursor that is older than what the server kept
    # guess: a jump in sequence numbers
    def _accept_jump(self, session: SessionState, sequence: int, event: Event | None) -> bool:
        """A number that does not follow the cursor: False if the event was received before."""
        if sequence <= session.cursor:  # safeguard: replayed events are dropped
            self._take_old(session, sequence, event)
            return False
        missing = self._missing_before(session, sequence)
        if session.cursor == NOTHING_SEEN:
            session.first_sequence = sequence
        if missing > 0:
            self._note_gap(session, f"the sequence jumped from {session.cursor} to {sequence}", missing, sequence)
        session.begin_batch(sequence)
        session.cursor = sequence
        session.stops.jumped(sequence)
        return True

    def _take_old(self, session: SessionState, sequence: int, event: Event | None) -> None:
        """An event whose number was there before."""
        if session.missed_the_end(sequence, event):
            session.begin_batch(session.cursor, step=0)
            self._take_event(session, event, None)
        elif session.cannot_have_received(sequence, event, attached_again=self._may_start_over):
            self._fail(session, session.started_over(sequence))
        else:
            self._drop_replay(session, sequence)

    @property
    def _may_start_over(self) -> bool:
        """The server was attached to again, and nothing that it sent before was left unread."""
        return self._attached_again and not self.unreadable.skipped

    def _drop_replay(self, session: SessionState, sequence: int) -> None:
        session.replays_dropped += 1
        if sequence < session.first_sequence:
            # It is older than everything that was received, so it was not received before: it came too late.
            session.first_sequence = sequence
            self._note_gap(session, f"event {sequence} came after later ones and was dropped", 1, sequence)

    def _note_gap(self, session: SessionState, what: str, missing: int, sequence: int) -> None:
        session.sequence_gaps += missing
        session.cycle.events_are_missing()
        self.log.of(session).warning("%s: %d event(s) are missing", what, missing)
        if self._options.strict_sequence:
            self._fail(session, ProtocolError(f"session {session.session_id}: {what} (strict_sequence)", sequence))
