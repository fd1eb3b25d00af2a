"""When each session of a recorded run did what, from the records that carry a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.run.records import Record


@dataclass
class SessionLine:
    """One session. Times are Unix seconds, None where the file holds none; slots are included ones."""

    session_id: str
    start_slot: Optional[int] = None
    end_slot: Optional[int] = None
    began: Optional[float] = None
    ended: Optional[float] = None
    highest_slot: Optional[int] = None
    slots_seen: Optional[int] = None
    complete: bool = False
    transactions: int = 0
    failed: int = 0
    reconnects: list[float] = field(default_factory=list)


@dataclass
class Timeline:
    """``reconnects``: those of the control connection, which all sessions share. ``stopped``: why the run ended early;
    empty for a run that came to its end."""

    sessions: dict[str, SessionLine] = field(default_factory=dict)
    reconnects: list[float] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        data, kind = record.data, record.kind
        if kind == "stopped":
            self.stopped = [str(reason) for reason in _list(data.get("reasons"))]
            return
        if kind == "summary":
            self.stopped = []
            return
        session_id, time = data.get("session_id"), _time(data.get("at_unix_secs"))
        if kind == "reconnected" and session_id is None:
            self.reconnects += [] if time is None else [time]
            return
        if not isinstance(session_id, str):
            return
        line = self.sessions.setdefault(session_id, SessionLine(session_id))
        if time is not None:
            line.began = time if line.began is None else line.began
            line.ended = time
        if kind == "session_started":
            line.start_slot, line.end_slot = _slot(data.get("start_slot")), _slot(data.get("end_slot"))
        elif kind == "tx":
            line.transactions += 1
            line.failed += data.get("error") is not None
        elif kind == "progress":
            line.highest_slot = _slot(data.get("slot"))
        elif kind == "reconnected":
            line.reconnects += [] if time is None else [time]
        elif kind == "session_completed":
            line.complete = True
            line.slots_seen, line.highest_slot = _slot(data.get("slots_seen")), _slot(data.get("highest_slot"))

    def in_order(self) -> list[SessionLine]:
        """The sessions by their slots."""
        return sorted(self.sessions.values(), key=lambda line: (line.start_slot or 0, line.session_id))

    def began(self) -> float | None:
        """When the first session began, None when the file holds no times."""
        return min((line.began for line in self.sessions.values() if line.began is not None), default=None)


def _list(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else ())


def _slot(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
