"""The totals of a run, over one session or all sub-sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from simsync.events import SUMMARY_COUNTS, SessionSummary
from simsync.json_form import JsonForm
from simsync.protocol.coverage import Coverage


@dataclass(frozen=True)
class RunSummary(JsonForm):
    """What came of a run. ``to_json()`` makes one line for a log.

    ``sessions``: how many, ``completed`` of them; ``complete``: all of them are, to the last slot; ``reasons``: one per
    session that is not. ``slots_seen`` and ``highest_slot`` as in :class:`~simsync.Coverage`; ``reconnects`` of the
    control connection; ``totals``: the sums of the sessions' statistics in transactions, None when no session sent any
    (``CreateSession(send_summary=True)`` asks for them).
    """

    sessions: int
    completed: int
    complete: bool
    reasons: Sequence[str]
    slots_seen: int
    highest_slot: Optional[int]
    reconnects: int
    replays_dropped: int
    sequence_gaps: int
    totals: Optional[SessionSummary]


def run_summary(
    coverages: Sequence[Coverage], summaries: Sequence[Optional[SessionSummary]], reconnects: int
) -> RunSummary:
    """``summaries``: those that came, None for a session without."""
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
