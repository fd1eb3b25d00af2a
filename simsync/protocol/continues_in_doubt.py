"""What the slots that RPCs name tell about continues that were lost with their connection, or may have been.

Two things are not known of a server: which slot ``getSlot`` names while an engine waits (the last one, or the next),
and how long an engine may work in silence. The first is measured where a session is known to wait. The second is
bounded: a continue that only a slot has shown to have arrived, and after which nothing happens, fails its session.
"""

from __future__ import annotations

from collections.abc import Iterable

from simsync.errors import ContinueSendError
from simsync.options import Options
from simsync.protocol.connection_log import ConnectionLog
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.session_state import NOTHING_SEEN, SessionState

PATIENCE = 12
"""A session whose progress only its slot has shown may be silent for this many times ``continue_grace``."""


class ContinuesInDoubt:
    """The doubts of one control connection. The lock of the connection guards it."""

    def __init__(self, options: Options, log: ConnectionLog) -> None:
        self._log = log
        self._resend = options.resend_continue
        self._patience = PATIENCE * options.continue_grace
        self.watched: dict[SessionState, float | None] = {}
        """Sessions that only their slot has shown to move, and when to ask again; None until :meth:`due` sets it."""
        self.offset: int | None = None
        """The slot that an RPC names less the last slot that was executed; None while it is not known."""

    # How the server counts.

    def reference(self, sessions: Iterable[SessionState]) -> SessionState | None:
        """A session that waits after a known slot, so that its RPC shows what the slots of RPCs mean."""
        if self.offset is not None:
            return None
        return next((session for session in sessions if _waits_behind_its_slot(session)), None)

    # guess: which slot `getSlot` of a waiting engine names
    def calibrate(self, session: SessionState, position: int, slot: int | None) -> None:
        """The RPC of a session named ``slot``; the session stood at ``position`` when it was asked, and still does."""
        if slot is not None and _waits_behind_its_slot(session) and session.highest_slot == position:
            self.offset = slot - position
            self._log.of(session).debug("the RPC of a session that waits behind slot %d names slot %d", position, slot)

    # Watching sessions that only their slot has shown to go on.

    def connection_lost(self) -> None:
        """The events may come with the next connection."""
        self.watched = dict.fromkeys(self.watched)

    def earlier_deadline(self, other: float | None) -> float | None:
        """When :meth:`due` must be called at the latest, or ``other`` if that is earlier."""
        return min((deadline for deadline in (*self.watched.values(), other) if deadline is not None), default=None)

    def due(self, now: float) -> list[SessionState]:
        """The sessions to ask again, because nothing has come from them for long."""
        due = []
        for session, deadline in list(self.watched.items()):
            if session.cycle.told_slot is None or not session.open:
                del self.watched[session]
            elif deadline is None:
                self.watched[session] = now + self._patience
            elif now >= deadline:
                del self.watched[session]
                due.append(session)
        return due

    # Deciding.

    # guess: which slot `getSlot` of a waiting engine names
    # guess: a continue that was lost with its connection
    def decide(self, session: SessionState, slot: int | None) -> bool | ContinueSendError:
        """Whether the continue must be sent again, or why the session cannot continue."""
        cycle = session.cycle
        where = "the connection was lost after a continue was sent"
        told = cycle.told_slot
        if slot is None:
            problem = ", no event came since, and its RPC did not answer whether the continue arrived"
        elif not session.position_is_known:
            problem = ", no event came since, and where the session stood before is not known"
        elif slot - (self.offset or 0) > session.position:
            if self.offset is None and told is not None and slot <= told:
                problem = (
                    f"; its RPC names slot {slot}, which is above slot {session.position} that events have told of, so"
                    f" the continue seemed to have arrived, but no event came for {self._patience:g} s and the slot has"
                    " not moved: the continue may have been lost"
                )
            else:
                cycle.arrived(slot if self.offset is None else None)
                if cycle.told_slot is not None:
                    self.watched[session] = None
                return False
        elif self._resend:
            self._log.of(session).warning("%s and its slot is still %d: sending the continue again", where, slot)
            cycle.send_again()  # safeguard: a lost continue is sent again
            return True
        else:
            problem = f"; the continue did not arrive, as the slot is still {slot} (resend_continue=False)"
        return ContinueSendError(f"session {session.session_id}: {where}{problem}")


def _waits_behind_its_slot(session: SessionState) -> bool:
    """Its engine waits, and the last thing that it executed is a slot that an event has told of."""
    at = session.highest_slot
    return session.open and session.cycle.is_ready and at != NOTHING_SEEN and at >= session.paused_slot


def in_doubt(sessions: Iterable[SessionState]) -> list[SessionState]:
    return [session for session in sessions if session.cycle.state is CycleState.UNCERTAIN]
