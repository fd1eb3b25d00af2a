"""A recorded run as flat tables: which there are, their columns, and the rows of a record.

The kinds of columns are those of Parquet: ``int64``, ``uint64``, ``string``, ``bool``, ``double``. All may be empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from simsync.errors import InvalidParams
from simsync.run.records import Record
from simsync.run.transactions import transaction_of

_U64 = 2**64 - 1


class Column(NamedTuple):
    """``meaning``: for the documentation."""

    name: str
    kind: str
    meaning: str


TABLES: Mapping[str, tuple[Column, ...]] = {
    "transactions": (
        Column("slot", "int64", "slot in which it ran"),
        Column("signature", "string", "base58"),
        Column("success", "bool", ""),
        Column("error", "string", "empty when it succeeded; JSON where the server gave an object"),
        Column("compute_units", "int64", "empty where they were not recorded"),
        Column("fee", "uint64", "lamports"),
        Column("timestamp", "int64", "of the block, Unix seconds"),
        Column("logs", "string", "one line a log"),
        Column("session_id", "string", "empty in files of the vendor's tool"),
    ),
    "balances": (
        Column("slot", "int64", "slot of the transaction"),
        Column("signature", "string", "of the transaction that changed it"),
        Column("account", "string", "address"),
        Column("mint", "string", "empty for lamports"),
        Column("before", "uint64", "lamports, or the token's smallest unit"),
        Column("after", "uint64", "lamports, or the token's smallest unit"),
    ),
    "diffs": (
        Column("slot", "int64", ""),
        Column("signature", "string", "empty where no transaction is named"),
        Column("account", "string", "address"),
        Column("pre_lamports", "uint64", "empty where there was no account"),
        Column("post_lamports", "uint64", "empty where there is none any more"),
        Column("session_id", "string", ""),
    ),
    "sessions": (
        Column("session_id", "string", ""),
        Column("start_slot", "int64", "included"),
        Column("end_slot", "int64", "included"),
        Column("slots_seen", "int64", ""),
        Column("highest_slot", "int64", ""),
        Column("at_unix_secs", "double", "when it was completed"),
    ),
    "others": (
        Column("kind", "string", "kind of the record: what a strategy has recorded, for example"),
        Column("session_id", "string", ""),
        Column("data", "string", "the record, as JSON"),
    ),
}
"""The columns of each table. Sessions are those whose whole range is in the file."""

_DIRECT = {"diff": "diffs", "session_completed": "sessions"}
_LEFT_OUT = ("metadata", "summary", "session_started", "progress", "reconnected", "stopped")


def rows_of(record: Record) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The rows that a record makes, each with the name of its table. Raises InvalidParams for what fits no column."""
    data = record.data
    if record.kind == "tx":
        yield from _of_transaction(data)
    elif record.kind in _DIRECT:
        table = _DIRECT[record.kind]
        yield table, tuple(_cell(column, data.get(column.name)) for column in TABLES[table])
    elif record.kind not in _LEFT_OUT:
        session_id = data.get("session_id")
        rest = json.dumps({name: value for name, value in data.items() if name != "session_id"}, sort_keys=True)
        yield "others", (record.kind, None if session_id is None else str(session_id), rest)


def _of_transaction(data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    one = transaction_of(data)
    known = {
        "slot": one.slot,
        "signature": one.signature,
        "success": one.error is None,
        "error": one.error,
        "compute_units": one.units,
        "logs": "\n".join(one.logs),
    }
    columns = TABLES["transactions"]
    yield "transactions", tuple(_cell(column, known.get(column.name, data.get(column.name))) for column in columns)
    for change in one.changes:
        row = (one.slot, one.signature, change.account, change.mint, change.before, change.after)
        yield "balances", tuple(_cell(column, value) for column, value in zip(TABLES["balances"], row))


def _cell(column: Column, value: Any) -> Optional[Any]:
    """The value if it is of the column's kind; text and numbers are not turned into each other silently."""
    if value is None:
        return None
    kind = column.kind
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind == "uint64" and whole and 0 <= value <= _U64:
        return value
    if kind == "int64" and whole and -(2**63) <= value < 2**63:
        return value
    if kind == "double" and (whole or isinstance(value, float)):
        return float(value)
    if (kind == "string" and isinstance(value, str)) or (kind == "bool" and isinstance(value, bool)):
        return value
    raise InvalidParams(column.name, value, f"does not fit a column of {kind}")
