"""How far a run has come, for its report callback and for the records that sum it up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from simsync.run.event_records import RecordCounts


@dataclass
class SessionProgress:
    """One session of a run.

    Attributes:
        session_id: The id that the server gave.
        start_slot: First slot of the session.
        end_slot: Last slot, included.
        executed: Slots executed so far.
        transactions: Transactions recorded so far.
        finished: True once ``Completed`` was delivered.
        began: When the session started, in seconds of :func:`time.monotonic`.
        failed: Transactions among them that ended with an error.
        diffs: Account diffs recorded so far.
        checksum: That of the transactions recorded so far.
    """

    session_id: str
    start_slot: int
    end_slot: int
    executed: int = 0
    transactions: int = 0
    finished: bool = False
    began: float = field(default_factory=time.monotonic)
    failed: int = 0
    diffs: int = 0
    checksum: int = 0

    @property
    def slots(self) -> int:
        """Slots in the range of the session."""
        return self.end_slot - self.start_slot + 1


@dataclass
class Progress(RecordCounts):
    """A whole run. The counts are over all sessions, and include what a resumed file already held.

    Attributes:
        slots: Slots in the range of the run.
        executed: Slots executed so far.
        sessions: The sessions of this process, by id. They may run at the same time.
        began: When the run started, in seconds of :func:`time.monotonic`.
    """

    slots: int = 0
    executed: int = 0
    sessions: dict[str, SessionProgress] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
