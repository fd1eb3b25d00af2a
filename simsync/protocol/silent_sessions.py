"""Sessions that are silent since they lost their connection while executing: slow, or waiting?

The last event of a continue may have left the server's buffer before the attach. Then the engine waits and no event
will ever arrive. Only the RPC can tell, and only if its slot is the one at which the continue has to end.
"""

from __future__ import annotations

from collections.abc import Iterable

from simsync.errors import ContinueSendError
from simsync.options import Options
from simsync.protocol.connection_log import ConnectionLog
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.continues_in_doubt import PATIENCE
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.wire.continue_extent import extent_of

_MAY_BE_EXECUTING = (CycleState.RUNNING, CycleState.SENT, CycleState.UNCERTAIN, CycleState.ASKING)


class _Silence:
    """``deadline``: when to ask, None until the clock is known. ``slot``: what the RPC named when it was asked last."""

    def __init__(self, session: SessionState) -> None:
        self.progress = _progress(session)
        self.begin(session)

    def begin(self, session: SessionState) -> None:
        self.cursor = session.cursor
        self.deadline: float | None = None
        self.asked = False
        self.slot: int | None = None


class SilentSessions:
    """The silent sessions of one control connection. The lock of the connection guards it.

    ``watched``: the sessions that are silent, or may be.
    """

    def __init__(self, options: Options, log: ConnectionLog) -> None:
        self._log = log
        self._patience = PATIENCE * options.continue_grace
        self.watched: dict[SessionState, _Silence] = {}

    def connection_lost(self, sessions: Iterable[SessionState]) -> None:
        for session in sessions:
            silence = self.watched.get(session)
            if silence is not None and silence.progress == _progress(session):
                silence.begin(session)
            elif session.open and session.cycle.state in _MAY_BE_EXECUTING:
                self.watched[session] = _Silence(session)

    def earlier_deadline(self, other: float | None) -> float | None:
        """When :meth:`due` must be called at the latest, or ``other`` if that is earlier."""
        deadlines = (silence.deadline for silence in self.watched.values())
        return min((deadline for deadline in (*deadlines, other) if deadline is not None), default=None)

    def due(self, now: float) -> list[SessionState]:
        """The sessions to ask, because nothing has come from them for long."""
        due = []
        for session, silence in list(self.watched.items()):
            state = session.cycle.state
            if state not in _MAY_BE_EXECUTING or silence.progress != _progress(session):
                del self.watched[session]
            elif state is not CycleState.RUNNING or session.cycle.told_slot is not None:
                silence.begin(session)  # whether its continue has arrived is decided first
            elif silence.cursor != session.cursor:  # a status: it works, or has been taken up again
                silence.begin(session)
                silence.deadline = now + self._patience
            elif silence.deadline is None:
                silence.deadline = None if silence.asked else now + self._patience
            elif now >= silence.deadline:
                silence.deadline, silence.asked = None, True
                due.append(session)
        return due

    def is_asked(self, session: SessionState) -> bool:
        silence = self.watched.get(session)
        return silence is not None and silence.asked

    # guess: a continue that was lost with its connection
    def answered(self, session: SessionState, slot: int | None, offset: int | None) -> ContinueSendError | None:
        """The RPC of a session named ``slot``, None if it did not answer. Why the session cannot continue, if so.

        ``offset``: the slot that an RPC names less the last slot that was executed; None while it is not known.
        """
        silence = self.watched[session]
        silence.asked = False
        if session.cycle.state is not CycleState.RUNNING or silence.progress != _progress(session):
            return None
        before, silence.slot = silence.slot, slot
        if slot is None:
            return None
        if before == slot and _stands_at_the_end(session, slot, offset):
            return ContinueSendError(
                f"session {session.session_id}: the connection was lost while it executed a continue; no event came"
                f" since, and its RPC has named slot {slot} twice, {self._patience:g} s apart, where that continue"
                " ends: the engine waits, but its readyForContinue was lost. Run the range again, or raise"
                " Options(continue_grace=...) if a single slot may take so long"
            )
        if before is None:
            self._log.of(session).warning(
                "no event came for %g s since the connection was made again; its RPC names slot %d",
                self._patience,
                slot,
            )
        return None


def _stands_at_the_end(session: SessionState, slot: int, offset: int | None) -> bool:
    """Everything that the continue asked for has been executed, as far as events and the RPC tell."""
    highest = session.highest_slot
    left = _slots_left(session)
    if left is None or highest == NOTHING_SEEN:
        return False
    if left <= 0:
        return slot >= highest
    # Events are missing, so the RPC alone has to show it; without the offset it may be one slot behind.
    return offset is not None and slot - offset >= highest + left


def _slots_left(session: SessionState) -> int | None:
    """How many slots the continue still has to execute after the highest one; None if that is not known."""
    if not session.cycle.payload:
        return None  # sent by an earlier process
    extent = extent_of(session.cycle.payload)
    if extent.blocks is not None:
        left = extent.blocks - (session.slots_seen - session.slots_before_continue)
    elif extent.slot is not None:
        left = extent.slot - session.highest_slot
    else:
        return None
    return min(left, session.end_slot - session.highest_slot) if session.range_known else left


def _progress(session: SessionState) -> int:
    return session.news + session.slots_seen
