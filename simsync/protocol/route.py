"""What is known about one (sub-)session, and the events on their way to its caller."""

from __future__ import annotations

from simsync.errors import SimsyncError
from simsync.events import Event
from simsync.protocol.continue_cycle import ContinueCycle

NOTHING_SEEN = -1


class Route:
    """State of one session.

    ``batch`` collects events until the runtime takes them. ``open`` until nothing more is to come: completed, failed,
    or not wanted any more.
    """

    __slots__ = (
        "announced",
        "batch",
        "completed",
        "cursor",
        "cycle",
        "end_slot",
        "failure",
        "highest_slot",
        "late_events",
        "open",
        "paused_slot",
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
        self.rpc_endpoint = ""
        self.task_id: str | None = None
        self.start_slot = 0
        self.end_slot = 0
        self.cursor = NOTHING_SEEN
        self.batch: list[Event] = []
        self.cycle = ContinueCycle()
        self.highest_slot = NOTHING_SEEN
        self.paused_slot = NOTHING_SEEN
        self.slots_seen = 0
        self.sequence_gaps = 0
        self.replays_dropped = 0
        self.late_events = 0
        self.open = True
        self.completed = False
        self.released = False
        self.failure: SimsyncError | None = None

    @property
    def position(self) -> int:
        """The slot at which the session stands as far as events tell."""
        return max(self.start_slot, self.highest_slot, self.paused_slot)

    def take_batch(self) -> list[Event]:
        batch = self.batch
        self.batch = []
        return batch

    def complete(self) -> None:
        self.completed = True
        self._close()

    def fail(self, failure: SimsyncError) -> None:
        if self.open:
            self.failure = failure
            self._close()

    def release(self) -> None:
        """The caller has everything, or does not want any more."""
        self.released = True
        self._close()

    def _close(self) -> None:
        self.open = False
        self.cycle.finish()
