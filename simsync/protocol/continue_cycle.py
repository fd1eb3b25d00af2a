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
    READY = "ready for a continue"
    QUEUED = "a continue waits to be written"
    SENT = "a continue was handed to the connection"
    RUNNING = "the engine is executing"
    UNCERTAIN = "the connection was lost behind a continue"
    ASKING = "the session is being asked whether a continue arrived"
    FINISHED = "the session is finished"


_UNPROVEN = (CycleState.SENT, CycleState.UNCERTAIN, CycleState.ASKING)
_OUTSTANDING = (CycleState.QUEUED, CycleState.RUNNING, *_UNPROVEN)


class ContinueCycle:
    """See the module. ``watching`` tells the receiving loop whether events have to be shown to :meth:`observe`."""

    __slots__ = (
        "_pause_may_be_echoed",
        "_ready_while_unproven",
        "_record",
        "_slot_came",
        "_taken_up",
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
        # Since the last continue was submitted.
        self._slot_came = False
        # What else lets a server say that it is ready: a pause (or refusal), once; being attached to again.
        self._pause_may_be_echoed = False
        self._taken_up = False
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
        self._slot_came = self._ready_while_unproven = False
        self._become(CycleState.QUEUED)

    def forget(self, record: StepRecord) -> None:
        """Nobody waits for this record any more; the continue stays."""
        if self._record is record:
            self._record = None
            self._become(self.state)

    def see_again(self, event: Event) -> None:
        """An event of the time of an earlier process. If the engine waited, a continue may have gone since."""
        if self.state is CycleState.FINISHED:
            return
        refused = isinstance(event, SessionError) and refuses_continue(event.error)
        if refused or isinstance(event, (ReadyForContinue, Paused)):
            self._become(CycleState.READY)
        elif isinstance(event, Slot):
            self._become(CycleState.STARTING)

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
            echo, self._pause_may_be_echoed = self._pause_may_be_echoed, False
            if self.is_outstanding and not self._slot_came and (echo or self._taken_up):
                # With no slot in between, this ready belongs to what was before the continue.
                self._become(self.state)
            elif self.state in (CycleState.UNCERTAIN, CycleState.ASKING):
                self._ready_while_unproven = True
            else:
                self._answered()
        elif kind is Paused or (isinstance(event, SessionError) and self._is_answered_by(event)):
            # Whether a ready follows is not known: either is taken.
            self._pause_may_be_echoed = True
            self._answered()
        elif kind is DiscoveryBatch or kind is UnknownEvent:
            # Discovery scans ahead by itself and proves nothing; of unknown events nothing is known.
            return
        elif kind is Status and (self.state is not CycleState.SENT or self._taken_up):
            # A server that takes a session up again may say so; behind a continue on one connection it is its work.
            return
        else:
            if kind is Slot:
                self._slot_came = True
                self._pause_may_be_echoed = False
                # What this connection's continue caused comes after all that taking up has made the server say.
                self._taken_up = self._taken_up and self.state is not CycleState.SENT
            self._become(CycleState.RUNNING if self.state in _UNPROVEN else self.state)

    def _is_answered_by(self, event: SessionError) -> bool:
        """Errors about its content; and any other before the first slot, as nothing else may ever come."""
        straight_behind = self.is_outstanding and not self._slot_came
        return refuses_continue(event.error) or (straight_behind and not is_ignored(event.error))

    def _answered(self) -> None:
        """The engine waits."""
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
        self._taken_up = True
        self._become(CycleState.UNCERTAIN if self.state in _UNPROVEN else self.state)

    def events_are_missing(self) -> None:
        """A slot may be among them, so a ready that follows may answer the continue."""
        self._pause_may_be_echoed = self._taken_up = False

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
            self._answered()

    def _become(self, state: CycleState) -> None:
        self.state = state
        self.watching = (
            (self.is_outstanding and not self._slot_came)
            or self._pause_may_be_echoed
            or self._taken_up
            or self._record is not None
            or state in _UNPROVEN
        )
