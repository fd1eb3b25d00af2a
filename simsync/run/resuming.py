"""Going on with the file of a run that did not come to its end.

What one session has recorded is kept if that session was finished; everything else is taken out and run again. An
engine gives the same records for the same slots, so the file ends up as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.events import SessionSummary
from simsync.json_form import JsonForm
from simsync.run.records import PathLike, line_of, read_records
from simsync.run.replacing import replacing

_OF_ONE_SESSION = ("session_started", "tx", "diff")
"""Records that belong to a session, even when they do not say to which."""


@dataclass(frozen=True)
class FinishedSession(JsonForm):
    """A session whose whole range is in the file; also the data of its last record. Both slots are included."""

    session_id: str
    start_slot: int
    end_slot: int
    slots_seen: int
    highest_slot: Optional[int] = None
    summary: Optional[SessionSummary] = None


@dataclass
class Kept:
    """What a file already holds. ``spans``: the parts of the range, as (first, last) slot, that are still to be run."""

    spans: list[tuple[int, int]]
    finished: list[FinishedSession] = field(default_factory=list)
    transactions: int = 0
    failed: int = 0
    diffs: int = 0


def keep_finished(path: PathLike, metadata: Mapping[str, Any]) -> Kept:
    """Take everything out of a file that does not belong to a finished session; at once, or not at all.

    ``metadata``: what the run is to be; raises InvalidParams if the file was begun with another range, or with other
    programs. Raises OSError.
    """
    target = Path(path)
    begun, finished = _look(target)
    for name in ("start_slot", "end_slot", "program_ids", "program_so"):
        if begun.get(name) != metadata[name]:
            raise InvalidParams(name, metadata[name], f"{target} was begun with {begun.get(name)!r}")
    kept = Kept(_missing(begun["start_slot"], begun["end_slot"], finished), finished)
    wanted = {one.session_id for one in finished}
    with replacing(target) as part, part.open("w", encoding="utf-8") as file:
        for record in read_records(target):
            if record.kind in ("summary", "stopped"):
                continue
            belongs = record.kind in _OF_ONE_SESSION or "session_id" in record.data
            if belongs and record.data.get("session_id") not in wanted:
                continue
            kept.transactions += record.kind == "tx"
            kept.failed += record.kind == "tx" and record.data.get("error") is not None
            kept.diffs += record.kind == "diff"
            file.write(line_of(*record))
    return kept


def _look(path: Path) -> tuple[Mapping[str, Any], list[FinishedSession]]:
    """The metadata, and the sessions that are finished."""
    begun: Mapping[str, Any] = {}
    finished = []
    for record in read_records(path):
        if record.kind == "metadata":
            begun = record.data
        elif record.kind == "session_completed":
            finished.append(FinishedSession.from_dict(dict(record.data)))
    if not begun:
        raise InvalidParams("path", str(path), "has no metadata: it is not the beginning of a recorded run")
    return begun, finished


def _missing(first: int, last: int, finished: list[FinishedSession]) -> list[tuple[int, int]]:
    """The gaps between the finished sessions."""
    spans = []
    for one in sorted(finished, key=lambda one: one.start_slot):
        if one.start_slot > first:
            spans.append((first, one.start_slot - 1))
        first = max(first, one.end_slot + 1)
    return [*spans, (first, last)] if first <= last else spans
