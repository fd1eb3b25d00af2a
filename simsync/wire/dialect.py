"""Replaceable choices for the parts of the wire format that the vendor does not document.

``docs/internals/compatibility.md`` lists every guess with its certainty. A wrong choice is corrected here, or by the
user with ``Options(dialect=Dialect(nested_continue=False))``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from simsync.errors import InvalidParams
from simsync.events import BacktestError
from simsync.params import CreateSession, checks
from simsync.wire import generations, server_errors
from simsync.wire.spelling import fold
from simsync.wire.streams import STREAMS, StreamRow

_UNKNOWN_LIST = (
    "the transactions of scheduled actions are sent as a list, which servers from 0.14 on refuse: name the generation"
    " of yours with Options(dialect=Dialect.for_generation(...))"
)

_END_KEYS = frozenset(("completed", "done", "eof", "endofstream"))
_END_SUFFIXES = ("Completed", "Complete", "End")


# guess: a result that ends a stream
# guess: a method name that ends a stream
def ends_stream(method: str, result: object) -> bool:
    """True if this notification is the last one of its subscription. (A guess: its form is not documented.)

    That is a result object with a truthy ``completed``, ``done``, ``eof`` or ``endOfStream``, or a method name that
    ends in ``Completed``, ``Complete`` or ``End``.
    """
    if method.endswith(_END_SUFFIXES):
        return True
    # Only small objects are examined: no known payload has such a key, and a transaction has many keys.
    if not isinstance(result, Mapping) or len(result) > 4:
        return False
    return any(value and fold(key) in _END_KEYS for key, value in result.items())


_CAPACITY_WORDS = ("capacity", "busy", "overload", "too many", "try again", "unavailable")


# guess: rejection for lack of capacity
def is_capacity(_code: int, message: str) -> bool:
    """True if the message of a rejected subscribe suggests that the server is at capacity. (A guess.)"""
    return any(word in message.lower() for word in _CAPACITY_WORDS)


@dataclass(frozen=True)
class Dialect:
    """How to read and write the parts of the wire format that are not documented.

    Args:
        nested_continue: put the fields of a sub-session's continue under ``request`` (True) or beside the session id.
        both_id_spellings: send both ``session_id`` and ``sessionId`` where the spelling is uncertain. The server is
            believed to ignore unknown keys.
        inline_case: the spelling of the keys of attach requests, and of the session id if only one is sent: ``snake``
            or ``camel``.
        is_terminal: takes an error and returns True if the session cannot continue after it.
        ends_stream: takes the method and the result of a notification and returns True if it ends its subscription.
        is_capacity: takes the code and the message of a rejected subscribe and returns True if it should be retried.
        streams: the table of subscriptions, by kind.
        generation: the version of the vendor's crates that the server was built with, such as ``"0.13"``. If it is
            given, requests take the form that it knows, and what it cannot read is rejected before anything is sent.
        action_blob: takes the transactions of an action and returns the text that servers from 0.14 on want instead of
            a list. What is in this text is not documented.

    Raises:
        InvalidParams: a choice is not valid.
    """

    nested_continue: bool = True
    both_id_spellings: bool = True
    inline_case: str = "snake"
    is_terminal: Callable[[BacktestError], bool] = server_errors.is_terminal
    ends_stream: Callable[[str, Any], bool] = ends_stream
    is_capacity: Callable[[int, str], bool] = is_capacity
    streams: Mapping[str, StreamRow] = field(default_factory=lambda: STREAMS, repr=False)
    generation: Optional[str] = None
    action_blob: Optional[Callable[[Sequence[bytes]], str]] = None

    @classmethod
    def for_generation(cls, generation: str, **choices: Any) -> Dialect:
        """The dialect of servers of one generation.

        Args:
            generation: the version of the vendor's crates, from ``"0.10"`` on.
            **choices: any other arguments of :class:`Dialect`.

        Raises:
            InvalidParams: it is not such a version, or a choice is not valid.
        """
        generations.minor_version(generation)
        return cls(generation=generation, **choices)

    def __post_init__(self) -> None:
        for name in ("nested_continue", "both_id_spellings"):
            checks.flag(name, getattr(self, name))
        if self.inline_case not in ("snake", "camel"):
            raise InvalidParams("inline_case", self.inline_case, "must be 'snake' or 'camel'")
        for name in ("is_terminal", "ends_stream", "is_capacity"):
            if not callable(getattr(self, name)):
                raise InvalidParams(name, getattr(self, name), "must be a function")
        if self.action_blob is not None and not callable(self.action_blob):
            raise InvalidParams("action_blob", self.action_blob, "must be a function")
        if self.generation is not None:
            generations.minor_version(self.generation)
        rows = checks.mapping("streams", self.streams)
        if not set(STREAMS) <= set(rows) or not all(isinstance(row, StreamRow) for row in rows.values()):
            raise InvalidParams("streams", rows, f"must have a StreamRow for each of {', '.join(STREAMS)}")

    @property
    def minor(self) -> int | None:
        """The minor version of the generation; None if it is not known."""
        return None if self.generation is None else generations.minor_version(self.generation)

    # guess: transactions of an action
    def check_create(self, create: CreateSession) -> str | None:
        """Compare ``create`` with what the server can read.

        Returns:
            A warning, if it depends on the generation whether the server can read it and the generation is not known.

        Raises:
            InvalidParams: the server cannot read it.
        """
        minor = self.minor
        as_mapping = generations.maps_list(create)
        if self.generation is None or minor is None:
            return _UNKNOWN_LIST if as_mapping or generations.sends_list(create) else None
        generations.check(create, self.generation)
        if minor >= generations.BLOB_OF_TRANSACTIONS and self.action_blob is None and generations.sends_list(create):
            raise InvalidParams(
                "actions",
                create.actions,
                f"a server of {self.generation} takes no list of transactions: give transactions= the compressed"
                " text, or Dialect.for_generation(..., action_blob=function) a function that makes it",
            )
        if minor >= generations.BLOB_OF_TRANSACTIONS and as_mapping:
            return f"a plain mapping in actions has a list of transactions, which a server of {self.generation} refuses"
        return None

    def check_method(self, method: object) -> None:
        """Raise InvalidParams if ``method`` subscribes to something that the server is too old for."""
        since = min((row.since for row in self.streams.values() if row.method == method), default=0)
        self.check_subscription(f"`{method}`", since)

    def check_subscription(self, what: str, since: int) -> None:
        """Raise InvalidParams if the server is older than 0.``since``, the first version that has ``what``."""
        minor = self.minor
        if minor is not None and minor < since:
            raise InvalidParams(
                "generation", self.generation, f"does not know {what} (known from 0.{since} on): leave it out"
            )
