"""Asking the RPC of a session for its slot: where an engine stands, and whether a lost continue has arrived."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Optional

from simsync.cancel import CancelToken
from simsync.errors import Cancelled, SimsyncError
from simsync.protocol.connection_log import ConnectionLog
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.continues_in_doubt import ContinuesInDoubt
from simsync.protocol.session_state import SessionState
from simsync.runtime.threads import spawn

Wanted = Callable[[], bool]
AskSlot = Callable[[SessionState, CancelToken, Optional[Wanted]], int]
"""Asks a session's RPC for its slot, until the token is cancelled. Raises SimsyncError.

With the function, which says whether the answer still matters, it keeps asking as long as an outage may last.
"""


class SlotInquiries:
    """The questions of one control connection. The RPC does not use that connection, so it answers while it is down."""

    def __init__(self, ask_slot: AskSlot, lock: contextlib.AbstractContextManager[Any], log: ConnectionLog) -> None:
        """``lock`` guards the states of the sessions."""
        self._ask_slot = ask_slot
        self._lock = lock
        self._log = log
        self._cancelled = CancelToken()
        self.threads: list[threading.Thread] = []

    def cancel(self) -> None:
        """Nobody needs the answers any more."""
        self._cancelled.cancel()

    def slot_of(
        self, state: SessionState, until: CancelToken | None = None, wanted: Wanted | None = None
    ) -> int | None:
        """The slot of a session; None if its RPC did not answer, or nobody needs the answer any more."""
        try:
            return self._ask_slot(state, until or self._cancelled, wanted)
        except Cancelled:
            return None
        except SimsyncError as error:
            self._log.of(state).warning("could not ask for its slot: %s", error)
            return None

    def learn_position(self, state: SessionState, doubts: ContinuesInDoubt) -> None:
        """Ask where an attached session stands. Without it, a continue that is lost cannot be decided."""
        slot = self.slot_of(state)
        if slot is not None:
            with self._lock:
                doubts.calibrate(state, state.highest_slot, slot)
                state.learned_slot = slot - (doubts.offset or 0)

    def ask(
        self,
        state: SessionState,
        decide: Callable[[int | None], None],
        reference: SessionState | None,
        doubts: ContinuesInDoubt,
    ) -> None:
        """Ask in a separate thread, as the reader must not wait for an HTTP reply, and call ``decide`` there.

        ``reference`` is asked first: a session that is known to wait, which shows what the slots of RPCs mean.
        """

        cycle, number = state.cycle, state.cycle.inquiry
        # The session cannot continue without this answer, unless an event decides it or the connection is lost again.
        in_doubt = cycle.state is CycleState.ASKING

        def wanted() -> bool:
            return cycle.state is CycleState.ASKING and cycle.inquiry == number

        def run() -> None:
            slot: int | None = None
            try:
                if reference is not None:
                    position = reference.highest_slot
                    named = self.slot_of(reference)
                    with self._lock:
                        doubts.calibrate(reference, position, named)
                slot = self.slot_of(state, wanted=wanted if in_doubt else None)
            except Exception:  # noqa: BLE001  logged
                self._log.of(state).exception("asking for its slot failed")
            decide(slot)

        self.threads = [thread for thread in self.threads if thread.is_alive()]
        self.threads.append(spawn("inquiry", run))
