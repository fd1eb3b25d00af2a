"""Whether a recording is complete, proven by what it holds and not by what it says of itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from simsync.run.event_records import RecordCounts, is_failed
from simsync.run.record_file import KINDS, PathLike, Record, read_records, whole_number

_OWN_KINDS = frozenset(KINDS)


class CompletenessCheck:
    """Checks the records of a file while it is read.

    The ``summary`` of a run holds the number of records of each kind, the totals of each session and the fingerprint;
    all of them are compared with what was read. Recordings of other tools hold fewer of these numbers, and only those
    are compared.
    """

    def __init__(self) -> None:
        self.metadata: Mapping[str, Any] = {}
        self.summary: Mapping[str, Any] = {}
        self.counts = RecordCounts()
        self.sessions: defaultdict[str, RecordCounts] = defaultdict(RecordCounts)
        self.others: Counter[str] = Counter()
        self.completed: dict[str, Mapping[str, Any]] = {}
        self._metadatas = self._summaries = 0
        self._last = ""
        self._stopped: Mapping[str, Any] = {}

    def add(self, record: Record) -> None:
        """Count a record, in the order of the file."""
        kind, data = record
        self._last = kind
        if kind == "tx":
            failed = is_failed(data)
            self.counts.add_transaction(failed=failed)
            self.sessions[str(data.get("session_id"))].add_transaction(failed=failed)
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
            self.completed[str(data.get("session_id"))] = data
        elif kind == "stopped":
            self._stopped = data
        elif kind not in _OWN_KINDS:
            self.others[kind] += 1

    def add_counted(self, session_id: str | None, counts: RecordCounts) -> None:
        """Add the transactions and account diffs of a session that were counted elsewhere, after all other records."""
        self._last = self._last or "tx"
        self.sessions[str(session_id)] = counts
        self.counts.transactions += counts.transactions
        self.counts.failed += counts.failed
        self.counts.diffs += counts.diffs

    @property
    def reason(self) -> str | None:
        """Why the recording is not complete; None if it is."""
        if not self._last:
            return "the file is empty"
        if self._last == "stopped":
            reasons = self._stopped.get("reasons")
            return "the run was stopped: " + ("; ".join(map(str, reasons)) if isinstance(reasons, list) else "?")
        if self._last != "summary":
            return "the file ends without a summary"
        if self._metadatas > 1 or self._summaries > 1:
            return "the file holds more than one run"
        return self._wrong_totals() or self._wrong_sessions()

    def _wrong_totals(self) -> str | None:
        said, counts = self.summary, self.counts
        if said.get("fingerprint") != self.metadata.get("fingerprint"):
            return "the fingerprints at the beginning and at the end differ"
        pairs = [
            ("transactions", "total_transactions", counts.transactions),
            ("failed transactions", "failed", counts.failed),
            ("account diffs", "diffs", counts.diffs),
        ]
        for what, name, found in pairs:
            expected = whole_number(said.get(name))
            if expected is not None and expected != found:
                return f"the file holds {found:,} {what}, its summary says {expected:,}"
        others = said.get("other_records")
        if isinstance(others, Mapping) and dict(others) != dict(self.others):
            return f"the file holds the strategy's records {dict(self.others)}, its summary says {dict(others)}"
        return None

    def _wrong_sessions(self) -> str | None:
        rows = self.summary.get("session_totals")
        if not isinstance(rows, list):
            return None  # of another tool
        spans = []
        for row in rows:
            if not isinstance(row, Mapping):
                return "the summary is damaged"
            session_id = str(row.get("session_id"))
            if not is_whole(row, self.sessions[session_id]):
                return f"records of session {session_id} are missing"
            spans.append((row.get("start_slot"), row.get("end_slot")))
        unknown = {name for name, counts in self.sessions.items() if counts.transactions or counts.diffs}
        unknown -= {str(row.get("session_id")) for row in rows}
        if unknown:
            return f"the file holds records of session {min(unknown)}, which its summary does not list"
        return self._wrong_ranges(spans)

    def _wrong_ranges(self, spans: list[tuple[object, object]]) -> str | None:
        first, last = whole_number(self.metadata.get("start_slot")), whole_number(self.metadata.get("end_slot"))
        ends = [(start, end) for start, end in spans if isinstance(start, int) and isinstance(end, int)]
        if first is None or last is None or len(ends) != len(spans):
            return "the range of a session is missing"
        for start, end in sorted(ends):
            if start != first:
                return f"the sessions do not cover slot {min(start, first)}"
            first = end + 1
        return None if first == last + 1 else f"the sessions end at slot {first - 1}, the range at {last}"


def is_whole(completed: Mapping[str, object], counts: RecordCounts) -> bool:
    """True if as many records of a session are there as its own record says; one without numbers is believed."""
    pairs = (("transactions", counts.transactions), ("failed", counts.failed), ("diffs", counts.diffs))
    return all(completed.get(name) is None or completed[name] == found for name, found in pairs)


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
    for record in read_records(path):
        check.add(record)
    return check
