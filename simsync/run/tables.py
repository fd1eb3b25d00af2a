"""A recorded run as flat tables: their columns, and the rows that a record gives.

The types of columns are those of Parquet: ``int64``, ``uint64``, ``string``, ``bool``, ``double``. Every cell may be
empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Union

from simsync.errors import InvalidParams
from simsync.run.event_records import transaction_of
from simsync.run.record_file import KINDS, Record, number, whole_number

_BOUNDS = {"int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}

Cell = Union[int, float, str, bool, None]
Row = tuple[Cell, ...]


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        name: The name in the file.
        kind: The Parquet type of its cells.
        meaning: For the documentation.
    """

    name: str
    kind: str
    meaning: str


TABLES: Mapping[str, tuple[Column, ...]] = {
    "transactions": (
        Column("slot", "int64", "slot in which it was executed"),
        Column("signature", "string", "base58"),
        Column("success", "bool", "true if there is no error"),
        Column("error", "string", "empty for success; JSON if the server sent an object"),
        Column("compute_units", "int64", "empty if they were not recorded"),
        Column("fee", "uint64", "lamports"),
        Column("timestamp", "int64", "time of the block, Unix seconds"),
        Column("logs", "string", "one line per log message"),
        Column("session_id", "string", "empty in files of the vendor's tool"),
    ),
    "balances": (
        Column("slot", "int64", "slot of the transaction"),
        Column("signature", "string", "transaction that changed the balance"),
        Column("account", "string", "address"),
        Column("mint", "string", "empty for lamports"),
        Column("before", "uint64", "lamports, or the token's smallest unit"),
        Column("after", "uint64", "lamports, or the token's smallest unit"),
    ),
    "diffs": (
        Column("slot", "int64", "slot of the change"),
        Column("signature", "string", "transaction that changed the account; empty if the server named none"),
        Column("account", "string", "address"),
        Column("pre_lamports", "uint64", "empty if the account did not exist before"),
        Column("post_lamports", "uint64", "empty if the account no longer exists"),
        Column("session_id", "string", "session that was recorded"),
    ),
    "sessions": (
        Column("session_id", "string", "id that the server gave"),
        Column("start_slot", "int64", "first slot"),
        Column("end_slot", "int64", "last slot, included"),
        Column("slots_seen", "int64", "slots that were executed"),
        Column("highest_slot", "int64", "last slot that was executed"),
        Column("at_unix_secs", "double", "when the session was completed, Unix seconds"),
    ),
    "others": (
        Column("kind", "string", "kind of the record, for example the name that a strategy gave"),
        Column("session_id", "string", "session that was recorded; empty if the record names none"),
        Column("data", "string", "the record, as JSON"),
    ),
}
"""The columns of each table. ``sessions`` holds the sessions whose whole range is in the file."""

_DIRECT = {"diff": "diffs", "session_completed": "sessions"}
"""Records that give one row of one table, with columns named like their fields."""


def rows_of(record: Record) -> Iterator[tuple[str, Row]]:
    """The rows that a record gives, each with the name of its table.

    Raises InvalidParams if a value does not fit its column.
    """
    data = record.data
    if record.kind == "tx":
        yield from _transaction_rows(data)
    elif record.kind in _DIRECT:
        table = _DIRECT[record.kind]
        yield table, tuple(_cell(column, data.get(column.name)) for column in TABLES[table])
    elif record.kind not in KINDS:
        session_id = data.get("session_id")
        rest = json.dumps({name: value for name, value in data.items() if name != "session_id"}, sort_keys=True)
        yield "others", (record.kind, None if session_id is None else str(session_id), rest)


def _transaction_rows(data: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
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


def _cell(column: Column, value: object) -> Cell:
    """The value if it has the type of the column. Text and numbers are never converted into each other."""
    if value is None:
        return None
    kind = column.kind
    if kind in _BOUNDS:
        whole, (low, high) = whole_number(value), _BOUNDS[kind]
        if whole is not None and low <= whole <= high:
            return whole
    elif kind == "double":
        if number(value) is not None:
            return number(value)
    elif isinstance(value, bool if kind == "bool" else str):
        return value
    raise InvalidParams(column.name, value, f"does not fit a column of type {kind}")
