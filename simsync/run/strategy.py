"""Strategies: functions of the caller that drive the sessions of a recorded run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any, Callable, Optional, SupportsIndex, Union

from simsync.errors import InvalidParams, SimsyncError
from simsync.events import Event
from simsync.params import checks
from simsync.run.plain_values import plain_value
from simsync.run.record_json import json_text
from simsync.run_summary import run_summary
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.collected import Collected, Gathering, OnEvent, nothing_left
from simsync.sessions.event_stream import EventStream
from simsync.sessions.sub_session import SubSession

Session = Union[BacktestSession, SubSession]
Take = Callable[[Event], object]


class StrategyFailed(SimsyncError):
    """A strategy raised an exception, which is the ``__cause__``.

    What to do: correct the strategy, then resume the recording (``--resume``).
    """


class RecordedEvents(Iterator[Event]):
    """A loop of a strategy over the events of its session; each is recorded before it is delivered.

    A strategy that raises or stops at an event leaves no gap in the file. Like the loop of the session, it may be left
    and entered again.
    """

    def __init__(self, events: EventStream, take: Take) -> None:
        self._events, self._take = events, take

    @property
    def slots(self) -> Optional[int]:
        """Number of slots in the range of the session; None for one that was attached without its ``create``."""
        return self._events.slots

    def __iter__(self) -> Iterator[Event]:
        return _recorded(self._events, self._take)

    def __next__(self) -> Event:
        event = next(self._events)
        self._take(event)
        return event


def _recorded(events: Iterator[Event], take: Take) -> Iterator[Event]:
    for event in events:
        take(event)
        yield event


class RecordedSession:
    """The session that a strategy gets. Every event it receives is recorded.

    Events come from :meth:`events`, :meth:`next_event`, :meth:`pending` and :meth:`collect`, or from iterating.
    Continues, steps, ``rpc``, ``modify_accounts`` and everything else are those of :class:`simsync.SubSession` or
    :class:`simsync.BacktestSession`, except for ``queue``: what is taken from it would not be recorded.

    Attributes:
        resumed_after: The last executed slot of a session that a killed run has left and that is continued now; the
            strategy is called again, and what it kept in memory is gone. None for a session that begins.
    """

    def __init__(
        self,
        session: Session,
        take: Take,
        record: Callable[[str, Mapping[str, object]], object],
        reconnects: Callable[[], int],
        resumed_after: Optional[int] = None,
    ) -> None:
        self.resumed_after = resumed_after
        self._session, self._take, self._record, self._reconnects = session, take, record, reconnects
        self._gathering: Gathering[RecordedSession] = Gathering()

    def __getattr__(self, name: str) -> Any:
        if name == "queue":
            raise AttributeError(
                "the session of a strategy has no queue, because what is taken from it would not be recorded; take"
                " events with events(), next_event(), pending() or collect()"
            )
        if name.startswith("_") and not name.endswith("_"):
            raise AttributeError(f"the session of a strategy has no attribute {name}")
        return getattr(self._session, name)

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    def events(
        self,
        timeout: Optional[checks.Number] = None,
        advance: Optional[SupportsIndex] = None,
        *,
        deadline: Optional[checks.Number] = None,
    ) -> RecordedEvents:
        """Like :meth:`simsync.SubSession.events`; each event is recorded before it is delivered.

        Args:
            timeout: Seconds to wait for each event; None waits without a limit.
            advance: Blocks per continue; None sends no continues.
            deadline: Seconds for the whole loop, counted from this call; None has no limit.

        Returns:
            An iterator over the events.
        """
        return RecordedEvents(self._session.events(timeout, advance, deadline=deadline), self._take)

    def collect(
        self,
        *,
        advance: SupportsIndex = 100,
        timeout: Optional[checks.Number] = None,
        deadline: Optional[checks.Number] = None,
        on_progress: Optional[OnEvent[RecordedSession]] = None,
    ) -> Collected[RecordedSession]:
        """Like :meth:`simsync.SubSession.collect`; each event is recorded.

        Args:
            advance: Blocks per continue.
            timeout: Seconds to wait for each event; None waits without a limit.
            deadline: Seconds for the whole run; None has no limit.
            on_progress: Called with this session and each event, as it comes.

        Returns:
            The events, and whether they are complete.

        Raises:
            ControlClosed: ``Completed`` was delivered before, so there is nothing to collect.
        """
        if self._session.queue.is_finished and not self._gathering:
            raise nothing_left(self.session_id)
        events = self.events(timeout, advance, deadline=deadline)
        pairs = self._gathering.run(zip(repeat(self), events), on_progress)
        completion = self._session.completion
        sent = None if completion is None else completion.summary
        return Collected(pairs, run_summary([self._session.coverage], [sent], self._reconnects()))

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
        """Like :meth:`simsync.SubSession.pending`; each event is recorded before it is delivered.

        Returns:
            An iterator over the events that have arrived; it does not wait.
        """
        return _recorded(self._session.pending(), self._take)

    def record(self, kind: str, data: Mapping[str, object]) -> None:
        """Write a record of your own to the file. The id of the session is added.

        Args:
            kind: A name that simsync does not use for its own records.
            data: The content, as JSON values; numbers of numpy and addresses of solders are accepted too.

        Raises:
            InvalidParams: The kind is one of simsync's own or not a name, or the data is not an object of JSON values.
            OSError: The file cannot be written.
        """
        if not isinstance(kind, str) or not kind.strip():
            raise InvalidParams("kind", kind, "must be a name")
        if not isinstance(data, Mapping):
            raise InvalidParams("data", data, "must be a mapping from names to JSON values")
        try:
            record = plain_value("data", data)
            json_text(record, strict=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidParams("data", data, f"cannot be recorded as JSON ({error})") from error
        self._record(kind, record)


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
