"""What drives each session of a run: a function of the caller, or nothing but continues."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, Optional, Union

import simsync
from simsync.errors import InvalidParams, SimsyncError

AnySession = Union[simsync.BacktestSession, simsync.SubSession]


class StrategyFailed(SimsyncError):
    """A strategy raised; the exception is the cause."""


class RecordedSession:
    """The session that a strategy gets: everything that it takes is recorded, all else is the session's own.

    Events are taken with :meth:`events`, :meth:`next_event` and :meth:`pending`, or by iterating, as of any session.
    Continues, steps, ``rpc``, ``modify_accounts`` and the rest are those of :class:`simsync.SubSession` or
    :class:`simsync.BacktestSession`.
    """

    def __init__(
        self,
        session: AnySession,
        take: Callable[[simsync.Event], object],
        record: Callable[[str, Mapping[str, Any]], object],
    ) -> None:
        self._session, self._take, self._record = session, take, record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __iter__(self) -> Iterator[simsync.Event]:
        return self.events()

    def events(self, timeout: Optional[float] = None, advance: Optional[int] = None) -> Iterator[simsync.Event]:
        """As :meth:`simsync.SubSession.events`."""
        return self._recorded(self._session.events(timeout, advance))

    def next_event(self, timeout: Optional[float] = None) -> simsync.Event:
        """As :meth:`simsync.SubSession.next_event`."""
        event = self._session.next_event(timeout)
        self._take(event)
        return event

    def pending(self) -> Iterator[simsync.Event]:
        """As :meth:`simsync.SubSession.pending`."""
        return self._recorded(self._session.pending())

    def record(self, kind: str, data: Mapping[str, Any]) -> None:
        """Write a record of your own into the file, with the id of the session. ``data``: whatever JSON can hold."""
        self._record(kind, data)

    def _recorded(self, events: Iterator[simsync.Event]) -> Iterator[simsync.Event]:
        for event in events:
            self._take(event)
            yield event


Strategy = Callable[[RecordedSession], object]
"""Called once for each session, each in a thread of its own; what it leaves of the range is run to the end."""


def load_strategy(text: str) -> Strategy:
    """The function that ``module:function`` names; modules of the working directory are found too.

    Raises InvalidParams, with what was raised on importing as its cause.
    """
    module_name, colon, name = text.partition(":")
    if not (module_name and colon and name):
        raise InvalidParams("strategy", text, "must be module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module_name)
    except Exception as error:
        raise InvalidParams("strategy", text, f"cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(found, name, None)
    if not callable(function):
        raise InvalidParams("strategy", text, f"{module_name} has no function {name}")
    strategy: Strategy = function
    return strategy
