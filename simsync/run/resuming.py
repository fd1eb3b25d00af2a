"""Resuming an interrupted run: find the sessions that its file holds as a whole, and the slots that are missing.

Only sessions whose whole range is in the file are kept, and only if all their records are there. Everything else is run
again; an engine gives the same records for the same slots, so the file ends with the records of an uninterrupted run.
A single session that a killed process has left on the server is continued from its last stop (:class:`OpenSession`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.events import SessionSummary
from simsync.json_form import JsonForm
from simsync.run import fingerprint
from simsync.run.completeness import CompletenessCheck, is_whole
from simsync.run.event_records import RecordCounts
from simsync.run.open_session import OpenSession, OpenSessionFinder
from simsync.run.plan import RunPlan
from simsync.run.record_file import PathLike, Record, read_records

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
        transactions: Transactions in the file.
        failed: Those of them that ended with an error.
        diffs: Account diffs in the file.
        checksum: A checksum over the slots and signatures of the transactions, whatever their order.
    """

    session_id: str
    start_slot: int
    end_slot: int
    slots_seen: int
    highest_slot: Optional[int] = None
    summary: Optional[SessionSummary] = None
    transactions: Optional[int] = None
    failed: Optional[int] = None
    diffs: Optional[int] = None
    checksum: Optional[int] = None

    def totals(self) -> dict[str, Any]:
        """What the ``summary`` record says of the session."""
        names = ("session_id", "start_slot", "end_slot", "transactions", "failed", "diffs", "checksum")
        return {name: getattr(self, name) for name in names}


@dataclass
class Kept(RecordCounts):
    """What a new file takes over from the file of an interrupted run. The counts are of the records that are kept.

    Attributes:
        begun: True if the file holds a run; otherwise there is nothing to resume, and the run begins anew.
        complete: True if nothing is left to do.
        spans: The parts of the range that are still to be run, as (first slot, last slot), both included.
        finished: The sessions that are kept.
        summary: The ``summary`` record of a complete run.
        open: A session that may still be on the server.
    """

    begun: bool = True
    complete: bool = False
    spans: list[tuple[int, int]] = field(default_factory=list)
    finished: list[FinishedSession] = field(default_factory=list)
    summary: Mapping[str, Any] = field(default_factory=dict)
    open: Optional[OpenSession] = None


def keep_finished(path: PathLike, plan: RunPlan) -> Kept:
    """Find out what a resumed run can keep of its file. The file is only read.

    The result goes to :func:`record_run`, with a recorder that appends.

    Args:
        path: The file of the interrupted run; it need not exist.
        plan: The run to continue.

    Returns:
        What the file holds, and what is left to run.

    Raises:
        InvalidParams: The file is not a recorded run, or it is of a run with another fingerprint; the message says
            what differs.
        OSError: The file cannot be read.
    """
    target = Path(path)
    check, finder = CompletenessCheck(), OpenSessionFinder()
    rows: list[Mapping[str, Any]] = []
    try:
        for record in read_records(target, skip_damaged=True, on_cut=check.note_cut):
            check.add(record)
            finder.add(record)
            if record.kind == "session_completed":
                rows.append(record.data)
    except FileNotFoundError:
        pass
    first, last = plan.create.start_slot, plan.create.last_slot
    if not check.metadata:
        return Kept(begun=False, spans=[(first, last)])
    _compare(target, check.metadata, plan)
    finished = _whole_sessions(rows, check, first, last)
    kept = Kept(spans=_missing_spans(first, last, finished), finished=finished, summary=check.summary)
    kept.complete = check.reason is None and not kept.spans
    # With several subscriptions nothing tells how far each of them was behind the engine.
    alone = not plan.parallel and len(plan.program_ids) <= 1 and not plan.account_diffs
    if alone and finder.found is not None and kept.spans == [(finder.found.start_slot, finder.found.end_slot)]:
        kept.open = finder.found
    for one in finished:
        counts = check.sessions[one.session_id]
        kept.transactions += counts.transactions
        kept.failed += counts.failed
        kept.diffs += counts.diffs
    return kept


def kept_records(path: PathLike, kept: Kept) -> Iterator[Record]:
    """The records that a resumed run takes over, in the order of the file.

    Args:
        path: The file.
        kept: What :func:`keep_finished` found in it.
    """
    finished_ids = {one.session_id for one in kept.finished}
    begun = False
    for number, record in enumerate(read_records(path, skip_damaged=True), 1):
        if record.kind in ("summary", "stopped") or (record.kind == "metadata" and begun):
            continue
        begun |= record.kind == "metadata"
        if kept.open is not None and record.data.get("session_id") == kept.open.session_id:
            if number <= kept.open.records:
                yield record
            continue
        belongs_to_session = record.kind in _OF_A_SESSION or "session_id" in record.data
        if not belongs_to_session or record.data.get("session_id") in finished_ids:
            yield record


def _compare(target: Path, metadata: Mapping[str, object], plan: RunPlan) -> None:
    """Raise InvalidParams unless a file was begun by the same run."""
    before, now = fingerprint.parts_in(metadata), plan.fingerprint_parts()
    if before is None:
        rule = "was recorded without a fingerprint, so it cannot be resumed; run it anew with --force"
        raise InvalidParams("path", str(target), rule)
    different = fingerprint.differences(before, now)
    if different:
        told = "; ".join(f"{name}: {_shown(old)} then, {_shown(new)} now" for name, (old, new) in different.items())
        rule = f"was started as another run ({told}); repeat its options, or choose another output file"
        raise InvalidParams("path", str(target), rule)


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _whole_sessions(
    rows: list[Mapping[str, object]], check: CompletenessCheck, first: int, last: int
) -> list[FinishedSession]:
    """The sessions of which every record is there. No two of them hold the same slot."""
    found: list[FinishedSession] = []
    for row in rows:
        try:
            one = FinishedSession.from_dict(dict(row))
            inside = first <= one.start_slot <= one.end_slot <= last and one.checksum is not None
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # a record that was changed by hand
        free = all(one.end_slot < other.start_slot or other.end_slot < one.start_slot for other in found)
        if inside and free and is_whole(row, check.sessions[one.session_id]):
            found.append(one)
    return found


def _missing_spans(first: int, last: int, finished: list[FinishedSession]) -> list[tuple[int, int]]:
    """The gaps between the finished sessions."""
    spans = []
    for one in sorted(finished, key=lambda one: one.start_slot):
        if one.start_slot > first:
            spans.append((first, one.start_slot - 1))
        first = max(first, one.end_slot + 1)
    return [*spans, (first, last)] if first <= last else spans
