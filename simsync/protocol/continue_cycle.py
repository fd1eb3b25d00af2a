"""One continue of one session, from the caller's wish to the answer, across lost connections.

``docs/continues.md`` holds the reasoning. In short: a continue that was never wholly written is sent again; one that
was written but not answered is decided after the re-attach: an event of that session proves that it arrived; without
one the session's RPC is asked for its slot, and if that has not moved the continue is sent again.
"""

from __future__ import annotations

from enum import Enum

from simsync.events import (
    Completed,
    DiscoveryBatch,
    Event,
    Paused,
    ReadyForContinue,
    SessionError,
    Slot,
    Status,
    UnknownEvent,
)
from simsync.protocol.step import StepRecord
from simsync.wire.server_errors import is_ignored, refuses_continue


class CycleState(Enum):
    STARTING = "not ready yet"
    INHERITED = "ready, unless an earlier process has sent a continue"
    READY = "ready for a continue"
    QUEUED = "a continue waits to be written"
    SENT = "a continue was handed to the connection"
    RUNNING = "the engine is executing"
    UNCERTAIN = "the connection was lost behind a continue"
    ASKING = "the session is being asked whether a continue arrived"
    FINISHED = "the session is finished"


_UNPROVEN = (CycleState.SENT, CycleState.UNCERTAIN, CycleState.ASKING)
_OUTSTANDING = (CycleState.QUEUED, CycleState.RUNNING, *_UNPROVEN)
_DISPROVED_BY_EVENTS = (CycleState.INHERITED, *_UNPROVEN)


