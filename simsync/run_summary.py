"""The totals of a run, of one session or all sub-sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from simsync.events import SUMMARY_COUNTS, SessionSummary
from simsync.html_form import html_table
from simsync.json_form import JsonForm
from simsync.protocol.coverage import Coverage

__all__ = ["Coverage", "RunSummary", "run_summary"]


@dataclass(frozen=True)
class RunSummary(JsonForm):
    """The result of a run. ``to_json()`` makes one line for a log.

    Attributes:
        sessions: Number of (sub-)sessions.
        completed: Number of sessions whose :class:`~simsync.Completed` arrived.
        complete: True if every session is proven complete, to its last slot.
        reasons: One reason per session that is not complete.
        slots_seen: Number of slots of which an event was received, in all sessions.
        highest_slot: Highest slot of which an event was received, None if there was none.
        reconnects: How often the control connection was restored.
        replays_dropped: Number of events that the server repeated after a reconnect, and that were dropped.
        sequence_gaps: Number of jumps in the sequence numbers.
        totals: Sums of the statistics of all sessions, None if no session sent any. Request them with
            ``CreateSession(send_summary=True)``.
    """

    sessions: int
    completed: int
    complete: bool
    reasons: Sequence[str] = field(hash=False)
    slots_seen: int
    highest_slot: Optional[int]
    reconnects: int
    replays_dropped: int
    sequence_gaps: int
    totals: Optional[SessionSummary] = field(hash=False)

    def _repr_html_(self) -> str:
        rows = {
            "run": "complete" if self.complete else "INCOMPLETE",
            "reasons": self.reasons or None,
            "sessions": self.sessions,
            "completed": self.completed,
            "slots seen": self.slots_seen,
            "highest slot": None if self.highest_slot is None else str(self.highest_slot),
            "reconnects": self.reconnects,
            "sequence gaps": self.sequence_gaps,
        }
        return html_table("RunSummary", rows)


def run_summary(
    coverages: Sequence[Coverage], summaries: Sequence[Optional[SessionSummary]], reconnects: int
) -> RunSummary:
    """Sum up a run. ``summaries`` has None for a session that sent no summary."""
    sent = [summary for summary in summaries if summary is not None]
    totals = (
        SessionSummary(**{name: sum(getattr(one, name) for one in sent) for name in SUMMARY_COUNTS}) if sent else None
    )
    return RunSummary(
        sessions=len(coverages),
        completed=sum(coverage.completed for coverage in coverages),
        complete=all(coverage.complete for coverage in coverages),
        reasons=tuple(coverage.reason for coverage in coverages if not coverage.complete),
        slots_seen=sum(coverage.slots_seen for coverage in coverages),
        highest_slot=max((slot for slot in (one.highest_slot for one in coverages) if slot is not None), default=None),
        reconnects=reconnects,
        replays_dropped=sum(coverage.replays_dropped for coverage in coverages),
        sequence_gaps=sum(coverage.sequence_gaps for coverage in coverages),
        totals=totals,
    )
