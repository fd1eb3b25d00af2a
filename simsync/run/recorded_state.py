"""What a recording says of itself, and whether that is proven: its metadata, its summary and its completeness."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.run.completeness import CompletenessCheck
from simsync.run.database import RecordingDatabase
from simsync.run.event_records import CHECKSUMS, RecordCounts, SessionCounts
from simsync.run.record_file import Record, amount


@dataclass(frozen=True)
class RecordedState:
    """The state of one recording.

    Attributes:
        metadata: The data of the ``metadata`` record.
        summary: The data of the ``summary`` record.
        counts: Transactions and account diffs that are in the file.
        incomplete_because: Why the recording is not complete; None if it is.
        others: Records of a kind that only a strategy or another tool has written, by kind.
    """

    metadata: Mapping[str, Any]
    summary: Mapping[str, Any]
    counts: RecordCounts
    incomplete_because: Optional[str]
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def of_simsync(self) -> bool:
        """Whether simsync has recorded it."""
        return str(self.metadata.get("recorded_by")).startswith("simsync")

    @property
    def slots(self) -> tuple[Optional[int], Optional[int]]:
        """The first and the last slot of the range, as the metadata names them."""
        return amount(self.metadata.get("start_slot")), amount(self.metadata.get("end_slot"))


def state_from(database: RecordingDatabase, number: int, counted: list[tuple[Any, ...]]) -> RecordedState:
    """The state of one of the files of a database.

    Args:
        database: The opened recordings.
        number: Which of the files.
        counted: (session, transactions, failed transactions, sum of their keys, first slot, last slot) of each
            session, counted already.
    """
    sessions: dict[Optional[str], SessionCounts] = {
        session_id: SessionCounts(transactions, failed, 0, int(keys or 0) % CHECKSUMS, first, last)
        for session_id, transactions, failed, keys, first, last in counted
    }
    diffs = f"SELECT string(data), count(*) FROM small_{number} WHERE kind = 'diff' GROUP BY ALL"
    for session_id, count in database.query(diffs):
        sessions.setdefault(session_id, SessionCounts()).diffs = count
    check = CompletenessCheck()
    for record in small_records(database, number):
        check.add(record)
    for session_id, counts in sessions.items():
        check.add_counted(session_id, counts)
    if database.cut[number]:
        check.note_cut()
    return RecordedState(check.metadata, check.summary, check.counts, check.reason, dict(check.others))


def small_records(database: RecordingDatabase, number: int = 0) -> list[Record]:
    """The records that are neither transactions nor account diffs, in the order of the file.

    Raises:
        InvalidParams: Python does not read one of them: a number has thousands of digits.
    """
    records = []
    for kind, data in database.query(f"SELECT kind, data FROM small_{number} WHERE kind <> 'diff' ORDER BY position"):
        try:
            records.append(Record(kind, json.loads(data)))
        except (ValueError, RecursionError) as error:
            path = str(database.paths[number])
            raise InvalidParams("path", path, f"a record {kind!r} cannot be read ({error})") from error
    return records
