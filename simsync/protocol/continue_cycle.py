"""One continue of one session: from the caller, to the server, to its answer, across lost connections.

``docs/explanation/continues.md`` holds the reasoning. In short: a continue that was not completely written is sent
again. One that was written, and of which no event proves that it arrived, is decided after the re-attach: an event that
it must have caused proves it; without one, the session's RPC is asked for its slot, and if the slot has not moved, the
continue is sent again.
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
from simsync.wire.server_errors import is_ignored, refuses_continue


class CycleState(Enum):
    """Where the continue of a session is. The values are the words of error messages."""

    STARTING = "not ready yet"
    READY = "ready for a continue"
    QUEUED = "a continue waits to be written"
    SENT = "a continue was sent"
    RUNNING = "the engine is executing"
    UNCERTAIN = "the connection was lost after a continue was sent"
    ASKING = "the session is being asked whether a continue arrived"
    FINISHED = "the session has ended"


_UNPROVEN = (CycleState.SENT, CycleState.UNCERTAIN, CycleState.ASKING)
_OUTSTANDING = (CycleState.QUEUED, CycleState.RUNNING, *_UNPROVEN)
_MARKS_THE_FIRST_SLOT = (CycleState.READY, *_OUTSTANDING)


class Step:
    """The control events that one continue caused, collected for the caller that waits for the end of the continue."""

    __slots__ = ("done", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.done = False


class ContinueCycle:
    """See the module.

    ``watching``: the receive loop must show every event to :meth:`observe`. Otherwise it keeps slots to itself, which
    is faster and changes nothing. ``is_catching_up``: the server replays what an earlier process has seen.
    """

    __slots__ = (
        "_gap_seen",
        "_ready_may_repeat",
        "_ready_while_unproven",
        "_resumed",
        "_slot_seen",
        "_step",
        "inquiry",
        "is_catching_up",
        "payload",
        "resent",
        "state",
        "told_slot",
        "watching",
    )

    def __init__(self) -> None:
        self.state = CycleState.STARTING
        self.payload = b""
        self.watching = False
        self.inquiry = 0
        self.resent = 0
        # The slot that the RPC named, while nothing else shows that the continue arrived.
        self.told_slot: int | None = None
        # Did a slot come since the engine last waited, or since the last continue was submitted?
        self._slot_seen = False
        # Were events jumped over since then? A slot may be among them.
        self._gap_seen = False
        # Two reasons why a server may send a readyForContinue that answers nothing: after a pause or a refusal, once;
        # and after it has resumed the session on a new connection.
        self._ready_may_repeat = False
        self._resumed = False
        # A readyForContinue that came while the continue was in doubt. It counts once the continue is known to have
        # arrived.
        self._ready_while_unproven = False
        self.is_catching_up = False
        self._step: Step | None = None

    @property
    def is_ready(self) -> bool:
        """The engine waits for a continue."""
        return self.state is CycleState.READY

    @property
    def is_outstanding(self) -> bool:
        """The caller has submitted a continue that is not answered yet."""
        return self.state in _OUTSTANDING

    # The caller.

    def submit(self, payload: bytes, step: Step | None = None) -> None:
        """Accept the next continue. ``step`` collects what it causes."""
        self.payload = payload
        self._step = step
        self._slot_seen = self._gap_seen = self._ready_while_unproven = False
        self.told_slot = None
        # As `_become` would, which takes longer. The flag first: see there.
        self.watching = True
        self.state = CycleState.QUEUED

    def abandon_step(self, step: Step) -> None:
        """Nobody waits for this step any more. Its continue keeps running."""
        if self._step is step:
            self._step = None
            self._become(self.state)

    # The writer.

    def take(self) -> bytes | None:
        """What to write now; None if there is nothing to send any more."""
        if self.state is not CycleState.QUEUED:
            return None
        self.watching = True  # as `_become` would
        self.state = CycleState.SENT
        return self.payload

    def put_back(self) -> bool:
        """The continue was not completely written, so the server cannot have read it. False if events prove it did."""
        if self.state is not CycleState.SENT:
            return False
        self._become(CycleState.QUEUED)
        return True

    # The receive loop.

    # guess: `readyForContinue` after `paused`, and after an error about a continue's content
    # guess: a `readyForContinue` that is repeated after an attach
    def observe(self, event: Event) -> bool:
        """An event of this session that was not seen before. Returns whether it is for the caller."""
        state = self.state
        if state is CycleState.FINISHED:
            return True
        kind = type(event)
        if kind is ReadyForContinue and self._is_repeated_ready():
            return False
        if self._step is not None and state is not CycleState.QUEUED:
            self._step.events.append(event)
        if kind is Slot:
            self._slot_seen = True
            self._ready_may_repeat = False
            # What the continue of this connection caused comes after everything that resuming made the server send.
            self._resumed = self._resumed and state is not CycleState.SENT
            self._goes_on()
        elif kind is ReadyForContinue:
            self._observe_ready()
        elif kind is Paused or (isinstance(event, SessionError) and self._is_answered_by(event)):
            # It is not known whether a readyForContinue follows. If one does, it answers nothing else.
            self._ready_may_repeat = True
            self._answered()
        elif kind is DiscoveryBatch or kind is UnknownEvent:
            # Discovery scans ahead on its own and proves nothing. Of unknown events nothing is known.
            pass
        elif kind is not Status or (state is CycleState.SENT and not self._resumed):
            # A server that resumes a session may send a status. On the connection of the continue it proves work.
            self._goes_on()
        return True

    def _goes_on(self) -> None:
        """The engine works: if it was not known whether the continue had arrived, it is now."""
        self.told_slot = None
        self._become(CycleState.RUNNING if self.state in _UNPROVEN else self.state)

    def _is_repeated_ready(self) -> bool:
        """The caller knows already that the engine waits, so a loop must not take this ready for another stop.

        The first ready after a pause or a refusal is delivered, as some servers send one after each.
        """
        if self._slot_seen or self._gap_seen or self._ready_may_repeat:
            return False
        return self.state in (CycleState.READY, CycleState.QUEUED) or (self.is_outstanding and self._resumed)

    def _observe_ready(self) -> None:
        may_repeat, self._ready_may_repeat = self._ready_may_repeat, False
        if not self._slot_seen and (may_repeat or self._resumed) and self.is_outstanding:
            # No slot came in between, so this ready belongs to what was before the continue.
            self._become(self.state)
        elif self.state in (CycleState.UNCERTAIN, CycleState.ASKING):
            self._ready_while_unproven = True
        else:
            self._answered()

    # guess: which errors answer a continue
    def _is_answered_by(self, event: SessionError) -> bool:
        """An error about the content of the continue; or any error before the first slot, as nothing may follow it."""
        right_after = self.is_outstanding and not self._slot_seen
        return refuses_continue(event.error) or (right_after and not is_ignored(event.error))

    def _answered(self) -> None:
        """The engine waits."""
        self._slot_seen = self._gap_seen = False
        self.told_slot = None
        self.watching = True  # as `_become` would
        if self.state is not CycleState.QUEUED:
            self._end_step()
            self.state = CycleState.READY

    def finish(self, completed: Completed | None = None) -> None:
        """Nothing more will come. ``completed`` is given unless the session failed or was closed."""
        self.payload = b""
        self.told_slot = None
        if completed is not None and self._step is not None:
            self._step.events.append(completed)
            self._end_step()
        self._become(CycleState.FINISHED)

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.done = True
            self._step = None

    # Attaching to the session of an earlier process.

    def begin_catching_up(self) -> None:
        """The server replays what the earlier process has seen."""
        self.is_catching_up = True
        self.connection_lost()

    def end_catching_up(self) -> None:
        self.is_catching_up = False
        self._become(self.state)

    # guess: whether an engine waits that an earlier process left
    def replay(self, event: Event) -> None:
        """An event from the time of the earlier process. If the engine waited then, it may have been continued."""
        if self.state is CycleState.FINISHED:
            return
        refused = isinstance(event, SessionError) and refuses_continue(event.error)
        if refused or isinstance(event, (ReadyForContinue, Paused)):
            self._ready_may_repeat = not isinstance(event, ReadyForContinue)
            self._become(CycleState.READY)
        elif isinstance(event, Slot):
            self._ready_may_repeat = False
            self._become(CycleState.STARTING)

    # Lost connections.

    # guess: a `readyForContinue` that is repeated after an attach
    def connection_lost(self) -> None:
        self._resumed = True
        if self.told_slot is not None:
            self._become(CycleState.RUNNING)  # also if it was being asked again
        else:
            self._become(CycleState.UNCERTAIN if self.state in _UNPROVEN else self.state)

    def events_are_missing(self) -> None:
        """The missing events may include a slot, so the next readyForContinue may answer the continue."""
        self._ready_may_repeat = self._resumed = False
        self._gap_seen = True

    def ask(self) -> int:
        """No proof came in time: the session must be asked. Returns the number of the inquiry."""
        self._become(CycleState.ASKING)
        return self.next_inquiry()

    def next_inquiry(self) -> int:
        """The number of an inquiry; an answer to an earlier one does not count any more."""
        self.inquiry += 1
        return self.inquiry

    def send_again(self) -> None:
        self.resent += 1
        self.told_slot = None
        self._ready_while_unproven = False
        self._become(CycleState.QUEUED)

    def arrived(self, told_slot: int | None = None) -> None:
        """The inquiry has shown that the server got the continue. ``told_slot``: only this slot shows it."""
        self.told_slot = told_slot
        self._become(CycleState.RUNNING)
        if self._ready_while_unproven:
            self._ready_while_unproven = False
            self._answered()

    def _become(self, state: CycleState) -> None:
        # The flag first: Ctrl-C may come in between, and watching too much is harmless.
        self.watching = (
            (not self._slot_seen and state in _MARKS_THE_FIRST_SLOT)
            or self._ready_may_repeat
            or self._resumed
            or self.is_catching_up
            or self._step is not None
            or self.told_slot is not None
            or state in _UNPROVEN
        )
        self.state = state
