"""Whether a recording is complete, proven by what it holds and not by what it says of itself."""

from __future__ import annotations

import reprlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from simsync.run import fingerprint
from simsync.run.event_records import RecordCounts, SessionCounts, diffs_inside, is_failed
from simsync.run.record_file import KINDS, PathLike, Record, amount, read_records, whole_number

_OWN_KINDS = frozenset(KINDS)
_NUMBERS = (
    *("total_transactions", "succeeded", "failed", "diffs", "sessions", "completed", "slots_seen"),
    *("reconnects", "replays_dropped", "sequence_gaps"),
)
"""The integers of a summary that simsync has written."""
_OF_A_SESSION = ("start_slot", "end_slot", "transactions", "failed", "diffs", "checksum")
"""The integers of a session in such a summary."""
_NAMES = {
    "transactions": ("total_transactions", "total"),
    "succeeded transactions": ("succeeded", "successes"),
    "failed transactions": ("failed", "failures"),
    "account diffs": ("diffs",),
}
"""What the summaries of simsync and of the vendor's tool call the totals."""


class CompletenessCheck:
    """Checks the records of a file while it is read.

    The ``summary`` of a run holds the number of records of each kind, the totals of each session and the fingerprint;
    all of them are compared with what was read. A recording of simsync must have all of them. Recordings of other tools
    hold fewer of these numbers, and only those are compared.
    """

    def __init__(self) -> None:
        self.metadata: Mapping[str, Any] = {}
        self.summary: Mapping[str, Any] = {}
        self.counts = RecordCounts()
        self.diffs_in_transactions = 0
        self.sessions: defaultdict[str, SessionCounts] = defaultdict(SessionCounts)
        self.others: Counter[str] = Counter()
        self.completed: dict[str, Mapping[str, Any]] = {}
        self._completions = self._metadatas = self._summaries = 0
        self._last = ""
        self._cut = False
        self._stopped: Mapping[str, Any] = {}

    def add(self, record: Record) -> None:
        """Count a record, in the order of the file."""
        kind, data = record
        self._last = kind
        if kind == "tx" and data.get("slot") is None and data.get("signature") is None:
            return  # it names no transaction
        if kind == "tx":
            self.counts.add_transaction(failed=is_failed(data))
            self.diffs_in_transactions += diffs_inside(data)
            self.sessions[str(data.get("session_id"))].add(data)
        elif kind == "diff":
            self.counts.diffs += 1
            self.sessions[str(data.get("session_id"))].diffs += 1
        elif kind == "metadata":
            self._metadatas += 1
            self.metadata = data
        elif kind == "summary":
            self._summaries += 1
            self.summary = data
        elif kind == "session_completed":
            self._completions += 1
            self.completed[str(data.get("session_id"))] = data
        elif kind == "stopped":
            self._stopped = data
        elif kind not in _OWN_KINDS:
            self.others[kind] += 1

    def add_counted(self, session_id: str | None, counts: SessionCounts) -> None:
        """Add the transactions and account diffs of a session that were counted elsewhere, after all other records."""
        self._last = self._last or "tx"
        self.sessions[str(session_id)] = counts
        self.counts.transactions += counts.transactions
        self.counts.failed += counts.failed
        self.counts.diffs += counts.diffs

    def note_cut(self) -> None:
        """The file ends in the middle of a record."""
        self._cut = True

    @property
    def reason(self) -> str | None:
        """Why the recording is not complete; None if it is."""
        if self._cut:
            return "the file ends in the middle of a record"
        if not self._last:
            return "the file is empty"
        if self._last == "stopped":
            reasons = self._stopped.get("reasons")
            return "the run was stopped: " + ("; ".join(map(str, reasons)) if isinstance(reasons, list) else "?")
        if self._last != "summary":
            return "the file ends without a summary"
        if self._metadatas > 1 or self._summaries > 1:
            return "the file holds more than one run"
        return self._wrong_totals() or self._wrong_sessions() or self._wrong_slots() or self._wrong_claims()

    @property
    def _of_simsync(self) -> bool:
        """Whether simsync wrote it, which writes everything that is checked."""
        by = str(self.metadata.get("recorded_by"))
        return by.startswith("simsync") or "fingerprint" in self.metadata or "fingerprint" in self.summary

    def _wrong_totals(self) -> str | None:
        said, counts = self.summary, self.counts
        if said.get("fingerprint") != self.metadata.get("fingerprint"):
            return "the fingerprints at the beginning and at the end differ"
        if self._of_simsync:
            missing = [name for name in _NUMBERS if whole_number(said.get(name)) is None]
            if missing:
                return f"its summary has no number for {', '.join(missing)}"
        found = (counts.transactions, counts.succeeded, counts.failed, counts.diffs)
        for (what, names), number in zip(_NAMES.items(), found):
            for name in names:
                claim = said.get(name)
                if type(claim) in (int, float, str) and amount(claim) != number:
                    expected = amount(claim)
                    shown = reprlib.repr(claim) if expected is None else f"{expected:,}"
                    return f"the file holds {number:,} {what}, its summary says {shown}"
        others = said.get("other_records")
        if isinstance(others, Mapping) and dict(others) != dict(self.others):
            return f"the file holds the strategy's records {dict(self.others)}, its summary says {dict(others)}"
        return None

    def _wrong_sessions(self) -> str | None:
        rows = self.summary.get("session_totals")
        if not isinstance(rows, list):
            return "its summary has no totals of the sessions" if self._of_simsync else None
        spans, names = [], []
        for row in rows:
            if not isinstance(row, Mapping):
                return "the summary is damaged"
            session_id = str(row.get("session_id"))
            if not is_whole(row, self.sessions[session_id]):
                return f"records of session {session_id} are missing"
            spans.append((row.get("start_slot"), row.get("end_slot")))
            names.append(session_id)
        unknown = {name for name, counts in self.sessions.items() if counts.transactions or counts.diffs}
        unknown -= set(names)
        if unknown:
            return f"the file holds records of session {min(unknown)}, which its summary does not list"
        wrong = self._wrong_ranges(spans)
        return self._wrong_completions(rows, names) if wrong is None and self._of_simsync else wrong

    def _wrong_ranges(self, spans: list[tuple[object, object]]) -> str | None:
        first, last = amount(self.metadata.get("start_slot")), amount(self.metadata.get("end_slot"))
        ends = [(start, end) for start, end in spans if isinstance(start, int) and isinstance(end, int)]
        if first is None or last is None or len(ends) != len(spans):
            return "the range of a session is missing"
        for start, end in sorted(ends):
            if start != first:
                return f"the sessions do not cover slot {min(start, first)}"
            first = end + 1
        return None if first == last + 1 else f"the sessions end at slot {first - 1}, the range at {last}"

    def _wrong_completions(self, rows: list[Mapping[str, Any]], names: list[str]) -> str | None:
        """The sessions of the summary and those that were completed must be the same, with the same numbers."""
        if self.summary.get("session_ids") != names or len(set(names)) != len(names):
            return "its summary lists other sessions than it has totals of"
        if self._completions != len(names) or set(self.completed) != set(names):
            return "the sessions that were completed are not those of its summary"
        if self.summary.get("sessions") != len(names) or self.summary.get("completed") != len(names):
            return f"its summary has totals of {len(names)} sessions and counts others"
        for name, row in zip(names, rows):
            for field in _OF_A_SESSION:
                if whole_number(row.get(field)) is None or row.get(field) != self.completed[name].get(field):
                    return f"the numbers of session {name} contradict each other"
            counts = self.sessions[name]
            if counts.transactions and not _within(counts, row["start_slot"], row["end_slot"]):
                return f"session {name} holds transactions of slots outside of its range"
        seen, highest = (
            [whole_number(one.get(name)) for one in self.completed.values()] for name in ("slots_seen", "highest_slot")
        )
        known = [slot for slot in highest if slot is not None]
        if self.summary["slots_seen"] != sum(slots or 0 for slots in seen) or (
            known and self.summary.get("highest_slot") != max(known)
        ):
            return "its summary counts other slots than its sessions"
        return None

    def _wrong_slots(self) -> str | None:
        first, last = amount(self.metadata.get("start_slot")), amount(self.metadata.get("end_slot"))
        if first is None or last is None or all(_within(counts, first, last) for counts in self.sessions.values()):
            return None
        return f"it holds transactions of slots outside of {first} to {last}"

    def _wrong_claims(self) -> str | None:
        """What simsync says of a complete run, and of the options that it was started with."""
        if not self._of_simsync:
            return None
        if self.summary.get("complete") is not True or self.summary.get("reasons") != []:
            return "its summary says that the run is not complete"
        if not isinstance(self.summary.get("other_records"), Mapping):
            return "its summary does not count the records of a strategy"
        options = fingerprint.parts_in(self.metadata)
        if options is None:
            return "its options are not those of its fingerprint"
        said = {name: self.metadata.get(name) for name in ("start_slot", "end_slot")}
        programs = self.metadata.get("program_ids")
        if not isinstance(programs, list) or {**said, "program_ids": sorted(map(str, programs))} != {
            name: options.get(name) for name in (*said, "program_ids")
        }:
            return "its range or its programs are not those of its options"
        return None


def _within(counts: SessionCounts, first: int, last: int) -> bool:
    lowest, highest = counts.first_slot, counts.last_slot
    return (lowest is None or first <= lowest) and (highest is None or highest <= last)


def is_whole(completed: Mapping[str, object], counts: SessionCounts) -> bool:
    """True if the records of a session are those that its own record counts; one without numbers is believed."""
    names = ("transactions", "failed", "diffs", "checksum")
    return all(completed.get(name) is None or completed[name] == getattr(counts, name) for name in names)


def check_complete(path: PathLike) -> CompletenessCheck:
    """Read a recording and check whether it is complete.

    Args:
        path: The file.

    Returns:
        The check; its ``reason`` is None for a complete recording.

    Raises:
        InvalidParams: The file is not a recorded run.
        OSError: The file cannot be read.
    """
    check = CompletenessCheck()
    for record in read_records(path, on_cut=check.note_cut):
        check.add(record)
    return check
