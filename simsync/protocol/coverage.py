"""Whether a run is complete, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Coverage:
    """What was seen of a session's range. All slots are included ones.

    ``start_slot``, ``end_slot``: None for a session that was attached to without its ``create``, which then cannot be
    checked against its end. ``highest_slot``: the highest executed slot, None before the first. ``slots_seen``: how
    many different slots. ``completed``: the server has finished the range and every subscription has ended.
    ``failure``: why the session failed, if it did. ``sequence_gaps``: numbers that the server jumped over.
    ``replays_dropped``: events that came again after a reconnect. ``tolerance``: slots at the end that may carry no
    block.
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