class ContinueCycle:
    """See the module. ``watching`` tells the receiving loop whether events have to be shown to :meth:`observe`."""

    __slots__ = (
        "_moved",
        "_ready_may_follow",
        "_ready_while_unproven",
        "_record",
        "inquiry",
        "payload",
        "ready_at",
        "resent",
        "state",
        "stops",
        "watching",
    )

    def __init__(self) -> None:
        self.state = CycleState.STARTING
        self.payload = b""
        self.watching = False
        self.inquiry = 0
        self.resent = 0
        # How many events came after which an engine may wait, and which of them has made it ready.
        self.stops = 0
        self.ready_at = 0
        self._moved = False  # a slot came since the continue was submitted
        self._ready_may_follow = False
        self._ready_while_unproven = False
        self._record: StepRecord | None = None

    @property
    def is_ready(self) -> bool:
        return self.state is CycleState.READY

    @property
    def is_outstanding(self) -> bool:
        """A continue was accepted from the caller and has not been answered."""
        return self.state in _OUTSTANDING

    def submit(self, payload: bytes, record: StepRecord | None = None) -> None:
        """A continue of the caller; ``record`` takes down what it causes."""
        self.payload = payload
        self._record = record
        self._moved = False
        self._become(CycleState.QUEUED)

    def forget(self, record: StepRecord) -> None:
        """Nobody waits for this record any more; the continue stays."""
        if self._record is record:
            self._record = None
            self._become(self.state)

    def see_again(self, event: Event) -> None:
        """An event that an earlier process has handled. If the engine waited, a continue may have gone since."""
        refused = isinstance(event, SessionError) and refuses_continue(event.error)
        if refused or isinstance(event, (ReadyForContinue, Paused)):
            self._become(CycleState.INHERITED)
        elif isinstance(event, Slot):
            self._become(CycleState.STARTING)

    def settle(self) -> None:
        """No event came, so the earlier process has sent nothing."""
        if self.state is CycleState.INHERITED:
            self.ready_at = self.stops
            self._become(CycleState.READY)

    def withdraw(self) -> None:
        """The continue never got into the queue."""
        if self.state is CycleState.QUEUED:
            self._become(CycleState.READY)

    def take(self) -> bool:
        """The writer is about to send it; False when there is nothing to send any more."""
        if self.state is not CycleState.QUEUED:
            return False
        self._become(CycleState.SENT)
        return True

    def put_back(self) -> bool:
        """It was not wholly written, so the server cannot have read it; False when events proved otherwise."""
        if self.state is not CycleState.SENT:
            return False
        self._become(CycleState.QUEUED)
        return True

    def observe(self, event: Event) -> None:
        """An event of this session that was not seen before."""
        if self.state is CycleState.FINISHED:
            return
        if self._record is not None and self.state is not CycleState.QUEUED:
            self._record.note(event)
        kind = type(event)
        self.stops += kind in (ReadyForContinue, Paused, SessionError)
        if kind is ReadyForContinue:
            if self.state in (CycleState.UNCERTAIN, CycleState.ASKING):
                # An engine that never got the continue would say just this when it is taken up again.
                self._ready_while_unproven = True
                return
            if self._ready_may_follow and self.is_outstanding:
                # With no slot in between, this ready belongs to the pause (or refusal) before the new continue.
                self._ready_may_follow = False
                return
            self._answered(ready_may_follow=False)
        elif kind is Paused or (isinstance(event, SessionError) and self._is_answered_by(event)):
            self._answered(ready_may_follow=True)
        elif kind is DiscoveryBatch or kind is UnknownEvent:
            # Discovery scans ahead by itself and proves nothing; of unknown events nothing is known.
            return
        elif kind is Status and self.state is not CycleState.SENT:
            # A server that takes a session up again may say so; behind a continue on one connection it is its work.
            return
        else:
            if kind is Slot:
                self._moved = True
                self._ready_may_follow = False
            self._become(CycleState.RUNNING if self.state in _DISPROVED_BY_EVENTS else self.state)

    def _is_answered_by(self, event: SessionError) -> bool:
        """Errors about its content; and any other before the first slot, as nothing else may ever come."""
        straight_behind = self.is_outstanding and not self._moved
        return refuses_continue(event.error) or (straight_behind and not is_ignored(event.error))

    def _answered(self, *, ready_may_follow: bool) -> None:
        """The engine waits. Whether it says ready after a pause or a refused continue is not known: both are taken."""
        self._ready_may_follow = ready_may_follow
        if self.state is CycleState.QUEUED:
            self._become(CycleState.QUEUED)
            return
        self._end_record()
        self.ready_at = self.stops
        self._become(CycleState.READY)

    def finish(self, completed: Completed | None = None) -> None:
        """Nothing more is to come; ``completed`` unless it failed or is not wanted any more."""
        self.payload = b""
        if completed is not None and self._record is not None:
            self._record.completed = completed
            self._end_record()
        self._become(CycleState.FINISHED)

    def _end_record(self) -> None:
        if self._record is not None:
            self._record.done = True
            self._record = None

    def connection_lost(self) -> None:
        self._ready_while_unproven = False
        if self.state in _UNPROVEN:
            self._become(CycleState.UNCERTAIN)
        elif self.state in (CycleState.READY, CycleState.QUEUED):
            # The server may say again that it is ready, which then answers no continue.
            self._ready_may_follow = True
            self._become(self.state)

    def ask(self) -> int:
        """The time for a proof is over: the session has to be asked. Returns the number of the inquiry."""
        self._become(CycleState.ASKING)
        self.inquiry += 1
        return self.inquiry

    def send_again(self) -> None:
        self.resent += 1
        self._ready_while_unproven = False
        self._become(CycleState.QUEUED)

    def did_arrive(self) -> None:
        self._become(CycleState.RUNNING)
        if self._ready_while_unproven:
            self._ready_while_unproven = False
            self._answered(ready_may_follow=False)

    def _become(self, state: CycleState) -> None:
        self.state = state
        unmoved = state is CycleState.RUNNING and not self._moved
        self.watching = self._ready_may_follow or self._record is not None or unmoved or state in _DISPROVED_BY_EVENTS
