"""Tables of events: Arrow, and from it pandas and Polars. Slots and lamports stay exact integers.

    table = simsync.to_pandas(session.events(advance=100), simsync.Transaction)

The columns of each kind of event are in :data:`COLUMNS`; ``docs/rows.md`` describes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Union

from simsync.errors import InvalidParams, MissingExtra, ProtocolError
from simsync.events import Event

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Kind = Union[type[Event], tuple[type[Event], ...]]

TOKEN_BALANCE = {
    "account": "string",
    "mint": "string",
    "owner": "string",
    "program": "string",
    "amount": "uint64",
    "decimals": "uint8",
}
ACCOUNT_STATE = {
    "lamports": "uint64",
    "owner": "string",
    "executable": "bool",
    "rent_epoch": "uint64",
    "space": "uint64",
    "data": "string",
}

COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "Transaction": {
        "slot": "uint64",
        "signature": "string",
        "success": "bool",
        "error": "json",
        "error_text": "string",
        "error_code": "int64",
        "error_instruction": "int64",
        "fee": "uint64",
        "compute_units": "uint64",
        "version": "text",
        "block_time": "int64",
        "account_keys": ["string"],
        "pre_balances": ["uint64"],
        "post_balances": ["uint64"],
        "pre_token_balances": [TOKEN_BALANCE],
        "post_token_balances": [TOKEN_BALANCE],
        "logs": ["string"],
    },
    "AccountDiff": {
        "slot": "uint64",
        "account": "string",
        "signature": "string",
        "created": "bool",
        "deleted": "bool",
        "before": ACCOUNT_STATE,
        "after": ACCOUNT_STATE,
    },
    "ActionResult": {
        "slot": "uint64",
        "batch_index": "int64",
        "action_index": "int64",
        "label": "string",
        "committed": "bool",
        "outcomes": "json",
        "accounts": [ACCOUNT_STATE],
        "matched": "string",
    },
    "Notification": {"method": "string", "content": "json"},
    "Slot": {"slot": "uint64"},
    "ReadyForContinue": {},
    "Paused": {"slot": "uint64", "batch_index": "int64"},
    "DiscoveryBatch": {"slot": "uint64", "batch_index": "int64", "matched": "json", "transactions": "json"},
    "Status": {"status": "string"},
    "SessionError": {"error": "json", "error_text": "string", "name": "string", "terminal": "bool"},
    "Completed": {"summary": "json", "agent_stats": "json"},
    "Created": {"session_id": "string", "task_id": "string"},
    "UnknownEvent": {"kind": "string", "content": "json"},
}
"""Columns and their types by kind of event: the name of an Arrow type, ``json`` or ``text`` (any value, as text), a
mapping for a struct, a list of one type for a list."""


def to_arrow(events: Iterable[Event | tuple[Any, Event]], kind: Kind | None = None) -> pyarrow.Table:
    """Make an Arrow table with a row per event (extra ``[arrow]``).

    The first column is ``event``, the kind. The events of a merged loop, ``(sub_session, event)``, also have
    ``session_id``. A column that an event does not have is null.

    Args:
        events: Events, or a loop over them such as ``session.events(advance=10)``, which is run to its end.
        kind: Only events of this class, or of these; the table then always has the columns of exactly these. Without
            it, the table has the columns of the kinds that occur.

    Raises:
        InvalidParams: Something else than an event, or than a class of events.
        MissingExtra: pyarrow is not installed.
        ProtocolError: The server sent something that does not fit into its column.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra("to_arrow", "arrow") from error
    rows, merged = _rows(events, kind)
    names = (
        [one.__name__ for one in _kinds(kind)] if kind is not None else list(dict.fromkeys(r["event"] for r in rows))
    )
    columns: dict[str, Any] = {"event": "string"}
    if merged:
        columns["session_id"] = "string"
    for name in names:
        columns.update(COLUMNS.get(name, {}))
    for row in rows:
        if row["event"] not in COLUMNS:  # an event class of the caller
            columns.update((name, "json") for name in row if name not in columns)
    return pyarrow.table({name: _column(pyarrow, name, form, rows) for name, form in columns.items()})


def to_pandas(events: Iterable[Event | tuple[Any, Event]], kind: Kind | None = None) -> pandas.DataFrame:
    """Make a pandas data frame with a row per event (extra ``[pandas]``).

    The columns have Arrow types, so that integers stay exact where values are missing. The arguments are those of
    :func:`to_arrow`.
    """
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra("to_pandas", "pandas") from error
    frame: pandas.DataFrame = to_arrow(events, kind).to_pandas(types_mapper=pandas.ArrowDtype)
    return frame


def to_polars(events: Iterable[Event | tuple[Any, Event]], kind: Kind | None = None) -> polars.DataFrame:
    """Make a Polars data frame with a row per event (extra ``[polars]``).

    The arguments are those of :func:`to_arrow`.
    """
    try:
        import polars
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra("to_polars", "polars") from error
    frame = polars.from_arrow(to_arrow(events, kind))
    assert isinstance(frame, polars.DataFrame)
    return frame


def _kinds(kind: Any) -> tuple[type[Event], ...]:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not all(isinstance(one, type) and issubclass(one, Event) for one in kinds):
        raise InvalidParams("kind", kind, "must be a class of events, such as simsync.Transaction, or a tuple of them")
    return kinds


def _rows(events: Iterable[Any], kind: Kind | None) -> tuple[list[dict[str, Any]], bool]:
    """The row of each event of this kind, and whether they are those of a merged loop."""
    kinds = (Event,) if kind is None else _kinds(kind)
    if not isinstance(events, Iterable) or isinstance(events, (str, bytes, Mapping)):
        raise InvalidParams("events", events, "must be events, such as session.events(advance=10)")
    rows = []
    merged = False
    for index, item in enumerate(events):
        session, event = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        if not isinstance(event, Event):
            raise InvalidParams(f"events[{index}]", item, "must be an event, or a pair of a session and an event")
        merged = merged or session is not None
        if isinstance(event, kinds):
            row = event.to_dict()
            if session is not None:
                row.setdefault("session_id", session.session_id)
            rows.append(row)
    return rows, merged


def _column(pyarrow: Any, name: str, form: Any, rows: list[dict[str, Any]]) -> Any:
    values = [row.get(name) for row in rows]
    if form == "json":
        values = [None if value is None else json.dumps(value, separators=(",", ":")) for value in values]
    elif form == "text":
        values = [None if value is None else str(value) for value in values]
    try:
        return pyarrow.array(values, _type(pyarrow, form))
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"the column {name} cannot hold what the server sent: {error}", values) from error


def _type(pyarrow: Any, form: Any) -> Any:
    if isinstance(form, Mapping):
        return pyarrow.struct([(name, _type(pyarrow, part)) for name, part in form.items()])
    if isinstance(form, list):
        return pyarrow.list_(_type(pyarrow, form[0]))
    return getattr(pyarrow, {"json": "string", "text": "string", "bool": "bool_"}.get(form, form))()
