"""Resuming an interrupted run: keep the finished sessions of its file, and find the slots that are missing.

Only sessions whose whole range is in the file are kept. Everything else is removed and run again; an engine gives the
same records for the same slots, so the file ends with the records of an uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.events import SessionSummary
from simsync.json_form import JsonForm
from simsync.run.event_records import RecordCounts, is_failed
from simsync.run.record_file import PathLike, line_of, read_records
from simsync.run.recorder import atomic_replacement

_OF_A_SESSION = ("session_started", "tx", "diff")
"""Records that belong to a session even if they do not say to which."""


@dataclass(frozen=True)
class FinishedSession(JsonForm):
    """A session whose whole range is in the file; also the data of its ``session_completed`` record.

    Attributes:
        session_id: The id that the server gave.
        start_slot: First slot of the session.
        end_slot: Last slot, included.
        slots_seen: Slots that were executed; fewer than the range if slots have no block.
        highest_slot: The last slot that was executed; None if none was.
        summary: The statistics of the server; None if it sent none.
    """

    session_id: str
    start_slot: int
    end_slot: int
    slots_seen: int
    highest_slot: Optional[int] = None
    summary: Optional[SessionSummary] = None


@dataclass
class Kept(RecordCounts):
    """What the file of an interrupted run holds after :func:`keep_finished`: the counts are of the kept records.

    Attributes:
        spans: The parts of the range that are still to be run, as (first slot, last slot), both included.
        finished: The sessions that were kept.
    """

    spans: list[tuple[int, int]] = field(default_factory=list)
    finished: list[FinishedSession] = field(default_factory=list)


def keep_finished(path: PathLike, metadata: Mapping[str, Any]) -> Kept:
    """Remove from a file all records that do not belong to a finished session.

    The file is replaced atomically. The result goes to :func:`record_run`, with a recorder that appends.

    Args:
        path: The file of the interrupted run.
        metadata: The run to continue, from :meth:`RunPlan.metadata`.

    Returns:
        What the file still holds, and what is left to run.

    Raises:
        InvalidParams: The file is not a recorded run, or was started with another range, other programs or other
            binaries. It is left as it was.
        OSError: The file cannot be read or replaced.
    """
    target = Path(path)
    started, finished = _read_sessions(target)
    for name in ("start_slot", "end_slot", "program_ids", "program_so"):
        if started.get(name) != metadata[name]:
            rule = f"{target} was started with {started.get(name)!r}; repeat that value or choose another output file"
            raise InvalidParams(name, metadata[name], rule)
    missing = _missing_spans(started["start_slot"], started["end_slot"], finished)
    kept = Kept(spans=missing, finished=finished)
    finished_ids = {one.session_id for one in finished}
    # Always rewritten, even if everything stays: the file may end inside a line, and a record appended to half a line
    # would make both unreadable. Reading drops the half line, so the new file ends with a whole one.
    with atomic_replacement(target) as part, part.open("w", encoding="utf-8") as file:
        for record in read_records(target):
            if record.kind in ("summary", "stopped"):
                continue
            belongs_to_session = record.kind in _OF_A_SESSION or "session_id" in record.data
            if belongs_to_session and record.data.get("session_id") not in finished_ids:
                continue
            if record.kind == "tx":
                kept.add_transaction(failed=is_failed(record.data))
            kept.diffs += record.kind == "diff"
            file.write(line_of(*record))
    return kept


def _read_sessions(path: Path) -> tuple[Mapping[str, Any], list[FinishedSession]]:
    """The metadata of a file, and its finished sessions."""
    started: Mapping[str, Any] = {}
    finished = []
    for record in read_records(path):
        if record.kind == "metadata":
            started = record.data
        elif record.kind == "session_completed":
            finished.append(FinishedSession.from_dict(dict(record.data)))
    if not started:
        raise InvalidParams("path", str(path), "has no metadata record, so it is not a run that can be resumed")
    return started, finished


def _missing_spans(first: int, last: int, finished: list[FinishedSession]) -> list[tuple[int, int]]:
    """The gaps between the finished sessions."""
    spans = []
    for one in sorted(finished, key=lambda one: one.start_slot):
        if one.start_slot > first:
            spans.append((first, one.start_slot - 1))
        first = max(first, one.end_slot + 1)
    return [*spans, (first, last)] if first <= last else spans
