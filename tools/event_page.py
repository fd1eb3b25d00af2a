"""The page of the events, ``docs/reference/events.md``, made from their docstrings and from the columns of tables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import simsync
from simsync.events import Event
from simsync.events.event import DecodedEvent
from simsync.events.transaction_error import ErrorInWords
from simsync.tables import ACCOUNT_STATE, COLUMNS, TOKEN_BALANCE
from tools.docstrings import Undocumented, annotation_of, beginning, parsed, table, type_text, wrapped

HEAD = """# Events and their fields

`events()` of a session yields these. Each has `to_dict()`, a row of JSON values whose first key is `event`, the name of
the class. `simsync.to_arrow`, `to_pandas` and `to_polars` make [tables](../guides/tables.md) with the same keys as
columns.

The column **in a row** has the type of the field in a table. There, `json` is the value as JSON text and `text` is
plain text; in `to_dict()` both are the value itself. "–" means that rows do not have the field. Slots are numbers of
slots, addresses and signatures are base58 text, and bytes are base64 text in a row (null if simsync cannot read the
encoding that the server used, such as `base64+zstd`).
"""
ERRORS = """## Errors of transactions

`error` is the error as the RPC writes it, None for success. `error_text` is one line, such as `instruction 2 failed:
custom program error 6001 (0x1771)`; there `error_code` is 6001 and `error_instruction` is 2. `Transaction`,
`TransactionOutcome`, `DiscoveredTransaction`, `Simulation`, `SignatureStatus` and `OwnTransaction` have all three.
"""
PARTS = (
    *("AccountState", "Instruction", "TransactionOutcome", "DiscoveredTransaction"),
    *("BacktestError", "SessionSummary", "RerouteStats"),
)
"""Classes that fields of events hold."""
_ONLY_IN_ROWS = {
    "success": "True if `error` is None.",
    "content": "What the server sent, as JSON values.",
    "error_text": "The error as one line of text.",
    "name": "`error.name`.",
    "terminal": "`error.terminal`.",
}
"""Keys of rows that are no attributes of their event, and their meaning."""
_INHERITED = (Event, ErrorInWords, DecodedEvent)
TAIL = "See also: [Tables](../guides/tables.md) · [Subscriptions](../guides/data.md) · [API](api/index.md)\n"


def page() -> str:
    return "\n".join(
        [HEAD, *_overview(), *(part for name in COLUMNS for part in _event(name)), ERRORS, *_parts(), TAIL]
    )


def _overview() -> Iterator[str]:
    rows = []
    for name in COLUMNS:
        about = parsed(getattr(simsync, name))
        rows.append([f"[`{name}`](#{name.lower()})", about.paragraphs[0], _source(name)])
    yield f"{table(['event', 'meaning', 'comes from'], rows)}\n"


def _source(name: str) -> str:
    source = beginning(parsed(getattr(simsync, name)).paragraphs, "Delivered ")
    if not source:
        raise Undocumented(f"simsync.{name}: add a paragraph 'Delivered by ...' to its docstring")
    text = source.split(". ")[0].rstrip(".").partition(" ")[2]
    return text.removeprefix("by ").removeprefix("to ")


def _event(name: str) -> Iterator[str]:
    event = getattr(simsync, name)
    yield f"## {name}\n"
    yield "\n\n".join(map(wrapped, parsed(event).paragraphs)) + "\n"
    columns = COLUMNS[name]
    fields = _fields(event)
    rows = [[f"`{key}`", kind, meaning, _column(columns.get(key))] for key, (kind, meaning) in fields.items()]
    for key, column in columns.items():
        if key not in fields:
            if key not in _ONLY_IN_ROWS:
                raise Undocumented(f"simsync.{name}: {key} is a key of its rows; describe it in tools/event_page.py")
            rows.append([f"`{key}`", "only in rows", _ONLY_IN_ROWS[key], _column(column)])
    if rows:
        yield f"{table(['field', 'type', 'meaning', 'in a row'], rows)}\n"


def _fields(owner: type) -> dict[str, tuple[str, str]]:
    """Type and meaning of each field: those of the docstring, then the properties, inherited ones last."""
    found: dict[str, tuple[str, str]] = {}
    described: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        described.update(parsed(vars(base).get("__doc__") or "").sections.get("Attributes", {}))
    for name, meaning in described.items():
        found[name] = (f"`{type_text(annotation_of(owner, name))}`", meaning)
    for base in [owner, *(base for base in owner.__mro__ if base in _INHERITED)]:
        for name, value in vars(base).items():
            if isinstance(value, property) and name[0] != "_" and name not in found:
                meaning = " ".join(parsed(value.fget).paragraphs)
                found[name] = (f"`{type_text(annotation_of(owner, name))}`", meaning)
    return found


def _column(form: Any) -> str:
    if form is None:
        return "–"
    if isinstance(form, list):
        return f"list of {_column(form[0])}"
    if form is TOKEN_BALANCE:
        return "token balance"
    return "account state" if form is ACCOUNT_STATE else str(form)


def _parts() -> Iterator[str]:
    yield "## Parts of events\n"
    yield f"### Token balance\n\nOf a row. The amount is in base units of the mint.\n\n{_struct(TOKEN_BALANCE)}\n"
    for name in PARTS:
        owner = getattr(simsync, name)
        about = parsed(owner)
        yield f"### {name}\n"
        yield "\n\n".join(map(wrapped, about.paragraphs)) + "\n"
        column = ACCOUNT_STATE if name == "AccountState" else None
        heads = ["field", "type", "meaning", *(["in a row"] if column else [])]
        rows = [
            [f"`{key}`", kind, meaning, *([_column(column.get(key))] if column else [])]
            for key, (kind, meaning) in _fields(owner).items()
        ]
        yield f"{table(heads, rows)}\n"
        if inspect.isfunction(getattr(owner, "to_dict", None)):
            yield "It has `to_dict()`.\n"


def _struct(columns: Any) -> str:
    return table(["key", "type"], [[f"`{key}`", str(form)] for key, form in columns.items()])
