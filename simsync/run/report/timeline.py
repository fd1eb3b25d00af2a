"""When each session of a recorded run ran, from the records that have a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from simsync.run.event_records import RecordCounts
from simsync.run.record_file import Record, amount, number


@dataclass
class SessionLine(RecordCounts):
    """One session. Times are Unix seconds, None if the file has none; ``end_slot`` is included."""

    session_id: str = ""
    start_slot: Optional[int] = None
    end_slot: Optional[int] = None
    began: Optional[float] = None
    ended: Optional[float] = None
    highest_slot: Optional[int] = None
    slots_seen: Optional[int] = None
    complete: bool = False
    reconnects: list[float] = field(default_factory=list)


@dataclass
class Timeline:
    """All sessions of a run; ``reconnects`` are those of the control connection, which all sessions share."""

    sessions: dict[str, SessionLine] = field(default_factory=dict)
    reconnects: list[float] = field(default_factory=list)

    def add(self, record: Record) -> None:
        data, kind = record.data, record.kind
        session_id, time = data.get("session_id"), number(data.get("at_unix_secs"))
        if kind == "reconnected" and session_id is None:
            self.reconnects += [] if time is None else [time]
            return
        if not isinstance(session_id, str):
            return
        line = self.sessions.setdefault(session_id, SessionLine(session_id=session_id))
        if time is not None:
            line.began = time if line.began is None else line.began
            line.ended = time
        if kind == "session_started":
            line.start_slot, line.end_slot = amount(data.get("start_slot")), amount(data.get("end_slot"))
        elif kind == "progress":
            line.highest_slot = amount(data.get("slot"))
        elif kind == "reconnected":
            line.reconnects += [] if time is None else [time]
        elif kind == "session_completed":
            line.complete = True
            line.slots_seen = amount(data.get("slots_seen"))
            line.highest_slot = amount(data.get("highest_slot"))

    def add_transactions(self, session_id: str, transactions: int, failed: int) -> None:
        """Count transactions of a session, which are not among the records that are added one by one."""
        line = self.sessions.setdefault(session_id, SessionLine(session_id=session_id))
        line.transactions += transactions
        line.failed += failed

    def in_order(self) -> list[SessionLine]:
        """The sessions by their slots."""
        return sorted(self.sessions.values(), key=lambda line: (line.start_slot or 0, line.session_id))

    def began(self) -> float | None:
        """When the first session began; None if the file has no times."""
        return min((line.began for line in self.sessions.values() if line.began is not None), default=None)
