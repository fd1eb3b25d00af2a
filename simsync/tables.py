"""Tables of events: Arrow, and from it pandas and Polars. Slots and lamports stay exact integers.

    table = simsync.to_pandas(session.events(advance=100), simsync.Transaction)

The columns of each kind of event are in :data:`COLUMNS`; ``docs/reference/events.md`` describes them.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Union

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
    "DiscoveryBatch": {
        "slot": "uint64",
        "batch_index": "int64",
        "matched": "json",
        "transactions": "json",
        "transaction_indices": ["int64"],
    },
    "Status": {"status": "string"},
    "SessionError": {"error": "json", "error_text": "string", "name": "string", "terminal": "bool"},
    "Completed": {"summary": "json", "agent_stats": "json"},
    "Created": {"session_id": "string", "task_id": "string"},
    "UnknownEvent": {"kind": "string", "content": "json"},
}
"""Columns and their types by kind of event: the name of an Arrow type, ``json`` or ``text`` (any value, as text), a
mapping for a struct, a list of one type for a list. Columns with one name have one type in a table."""

_WHOLE = re.compile(r"-?\d{1,20}", re.ASCII)


def to_arrow(events: Iterable[Event | tuple[object, Event]], kind: Kind | None = None) -> pyarrow.Table:
    """Make an Arrow table with a row per event (extra ``[arrow]``).

    The first column is ``event``, the kind. The events of a merged loop, ``(sub_session, event)``, also have
    ``session_id``. A column that an event does not have is null.

    Args:
        events: Events, or a loop over them such as ``session.events(advance=10)``, which is run to its end.
        kind: Only events of this class, or of these; the table then always has the columns of exactly these. Without
            it, the table has the columns of the kinds that occur. So it has for a base class, such as
            ``simsync.Event``.

    Raises:
        InvalidParams: Something other than an event, or than a class of events.
        MissingExtra: pyarrow is not installed.
        ProtocolError: The server sent something that does not fit into its column. The message names row and column.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra("to_arrow", "arrow") from error
    rows, merged = _rows(events, kind)
    columns: dict[str, Any] = {"event": "string"}
    if merged:
        columns["session_id"] = "string"
    for one in _classes(kind, rows):
        columns.update((name, form) for name, form in _forms(one).items() if name not in columns)
    for row in rows:
        if row.kind.__name__ not in COLUMNS:  # an event class of the caller
            columns.update((name, "json") for name in row.cells if name not in columns)
    return pyarrow.table({name: _column(pyarrow, name, form, rows) for name, form in columns.items()})


def to_pandas(events: Iterable[Event | tuple[object, Event]], kind: Kind | None = None) -> pandas.DataFrame:
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


def to_polars(events: Iterable[Event | tuple[object, Event]], kind: Kind | None = None) -> polars.DataFrame:
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


def _kinds(kind: object) -> tuple[type[Event], ...]:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not all(isinstance(one, type) and issubclass(one, Event) for one in kinds):
        raise InvalidParams("kind", kind, "must be a class of events, such as simsync.Transaction, or a tuple of them")
    return kinds


class _Row(NamedTuple):
    kind: type[Event]
    cells: dict[str, Any]


def _rows(events: Iterable[object], kind: Kind | None) -> tuple[list[_Row], bool]:
    """The row of each event of this kind, and whether they are those of a merged loop."""
    kinds = (Event,) if kind is None else _kinds(kind)
    if not isinstance(events, Iterable) or isinstance(events, (str, bytes, Mapping)):
        raise InvalidParams("events", events, "must be events, such as session.events(advance=10)")
    rows = []
    merged = False
    for index, item in enumerate(getattr(events, "pairs", events)):  # what collect() returns has both
        session, event = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        session_id = getattr(session, "session_id", None)
        if not isinstance(event, Event) or (session is not None and not isinstance(session_id, str)):
            raise InvalidParams(f"events[{index}]", item, "must be an event, or a pair of a session and an event")
        merged = merged or session is not None
        if isinstance(event, kinds):
            row = event.to_dict()
            if session is not None:
                row.setdefault("session_id", session_id)
            rows.append(_Row(type(event), row))
    return rows, merged


def _classes(kind: Kind | None, rows: list[_Row]) -> list[type[Event]]:
    """The classes whose columns a table has: a base class stands for those of its subclasses that occur."""
    occurring = list(dict.fromkeys(row.kind for row in rows))
    if kind is None:
        return occurring
    return [
        one for given in _kinds(kind) for one in ([given] if _forms(given) else occurring) if issubclass(one, given)
    ]


def _forms(kind: type[Event]) -> Mapping[str, Any]:
    """The columns of a class; a class of the caller has those of the documented class from which it is derived."""
    return next((COLUMNS[one.__name__] for one in kind.__mro__ if one.__name__ in COLUMNS), {})


def _column(pyarrow: Any, name: str, form: Any, rows: list[_Row]) -> Any:
    # Two kinds of events may have a column of one name, one as text and one as JSON: both are strings in a table.
    values = [_cell(row.cells.get(name), _forms(row.kind).get(name, form)) for row in rows]
    column = _type(pyarrow, form)
    try:
        return pyarrow.array(values, column)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
        pass  # one cell after the other, to find the one that does not fit
    cells = []
    for index, (row, value) in enumerate(zip(rows, values)):
        read = _numbers(value, form)
        try:
            cells.append(pyarrow.array([read], column)[0])
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
            where = f"row {index} ({row.kind.__name__}, slot {row.cells.get('slot')})"
            raise ProtocolError(
                f"{where}: the column {name} cannot hold {reprlib.repr(value)}, which the server sent: {error}", value
            ) from error
    return pyarrow.array([cell.as_py() for cell in cells], column)


def _cell(value: object, form: object) -> Any:
    if value is None:
        return None
    if form == "json":
        return json.dumps(value, separators=(",", ":"))
    return str(value) if form == "text" else value


def _numbers(value: Any, form: Any) -> Any:
    """A value in which whole numbers are numbers, also those that the server has sent as text."""
    if isinstance(form, Mapping) and isinstance(value, Mapping):
        return {name: _numbers(value.get(name), part) for name, part in form.items()}
    if isinstance(form, list) and isinstance(value, (list, tuple)):
        return [_numbers(one, form[0]) for one in value]
    whole = isinstance(form, str) and "int" in form and isinstance(value, str) and _WHOLE.fullmatch(value)
    return int(value) if whole else value


def _type(pyarrow: Any, form: Any) -> Any:
    if isinstance(form, Mapping):
        return pyarrow.struct([(name, _type(pyarrow, part)) for name, part in form.items()])
    if isinstance(form, list):
        return pyarrow.list_(_type(pyarrow, form[0]))
    return getattr(pyarrow, {"json": "string", "text": "string", "bool": "bool_"}.get(form, form))()
