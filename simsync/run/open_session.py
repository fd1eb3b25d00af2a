"""A session that a killed run has left on the server, and what its file proves of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from simsync.run.completeness import is_whole
from simsync.run.event_records import SessionCounts
from simsync.run.record_file import Record, whole_number


@dataclass(frozen=True)
class OpenSession:
    """A single session that can be attached to, at its last stop.

    Attributes:
        session_id: The id that the server gave.
        start_slot: First slot of the session.
        end_slot: Last slot, included.
        slot: The last slot that was executed until then.
        sequence: The number of the last control event that is in the file.
        executed: Slots that were executed until then.
        records: How many records of the file are kept.
        counts: The session's records among them.
        from_slot: The slot of the last transaction among them. Transactions come in the order of slots, so everything
            before this slot is in the file, however far the data connection lagged.
        known: Transactions of that slot that are in the file, by signature.
    """

    session_id: str
    start_slot: int
    end_slot: int
    slot: int
    sequence: int
    executed: int
    records: int
    counts: SessionCounts
    from_slot: int
    known: Counter[str] = field(default_factory=Counter)


class OpenSessionFinder:
    """Finds the session while the file is read: the last one that was started and not completed."""

    def __init__(self) -> None:
        self.found: Optional[OpenSession] = None
        self._records = 0
        self._started: Mapping[str, Any] = {}
        self._counts = SessionCounts()
        self._slot = 0
        self._known: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Look at a record, in the order of the file."""
        self._records += 1
        kind, data = record
        if kind == "session_started":
            self.found, self._started, self._counts, self._known = None, data, SessionCounts(), Counter()
            self._slot = whole_number(data.get("start_slot")) or 0
        elif kind in ("stopped", "session_completed", "summary"):
            self.found = None  # closed on the server
            self._started = {}
        elif data.get("session_id") != self._started.get("session_id"):
            return
        elif kind == "tx":
            self._counts.add(data)
            slot = whole_number(data.get("slot")) or 0
            if slot > self._slot:
                self._slot, self._known = slot, Counter()
            if slot == self._slot:
                self._known[str(data.get("signature"))] += 1
        elif kind == "progress":
            self._stop(data)

    def _stop(self, data: Mapping[str, object]) -> None:
        first, last = (whole_number(self._started.get(name)) for name in ("start_slot", "end_slot"))
        sequence, executed = whole_number(data.get("sequence")), whole_number(data.get("executed"))
        slot = whole_number(data.get("slot"))
        if (
            first is None
            or last is None
            or slot is None
            or sequence is None
            or not executed
            or not is_whole(data, self._counts)
        ):
            return
        counts = replace(self._counts)
        session_id = str(self._started.get("session_id"))
        self.found = OpenSession(
            session_id, first, last, slot, sequence, executed, self._records, counts, self._slot, Counter(self._known)
        )
