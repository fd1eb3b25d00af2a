"""The choices where the vendor's wire format is not known: one object, each choice replaceable.

``docs/compatibility.md`` lists every guess with its certainty. A choice that turns out wrong is corrected here, or by
the user: ``Options(dialect=Dialect(nested_continue=False))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from simsync.errors import InvalidParams
from simsync.events import BacktestError
from simsync.params import checks
from simsync.wire import server_errors
from simsync.wire.spelling import fold
from simsync.wire.streams import STREAMS, StreamRow

_END_KEYS = frozenset(("completed", "done", "eof", "endofstream"))
_END_SUFFIXES = ("Completed", "Complete", "End")


def ends_stream(method: str, result: Any) -> bool:
    """Is this notification the last one of its subscription? (A guess: the form of the terminal is not documented.)

    True for a result object with a truthy ``completed``, ``done``, ``eof`` or ``endOfStream``, and for a method name
    that ends in ``Completed``, ``Complete`` or ``End``.
    """
    if method.endswith(_END_SUFFIXES):
        return True
    # Only small objects are looked at: no known payload has such a key, and a transaction has many.
    if not isinstance(result, Mapping) or len(result) > 4:
        return False
    return any(value and fold(key) in _END_KEYS for key, value in result.items())


_CAPACITY_WORDS = ("capacity", "busy", "overload", "too many", "try again", "unavailable")


def is_capacity(_code: int, message: str) -> bool:
    """Does a refused subscribe sound as if it would succeed later? (A guess: by its words.)"""
    return any(word in message.lower() for word in _CAPACITY_WORDS)


@dataclass(frozen=True)
class Dialect:
    """How to read and write what is not documented.

    ``nested_continue``: put the continue of a sub-session under ``request`` (True) or beside the session id.
    ``both_id_spellings``: send ``session_id`` and ``sessionId`` where the spelling is uncertain; unknown keys are
    believed to be ignored. ``inline_case``: the spelling of the keys of attach requests, and of the session id where
    only one is sent: ``snake`` or ``camel``. ``is_terminal``: which errors make going on pointless. ``ends_stream``:
    which notification ends a subscription. ``is_capacity``: which refusals of a subscribe pass by themselves.
    ``streams``: the table of subscriptions.
    """

    nested_continue: bool = True
    both_id_spellings: bool = True
    inline_case: str = "snake"
    is_terminal: Callable[[BacktestError], bool] = server_errors.is_terminal
    ends_stream: Callable[[str, Any], bool] = ends_stream
    is_capacity: Callable[[int, str], bool] = is_capacity
    streams: Mapping[str, StreamRow] = field(default_factory=lambda: STREAMS, repr=False)

    def __post_init__(self) -> None:
        for name in ("nested_continue", "both_id_spellings"):
            checks.flag(name, getattr(self, name))
        if self.inline_case not in ("snake", "camel"):
            raise InvalidParams("inline_case", self.inline_case, "must be 'snake' or 'camel'")
        for name in ("is_terminal", "ends_stream", "is_capacity"):
            if not callable(getattr(self, name)):
                raise InvalidParams(name, getattr(self, name), "must be a function")
        rows = checks.mapping("streams", self.streams)
        if not set(STREAMS) <= set(rows) or not all(isinstance(row, StreamRow) for row in rows.values()):
            raise InvalidParams("streams", rows, f"must have a StreamRow for each of {', '.join(STREAMS)}")
