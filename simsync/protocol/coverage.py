"""Whether a run is complete, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from simsync.html_form import html_table


@dataclass(frozen=True)
class UnprovenSlots:
    """Slots for which it cannot be proven that a subscription delivered every event.

    A connection was lost while the stream was quiet, and the server dropped these slots before the stream was resumed.

    Attributes:
        subscription: The subscribe request.
        first_slot: The first of the slots.
        last_slot: The last of the slots, included.
    """

    subscription: str
    first_slot: int
    last_slot: int

    def __str__(self) -> str:
        return f"slots {self.first_slot} to {self.last_slot} of {self.subscription}"


@dataclass(frozen=True)
class Coverage:
    """What was seen of a session's range. All slots are included ones.

    Attributes:
        start_slot: The first slot of the range; None for a session that was attached without its ``create``.
        end_slot: The last slot of the range; None as ``start_slot``, and then it cannot be checked.
        highest_slot: The highest executed slot; None before the first.
        slots_seen: How many different slots were executed.
        completed: The server has finished the range and every subscription has ended.
        failure: Why the session failed; None if it did not.
        sequence_gaps: How many sequence numbers the server jumped over.
        replays_dropped: How many replayed events were dropped after reconnects.
        tolerance: How many slots at the end may carry no block.
        unproven: Slots for which quiet subscriptions cannot be proven complete.
        unreadable_frames: How many frames of the control connection were skipped because they are not JSON; if one
            was an event, ``sequence_gaps`` counts it.
    """

    start_slot: Optional[int]
    end_slot: Optional[int]
    highest_slot: Optional[int]
    slots_seen: int
    completed: bool
    failure: Optional[str] = None
    sequence_gaps: int = 0
    replays_dropped: int = 0
    tolerance: int = 0
    unproven: tuple[UnprovenSlots, ...] = ()
    unreadable_frames: int = 0

    def _repr_html_(self) -> str:
        rows = {
            "range": None if self.start_slot is None else f"{self.start_slot} to {self.end_slot}",
            "run": self.reason if self.complete else f"INCOMPLETE: {self.reason}",
            "highest slot": None if self.highest_slot is None else str(self.highest_slot),
            "slots seen": self.slots_seen,
            "sequence gaps": self.sequence_gaps,
            "replays dropped": self.replays_dropped,
        }
        return html_table("Coverage", rows)

    # guess: end slot without a block
    @property
    def reason(self) -> str:
        """Why it is complete or not, in words."""
        if self.failure is not None:
            return f"failed: {self.failure}"
        if not self.completed:
            at = "nothing was executed" if self.highest_slot is None else f"at slot {self.highest_slot}"
            return f"not completed: {at}" + ("" if self.end_slot is None else f", the range ends at {self.end_slot}")
        if self.sequence_gaps:
            return f"the server jumped over {self.sequence_gaps} event(s)"
        if self.unproven:
            return "completed, but not proven to be complete: " + "; ".join(map(str, self.unproven))
        if self.highest_slot is None:
            return "completed, but no slot was executed"
        missing = 0 if self.end_slot is None else self.end_slot - self.highest_slot
        if missing > self.tolerance:
            return f"completed, but the last executed slot is {self.highest_slot}, {missing} before the end"
        return "complete"

    @property
    def complete(self) -> bool:
        """The range is finished, nothing is known to be missing and the end of the range was reached."""
        return self.reason == "complete"
