"""What is known about one (sub-)session, and the events on their way to its caller."""

from __future__ import annotations

from typing import NamedTuple, Optional

from simsync.errors import ProtocolError, SimsyncError
from simsync.events import Completed, DiscoveryBatch, Event, Paused, SessionError, Slot
from simsync.protocol.continue_cycle import ContinueCycle, Step
from simsync.protocol.discoveries import BEFORE_EVERYTHING, Discoveries, batch_order
from simsync.protocol.received_stops import ReceivedStops

NOTHING_SEEN = BEFORE_EVERYTHING


class NumberedEvents(NamedTuple):
    """Events with their sequence numbers.

    ``first``: the number of the first event, None if no event has a number. ``step``: 1 if the numbers of the following
    events count up from there, 0 if all events go by ``first``, because they carry no numbers of their own.
    """

    events: list[Event]
    first: Optional[int]
    step: int


class SessionState:
    """State of one session; guarded by the lock of its connection.

    ``cursor``: the sequence number of the last event that was received. ``handled_before``: the last number that an
    earlier process has handled. ``events``, ``first`` and ``step``: the batch that is being received, as in
    :class:`NumberedEvents`; ``finished_batches``: those before it, whose numbers it does not continue. ``open``: more
    events may come; False once the session has completed, failed or been released. ``range_known``: ``start_slot`` and
    ``end_slot`` are valid.
    """

    __slots__ = (
        "_discoveries",
        "_paused_batch",
        "announced",
        "attached",
        "completion",
        "cursor",
        "cycle",
        "end_slot",
        "events",
        "failure",
        "finished_batches",
        "first",
        "first_sequence",
        "handled_before",
        "highest_slot",
        "learned_slot",
        "news",
        "open",
        "paused_slot",
        "range_known",
        "released",
        "replays_dropped",
        "rpc_endpoint",
        "sequence_gaps",
        "session_id",
        "slots_before_continue",
        "slots_seen",
        "start_slot",
        "step",
        "stops",
        "task_id",
    )

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.announced = False
        self.attached = False
        self.rpc_endpoint = ""
        self.task_id: str | None = None
        self.start_slot = 0
        self.end_slot = 0
        self.range_known = False
        self.cursor = NOTHING_SEEN
        self.first_sequence = NOTHING_SEEN
        self.handled_before = NOTHING_SEEN
        self.events: list[Event] = []
        self.first: int | None = None
        self.step = 0
        self.finished_batches: list[NumberedEvents] = []
        self.cycle = ContinueCycle()
        self.stops = ReceivedStops()
        self.highest_slot = NOTHING_SEEN
        self.paused_slot = NOTHING_SEEN
        self.learned_slot: int | None = None
        self.slots_seen = 0
        self.slots_before_continue = 0
        self.news = 0
        self.sequence_gaps = 0
        self.replays_dropped = 0
        self.open = True
        self.completion: Completed | None = None
        self.released = False
        self.failure: SimsyncError | None = None
        self._paused_batch = NOTHING_SEEN
        self._discoveries = Discoveries()

    def set_range(self, start_slot: int, end_slot: int) -> None:
        """Both slots are included."""
        self.start_slot = start_slot
        self.end_slot = end_slot
        self.range_known = True

    @property
    def completed(self) -> bool:
        return self.completion is not None

    # Where the engine is.

    @property
    def position(self) -> int:
        """The slot of the engine as far as it is known: from events, or from asking the RPC once."""
        return max(self.start_slot, self.highest_slot, self.paused_slot, self.learned_slot or 0)

    @property
    def position_is_known(self) -> bool:
        """False for an attached session until its RPC was asked: its events need not tell where it stood before."""
        return not self.attached or self.learned_slot is not None

    def cannot_have_received(self, sequence: int, event: Event | None, *, attached_again: bool) -> bool:
        """The event has an old number, but tells something that was not told with it, so it is not a replay."""
        if not self.open:
            return False
        if isinstance(event, (Slot, Paused)) and event.slot > max(self.highest_slot, self.paused_slot):
            return True
        return isinstance(event, Completed) or (attached_again and self.stops.contradicts(sequence, event))

    # guess: a terminal error of a session
    def missed_the_end(self, sequence: int, event: Event | None) -> bool:
        """An error that ends the session. It would have ended already if this were a replay, whatever the number."""
        ends = isinstance(event, SessionError) and event.error.terminal
        return ends and self.open and not self.stops.was_error(sequence)

    def started_over(self, sequence: int) -> ProtocolError:
        """Dropping what has old numbers would drop everything from now on."""
        return ProtocolError(
            f"session {self.session_id}: event {sequence} is new, but comes after event {self.cursor}: the server"
            " started the numbers over, so replayed events cannot be told from new ones",
            sequence,
        )

    def note_position(self, event: Event) -> None:
        """Learn from an event where the engine is, and what is ahead of it."""
        if isinstance(event, Slot):
            if event.slot > self.highest_slot:
                self.highest_slot = event.slot
                self.slots_seen += 1
        elif isinstance(event, Paused):
            self.paused_slot = event.slot
            self._paused_batch = batch_order(event.batch_index)
        elif isinstance(event, DiscoveryBatch):
            self._discoveries.add(event, self.highest_slot)

    # guess: when discoveries are announced
    def take_discovery(self) -> tuple[DiscoveryBatch | None, int]:
        """The nearest announced batch ahead, and how many were passed without a pause since the last call."""
        return self._discoveries.take(self.highest_slot, (self.paused_slot, self._paused_batch))

    def submit(self, payload: bytes, step: Step | None = None) -> None:
        """See :meth:`ContinueCycle.submit`."""
        self.slots_before_continue = self.slots_seen
        self.cycle.submit(payload, step)

    # Events on their way to the queue, and their sequence numbers.

    def begin_batch(self, first: int | None, step: int = 1) -> None:
        """The numbers do not continue: the next event starts a batch with the number ``first``."""
        if self.events:
            self.finished_batches.append(NumberedEvents(self.events, self.first, self.step))
            self.events = []
        self.first = first
        self.step = step

    def skip_event(self) -> None:
        """The last event is not for the caller, so its number is not used."""
        if self.step:
            self.begin_batch(self.cursor + 1)

    @property
    def has_events(self) -> bool:
        return bool(self.events or self.finished_batches)

    # The end.

    def complete(self, completion: Completed) -> None:
        self.completion = completion
        self._close(completion)

    def fail(self, failure: SimsyncError) -> None:
        if self.open:
            self.failure = failure
            self._close()

    def release(self) -> None:
        """The caller has everything, or wants no more."""
        self.released = True
        self._close()

    def _close(self, completion: Completed | None = None) -> None:
        self.open = False
        self.cycle.finish(completion)
