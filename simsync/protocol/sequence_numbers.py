"""The sequence numbers of the events of a control connection: gaps, replays, and numbers that start over."""

from __future__ import annotations

from enum import Enum

from simsync.errors import ProtocolError
from simsync.events import Event
from simsync.options import Options
from simsync.protocol.connection_log import ConnectionLog
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.protocol.unreadable_frames import UnreadableFrames


class Verdict(Enum):
    """What an event is whose number does not follow the cursor of its session."""

    FOLLOWS = "it is the next one, perhaps after a gap"
    REPLAY = "it was received before"
    MISSED_END = "an error that ends the session, under an old number"
    FAILED = "the session has failed because of its number"


class SequenceNumbers:
    """Judges numbers that do not follow the cursor of their session.

    Args:
        options: ``strict_sequence`` makes a gap a failure.
        log: The log of the connection.
        unreadable: The connection's unreadable frames. The server may send the events in them again.
        count_replies: Replies are numbered among the events, as in a single session.
    """

    def __init__(
        self, options: Options, log: ConnectionLog, unreadable: UnreadableFrames, *, count_replies: bool
    ) -> None:
        self._strict = options.strict_sequence
        self._log = log
        self._unreadable = unreadable
        self._count_replies = count_replies
        # Those that may still come before events with lower numbers.
        self._replies: set[int] = set()
        self.attached_again = False
        """The connection is not the first one."""

    # guess: numbers of replies among the events of a single session
    def note_reply(self, sequence: int | None) -> None:
        """A message that is no event has this number, if it has one."""
        if sequence is not None and self._count_replies:
            self._replies.add(sequence)

    def forget_replies(self) -> None:
        """A create begins, and the numbers with it."""
        self._replies.clear()

    # guess: a cursor that is older than what the server kept
    # guess: a jump in sequence numbers
    def judge(self, session: SessionState, sequence: int, event: Event | None) -> Verdict:
        """The number does not follow the cursor. The cursor moves if the event is the next one all the same."""
        was_open = session.open
        if sequence <= session.cursor:  # safeguard: replayed events are dropped
            verdict = self._judge_old(session, sequence, event)
        else:
            verdict = self._jump(session, sequence)
        return Verdict.FAILED if was_open and not session.open else verdict

    def _jump(self, session: SessionState, sequence: int) -> Verdict:
        missing = self._missing_before(session, sequence)
        if session.cursor == NOTHING_SEEN:
            session.first_sequence = sequence
        if missing > 0:
            self._note_gap(session, f"the sequence jumped from {session.cursor} to {sequence}", missing, sequence)
        session.begin_batch(sequence)
        session.cursor = sequence
        session.stops.jumped(sequence)
        return Verdict.FOLLOWS

    def _missing_before(self, session: SessionState, sequence: int) -> int:
        """How many events are missing before the one with this number."""
        known = max(session.cursor, session.handled_before)
        replies = sum(known < reply < sequence for reply in self._replies)
        self._replies = {reply for reply in self._replies if reply > sequence}
        return 0 if known == NOTHING_SEEN else sequence - known - 1 - replies

    def _judge_old(self, session: SessionState, sequence: int, event: Event | None) -> Verdict:
        if session.missed_the_end(sequence, event):
            return Verdict.MISSED_END
        # Numbers start over at a new connection only, and if nothing that came before was left unread.
        may_start_over = self.attached_again and not self._unreadable.skipped
        if session.cannot_have_received(sequence, event, attached_again=may_start_over):
            session.fail(session.started_over(sequence))
            return Verdict.FAILED
        session.replays_dropped += 1
        if sequence < session.first_sequence and not self._count_replies:
            # It is older than everything that was received, so it was not received before: it came too late.
            session.first_sequence = sequence
            self._note_gap(session, f"event {sequence} came after later ones and was dropped", 1, sequence)
        return Verdict.REPLAY

    def _note_gap(self, session: SessionState, what: str, missing: int, sequence: int) -> None:
        session.sequence_gaps += missing
        session.cycle.events_are_missing()
        self._log.of(session).warning("%s: %d event(s) are missing", what, missing)
        if self._strict:
            session.fail(ProtocolError(f"session {session.session_id}: {what} (strict_sequence)", sequence))
