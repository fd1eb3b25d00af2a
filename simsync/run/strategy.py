"""Strategies: functions of the caller that drive the sessions of a recorded run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, Optional, SupportsIndex, Union

from simsync.errors import InvalidParams, SimsyncError
from simsync.events import Event
from simsync.params import checks
from simsync.run.record_file import json_text
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.sub_session import SubSession

Session = Union[BacktestSession, SubSession]


class StrategyFailed(SimsyncError):
    """A strategy raised an exception, which is the ``__cause__``.

    What to do: correct the strategy, then resume the recording (``--resume``).
    """


class RecordedSession:
    """The session that a strategy gets. Every event it receives is recorded.

    Events come from :meth:`events`, :meth:`next_event` and :meth:`pending`, or from iterating. Continues, steps,
    ``rpc``, ``modify_accounts`` and everything else are those of :class:`simsync.SubSession` or
    :class:`simsync.BacktestSession`.

    Attributes:
        resumed_after: The last executed slot of a session that a killed run has left and that is continued now; the
            strategy is called again, and what it kept in memory is gone. None for a session that begins.
    """

    def __init__(
        self,
        session: Session,
        take: Callable[[Event], object],
        record: Callable[[str, Mapping[str, object]], object],
        resumed_after: Optional[int] = None,
    ) -> None:
        self.resumed_after = resumed_after
        self._session, self._take, self._record = session, take, record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    def events(
        self, timeout: Optional[checks.Number] = None, advance: Optional[SupportsIndex] = None
    ) -> Iterator[Event]:
        """Like :meth:`simsync.SubSession.events`; each event is recorded before it is yielded.

        Args:
            timeout: Seconds to wait for an event; None waits without a limit.
            advance: Blocks per continue; None sends no continues.

        Returns:
            An iterator over the events.
        """
        return self._recorded(self._session.events(timeout, advance))

    def next_event(self, timeout: Optional[checks.Number] = None) -> Event:
        """Like :meth:`simsync.SubSession.next_event`; the event is recorded.

        Args:
            timeout: Seconds to wait for it; None waits without a limit.

        Returns:
            The next event.
        """
        event = self._session.next_event(timeout)
        self._take(event)
        return event

    def pending(self) -> Iterator[Event]:
        """Like :meth:`simsync.SubSession.pending`; each event is recorded before it is yielded.

        Returns:
            An iterator over the events that have arrived; it does not wait.
        """
        return self._recorded(self._session.pending())

    def record(self, kind: str, data: Mapping[str, object]) -> None:
        """Write a record of your own to the file. The id of the session is added.

        Args:
            kind: A name that simsync does not use for its own records.
            data: The content, as JSON values.

        Raises:
            InvalidParams: The kind is one of simsync's own or no name, or the data is no object of JSON values.
            OSError: The file cannot be written.
        """
        if not isinstance(kind, str) or not kind.strip():
            raise InvalidParams("kind", kind, "must be a name")
        if not isinstance(data, Mapping):
            raise InvalidParams("data", data, "must be a mapping from names to JSON values")
        try:
            json_text(data, strict=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidParams("data", data, f"cannot be recorded as JSON ({error})") from error
        self._record(kind, data)

    def _recorded(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            # Before the caller sees it: a strategy that raises or stops here must not leave a gap in the file.
            self._take(event)
            yield event


Strategy = Callable[[RecordedSession], object]
"""Called once for each session, each in its own thread; what it leaves of the range is run to the end."""


def load_strategy(text: str) -> Strategy:
    """Import a strategy by its name.

    Args:
        text: ``module:function``. Modules of the working directory are found too.

    Returns:
        The function.

    Raises:
        InvalidParams: The name is not valid, or importing failed; the exception of the import is the ``__cause__``.
    """
    module_name, colon, name = text.partition(":")
    if not (module_name and colon and name):
        raise InvalidParams("strategy", text, "must be module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module_name)
    except SystemExit as error:
        rule = 'ends the program when it is imported; put what runs as a script behind `if __name__ == "__main__":`'
        raise InvalidParams("strategy", text, rule) from error
    except Exception as error:
        raise InvalidParams("strategy", text, f"cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(found, name, None)
    if not callable(function):
        raise InvalidParams("strategy", text, f"module {module_name} has no function {name}")
    strategy: Strategy = function
    return strategy
