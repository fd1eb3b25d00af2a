"""A recorded run as flat tables: their columns. The rows come from :mod:`simsync.run.views`.

The types of columns are those of Parquet: ``int64``, ``uint64``, ``decimal`` (38 digits), ``string``, ``bool``,
``double``. Every cell may be empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


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
        Column("before", "uint64", "lamports, or the token's smallest unit; empty if the file holds changes only"),
        Column("after", "uint64", "lamports, or the token's smallest unit; empty if the file holds changes only"),
        Column("change", "decimal", "the gain: after minus before"),
    ),
    "diffs": (
        Column("slot", "int64", "slot of the change"),
        Column("signature", "string", "transaction that changed the account; empty if the server named none"),
        Column("account", "string", "address"),
        Column("pre_lamports", "uint64", "empty if the account did not exist before, or if the file does not say"),
        Column("post_lamports", "uint64", "empty if the account no longer exists, or if the file does not say"),
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
