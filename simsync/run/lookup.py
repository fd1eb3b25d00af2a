"""Looking into a recording: the transactions that meet some conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm
from simsync.run.database import RecordingDatabase, limit_clause

EXPLORER = "https://explorer.solana.com"
"""Where links lead: a page about each transaction and address of the main network."""

_SLOTS = re.compile(r"(\d{1,20})(?:\s*-\s*(\d{1,20}))?", re.ASCII)
_COLUMNS = "slot, signature, error, compute_units, fee, timestamp, session_id"


@dataclass(frozen=True)
class FoundTransaction(JsonForm):
    """A recorded transaction.

    Attributes:
        slot: Its slot.
        signature: Its signature, in base58.
        error: Its error; None for success.
        compute_units: None if they were not recorded.
        fee: In lamports; None if it was not recorded.
        timestamp: Time of its block, in Unix seconds.
        session_id: The session that recorded it.
        logs: One line per log message.
    """

    slot: Optional[int]
    signature: Optional[str]
    error: Optional[str]
    compute_units: Optional[int]
    fee: Optional[int]
    timestamp: Optional[int]
    session_id: Optional[str]
    logs: str = ""

    @property
    def explorer(self) -> str:
        """Its page in the explorer."""
        return explorer_link(self.signature or "")


@dataclass(frozen=True)
class TransactionFilter:
    """Conditions that a transaction must meet, all of them.

    Attributes:
        signature: It begins with this.
        failed: It failed.
        error: Its error contains this text, in upper or lower case.
        program: Its logs name this program.
        account: It changed a balance or the data of this account.
        first_slot: Its slot is this or a later one.
        last_slot: Its slot is this or an earlier one.
    """

    signature: Optional[str] = None
    failed: bool = False
    error: Optional[str] = None
    program: Optional[str] = None
    account: Optional[str] = None
    first_slot: Optional[int] = None
    last_slot: Optional[int] = None

    def condition(self) -> tuple[str, list[Union[str, int]]]:
        """The conditions in SQL, and the values of their placeholders."""
        parts: Mapping[str, Union[str, int, None]] = {
            "starts_with(signature, ?)": self.signature,
            "contains(lower(error), lower(?))": self.error,
            "list_contains(programs_of(logs), ?)": self.program,
            "slot >= ?": self.first_slot,
            "slot <= ?": self.last_slot,
            "signature IN (SELECT signature FROM balances WHERE account = ?"
            " UNION SELECT signature FROM diffs WHERE account = ?)": self.account,
        }
        texts = [text for text, value in parts.items() if value is not None]
        values = [value for text, value in parts.items() if value is not None for _ in range(text.count("?"))]
        if self.failed:
            texts.append("error IS NOT NULL")
        return " AND ".join(texts) or "true", values


def find_transactions(
    database: RecordingDatabase, wanted: TransactionFilter, limit: int | None = None
) -> tuple[list[FoundTransaction], int]:
    """Find transactions in the files of a database.

    Args:
        database: The opened recordings.
        wanted: The conditions.
        limit: How many at most; None for all.

    Returns:
        The transactions in the order of slots, and how many meet the conditions in all.

    Raises:
        InvalidParams: The limit is not valid.
    """
    condition, values = wanted.condition()
    end = limit_clause(limit)
    text = f"SELECT {_COLUMNS} FROM transactions WHERE {condition} ORDER BY slot, signature {end}"
    rows = database.query(text, *values)
    # Logs are read for these only: sorting the logs of all would take much memory.
    logs = logs_of(database, "transactions", [row[1] for row in rows])
    found = [replace(FoundTransaction(*row), logs=logs.get(row[:2], "")) for row in rows]
    if limit is None or len(rows) < limit:
        return found, len(found)
    return found, database.one(f"SELECT count(*) FROM transactions WHERE {condition}", *values)[0]


def logs_of(
    database: RecordingDatabase, view: str, signatures: Sequence[str | None]
) -> dict[tuple[int | None, str | None], str]:
    """The logs of some transactions, by slot and signature; the first if both occur more than once."""
    wanted = {signature for signature in signatures if signature is not None}
    if not wanted:
        return {}
    found: dict[tuple[int | None, str | None], str] = {}
    text = f"SELECT slot, signature, logs FROM {view} WHERE list_contains(?, signature)"
    for slot, signature, logs in database.query(text, sorted(wanted)):
        found.setdefault((slot, signature), logs)
    return found


def parse_slots(text: str) -> tuple[int, int]:
    """The first and the last slot of ``N`` or ``N-M``. Raises InvalidParams for anything else."""
    match = _SLOTS.fullmatch(text.strip())
    first, last = (0, -1) if match is None else (int(match.group(1)), int(match.group(2) or match.group(1)))
    if last < first:
        raise InvalidParams("slot", text, "must be a slot or a range of slots, as in 1000 or 1000-1099")
    return first, last


def explorer_link(signature: str) -> str:
    """The page of a transaction in the explorer."""
    return f"{EXPLORER}/tx/{signature}"
