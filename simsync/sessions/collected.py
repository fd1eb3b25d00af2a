"""The events of a whole run in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Callable, Generic, TypeVar

from simsync import tables
from simsync.errors import ControlClosed, InvalidParams
from simsync.events import AccountDiff, ActionResult, Event, Transaction
from simsync.html_form import html_table
from simsync.run_summary import RunSummary

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

S = TypeVar("S")
E = TypeVar("E", bound=Event)

OnEvent = Callable[[S, Event], object]


def nothing_left(session_id: str) -> ControlClosed:
    """The refusal of a call that wants further events of a session."""
    return ControlClosed(f"session {session_id} is completed and every event was delivered")


class Gathering(Generic[S]):
    """The events that ``collect()`` has taken. They outlive a call that was interrupted."""

    def __init__(self) -> None:
        self._pairs: list[tuple[S, Event]] = []

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def run(self, events: Iterable[tuple[S, Event]], on_progress: OnEvent[S] | None) -> list[tuple[S, Event]]:
        """Run a loop to its end. Returns what earlier calls have taken, followed by what this one delivered.

        ``on_progress`` is called with each event as it comes.
        """
        if on_progress is not None and not callable(on_progress):
            raise InvalidParams("on_progress", on_progress, "must be a function of (session, event)")
        for pair in events:
            self._pairs.append(pair)
            if on_progress is not None:
                on_progress(*pair)
        pairs, self._pairs = self._pairs, []
        return pairs


class Collected(Generic[S]):
    """What ``collect()`` of a session has received, from its first call to the last event.

    Events that were taken otherwise are not in it, and those of a subscription only from the slots that the
    server still had when it began. All of it is in memory; for long ranges, :func:`simsync.record` writes to a file.

    Attributes:
        pairs: Each event with the (sub-)session that it is from, as they came.
        summary: The totals, and whether the run is complete.
    """

    def __init__(self, pairs: list[tuple[S, Event]], summary: RunSummary) -> None:
        self.pairs = pairs
        self.summary = summary

    def __repr__(self) -> str:
        return f"<Collected {len(self.pairs)} events, {self._state}>"

    def _repr_html_(self) -> str:
        rows = {
            "sessions": self.summary.sessions,
            "slots": self.summary.slots_seen,
            "events": len(self.pairs),
            "transactions": len(self.transactions),
            "failed": len(self.failures),
            "run": self._state,
        }
        return html_table("Collected", rows)

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Event]:
        return (event for _session, event in self.pairs)

    @property
    def _state(self) -> str:
        return "complete" if self.complete else f"INCOMPLETE: {self.incomplete_because}"

    @property
    def complete(self) -> bool:
        """True if every session is proven complete."""
        return self.summary.complete

    @property
    def incomplete_because(self) -> str | None:
        """Why it is not complete; None if it is."""
        return None if self.complete else "; ".join(self.summary.reasons)

    @property
    def events(self) -> list[Event]:
        """All events, as they came."""
        return list(self)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one class, such as ``simsync.Slot``."""
        return [event for event in self if isinstance(event, kind)]

    @property
    def transactions(self) -> list[Transaction]:
        """The transactions, if they were subscribed to."""
        return self.of(Transaction)

    @property
    def failures(self) -> list[Transaction]:
        """The transactions that failed."""
        return [one for one in self.transactions if one.error is not None]

    @property
    def account_diffs(self) -> list[AccountDiff]:
        """The account diffs, if they were subscribed to."""
        return self.of(AccountDiff)

    @property
    def action_results(self) -> list[ActionResult]:
        """The results of scheduled actions, if they were subscribed to."""
        return self.of(ActionResult)

    def to_arrow(self, kind: tables.Kind | None = None) -> pyarrow.Table:
        """The events as :func:`simsync.to_arrow` makes a table of them, with the column ``session_id``."""
        return tables.to_arrow(self.pairs, kind)

    def to_pandas(self, kind: tables.Kind | None = None) -> pandas.DataFrame:
        """The events as :func:`simsync.to_pandas` makes a data frame of them."""
        return tables.to_pandas(self.pairs, kind)

    def to_polars(self, kind: tables.Kind | None = None) -> polars.DataFrame:
        """The events as :func:`simsync.to_polars` makes a data frame of them."""
        return tables.to_polars(self.pairs, kind)
