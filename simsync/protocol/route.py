"""What is known about one (sub-)session, and the events on their way to its caller."""

from __future__ import annotations

import heapq

from simsync.errors import SimsyncError
from simsync.events import Completed, DiscoveryBatch, Event, Paused, Slot
from simsync.protocol.continue_cycle import ContinueCycle

NOTHING_SEEN = -2
"""Before the first slot, batch or sequence number. Not even the number 0 follows it."""


class Route:
    """State of one session.

    ``batch`` collects events until the runtime takes them. ``open`` until nothing more is to come: completed, failed,
    or not wanted any more. ``range_known``: ``start_slot`` and ``end_slot`` mean something.
    """

    __slots__ = (
        "_breaks",
        "_discoveries",
        "_passed",
        "_paused_batch",
        "_places",
        "_taken",
        "announced",
        "attached",
        "batch",
        "completed",
        "completion",
        "cursor",
        "cycle",
        "end_slot",
        "failure",
        "first_sequence",
        "highest_slot",
        "late_events",
        "learned_slot",
        "open",
        "paused_slot",
        "range_known",
        "released",
        "replays_dropped",
        "rpc_endpoint",
        "sequence_gaps",
        "session_id",
        "slots_seen",
        "start_slot",
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
        self.batch: list[Event] = []
        self.cycle = ContinueCycle()
        self.highest_slot = NOTHING_SEEN
        self.paused_slot = NOTHING_SEEN
        self.learned_slot: int | None = None
        self.slots_seen = 0
        self.sequence_gaps = 0
        self.replays_dropped = 0
        self.late_events = 0
        self.open = True
        self.completed = False
        self.completion: Completed | None = None
        self.released = False
        self.failure: SimsyncError | None = None
        self._paused_batch = NOTHING_SEEN
        self._discoveries: dict[tuple[int, int], DiscoveryBatch] = {}
        self._places: list[tuple[int, int]] = []  # their keys, as a heap
        self._passed = 0
        self._taken = 0
        self._breaks: list[tuple[int, int]] = []

    def set_range(self, start_slot: int, end_slot: int) -> None:
        """Both included."""
        self.start_slot = start_slot
        self.end_slot = end_slot
        self.range_known = True

    @property
    def position(self) -> int:
        """The slot at which the session stands as far as is known: by its events, or by having asked once."""
        return max(self.start_slot, self.highest_slot, self.paused_slot, self.learned_slot or 0)

    @property
    def position_is_known(self) -> bool:
        """The events of a session that was attached to need not tell where it stood before."""
        return not self.attached or self.learned_slot is not None

    def note_place(self, event: Event) -> None:
        """What an event tells of where the engine stands, and of what lies ahead of it."""
        if isinstance(event, Slot):
            if event.slot > self.highest_slot:
                self.highest_slot = event.slot
                self.slots_seen += 1
        elif isinstance(event, Paused):
            self.paused_slot = event.slot
            self._paused_batch = _batch_order(event.batch_index)
        elif isinstance(event, DiscoveryBatch):
            self._note_discovery(event)

    # Which event has which sequence number.

    def next_event_has(self, sequence: int) -> None:
        """The numbers do not run on: the next event that goes into ``batch`` has this one."""
        self._break_at(self._taken + len(self.batch), sequence)

    def next_event_has_none(self) -> None:
        """The next event carries no number; the one after it goes on where the numbers are."""
        if self.cursor != NOTHING_SEEN:
            ordinal = self._taken + len(self.batch)
            self._break_at(ordinal, self.cursor)
            self._break_at(ordinal + 1, self.cursor + 1)

    def event_was_swallowed(self) -> None:
        """Its number, if it had one, is no event's."""
        if self.cursor != NOTHING_SEEN:
            self.next_event_has(self.cursor + 1)

    def begin_after(self, sequence: int) -> None:
        """Everything up to this number was handed out before, by another process."""
        self._break_at(-1, sequence)

    def _break_at(self, ordinal: int, sequence: int) -> None:
        while self._breaks and self._breaks[-1][0] >= ordinal:
            self._breaks.pop()
        self._breaks.append((ordinal, sequence))

    def sequence_of(self, handed_out: int) -> int | None:
        """The number of the last of the first ``handed_out`` events; None when there is none, or they carry none."""
        for ordinal, sequence in reversed(self._breaks):
            if ordinal < handed_out:
                return sequence + handed_out - 1 - ordinal
        return None

    def take_batch(self) -> list[Event]:
        batch = self.batch
        self.batch = []
        self._taken += len(batch)
        return batch

    # What discovery has announced.

    def _note_discovery(self, discovery: DiscoveryBatch) -> None:
        self._drop_passed()
        place = (discovery.slot, _batch_order(discovery.batch_index))
        if place not in self._discoveries:
            self._discoveries[place] = discovery
            heapq.heappush(self._places, place)

    def _take_nearest(self) -> DiscoveryBatch:
        return self._discoveries.pop(heapq.heappop(self._places))

    def _drop_passed(self) -> None:
        while self._places and self._places[0][0] <= self.highest_slot:
            self._take_nearest()
            self._passed += 1

    def take_discovery(self) -> tuple[DiscoveryBatch | None, int]:
        """The nearest announced batch ahead, and how many were passed without a pause there since the last call.

        Announcements come in any order.
        """
        self._drop_passed()
        stands_at = (self.paused_slot, self._paused_batch)
        while self._places and self._places[0] <= stands_at:
            self._passed += self._places[0] < stands_at  # at the very place nothing was missed
            self._take_nearest()
        passed, self._passed = self._passed, 0
        return (self._take_nearest() if self._places else None), passed

    # The end.

    def complete(self, completion: Completed) -> None:
        self.completed = True
        self.completion = completion
        self._close(completion)

    def fail(self, failure: SimsyncError) -> None:
        if self.open:
            self.failure = failure
            self._close()

    def release(self) -> None:
        """The caller has everything, or does not want any more."""
        self.released = True
        self._close()

    def _close(self, completion: Completed | None = None) -> None:
        self.open = False
        self.cycle.finish(completion)


def _batch_order(batch_index: int | None) -> int:
    """A slot boundary lies before the first batch."""
    return NOTHING_SEEN if batch_index is None else batch_index
