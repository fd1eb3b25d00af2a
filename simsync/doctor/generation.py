"""Which generation of servers a capture shows, as far as messages differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from simsync.doctor.capture import Record
from simsync.doctor.fields import field, fold

EXAMPLES = (13, 14, 23, 28)
"""The minor versions that stand for the generations, oldest first."""
_LISTS_UNTIL = 13


class Generation(NamedTuple):
    """The minor versions that a server may be of; None where the capture does not tell."""

    least: Optional[int]
    most: Optional[int]

    @property
    def words(self) -> str:
        """One sentence: what the server is, and what to set."""
        if self.least is None and self.most is None:
            return "The capture does not tell the generation of this server."
        span = f"from 0.{self.least} on" if self.most is None else f"at most 0.{self.most}"
        if self.least is not None and self.most is not None:
            span = f"0.{self.least} to 0.{self.most}" if self.least < self.most else f"0.{self.least}"
        fitting = [one for one in EXAMPLES if (self.least or 0) <= one <= (self.most or one)]
        if not fitting:
            return f"This server is of the generation {span}."
        setting = f'Options(dialect=Dialect.for_generation("0.{fitting[-1]}"))'
        return f"This server is of the generation {span}: set {setting}."


def generation_of(records: Iterable[Record]) -> Generation:
    """The generation that the messages of a capture show.

    Args:
        records: The lines of the capture.
    """
    least, most = 0, 99
    for since, until in _hints(list(records)):
        least, most = max(least, since), min(most, until)
    if least > most:
        return Generation(None, None)  # they contradict each other
    return Generation(least or None, None if most == 99 else most)


def _hints(records: list[Record]) -> Iterator[tuple[int, int]]:
    """Pairs of the first and last minor version that know something that was seen."""
    lists_sent: set[int] = set()
    for record in records:
        method = fold(str(field(record.message, "method") or ""))
        if record.direction == "sent":
            if method == "createbacktestsession" and _has_lists(record.message):
                lists_sent.add(record.connection)
            continue
        yield from _of_message(method, record.message)
        if record.connection in lists_sent and method in ("sessioncreated", "error"):
            lists_sent.discard(record.connection)
            if method == "sessioncreated":
                yield 11, _LISTS_UNTIL


def _of_message(method: str, message: object) -> Iterator[tuple[int, int]]:
    params = field(message, "params")
    event = field(params, "event")
    kind = fold(str(field(event, "method") or method))
    content = field(event, "params") if event is not None else params
    if method == "sessioncreated" and isinstance(params, dict) and "taskid" in map(fold, params):
        yield 13, 99
    if method in ("sessionscreated", "sessioneventv1"):
        yield 0, 22
    if kind == "discoverybatch" and isinstance(content, dict) and "transactionindices" in map(fold, content):
        yield 28, 99
    summary = field(content, "summary") if kind == "completed" else None
    if isinstance(summary, dict) and "unsanitizable" in map(fold, summary):
        yield 23, 99


def _has_lists(message: object) -> bool:
    actions = field(message, "params", "actions")
    return isinstance(actions, list) and any(isinstance(field(one, "transactions"), list) for one in actions)
