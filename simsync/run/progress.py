"""How far a run has come."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class SessionProgress:
    """One session of a run. Slots are included ones; times are in seconds."""

    session_id: str
    start_slot: int
    end_slot: int
    executed: int = 0
    transactions: int = 0
    finished: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def slots(self) -> int:
        return self.end_slot - self.start_slot + 1


@dataclass
class Progress:
    """A whole run; ``slots``, ``executed`` and the rest are counted over all sessions, also those of a resumed file.

    ``sessions``: those of this process, by id; they may overlap in time.
    """

    slots: int
    executed: int = 0
    transactions: int = 0
    failed: int = 0
    diffs: int = 0
    sessions: dict[str, SessionProgress] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
