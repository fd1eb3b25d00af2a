"""Which generation of servers a capture shows, as far as messages differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from simsync.doctor.capture import Record
from simsync.doctor.fields import field, fold

EXAMPLES = (13, 14, 23, 28)
"""The minor versions that stand for the generations, oldest first."""
_FIRST_LISTS, _LAST_LISTS = 11, 13
_ONLY_OVERRIDES = 18
_EVERY_N_SLOTS = 23
_NEWEST = 99


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
        if self.least is None:
            return f"This server is of the generation {span}; which one, the capture does not tell."
        # The oldest that fits: a newer one would be asked for what this server may not know.
        fitting = [one for one in EXAMPLES if self.least <= one <= (self.most or one)]
        setting = f'Options(dialect=Dialect.for_generation("0.{fitting[0] if fitting else self.least}"))'
        return f"This server is of the generation {span}: set {setting}."


class _Create(NamedTuple):
    """What a create request needs a server to know."""

    lists: bool
    only_overrides: bool
    every: bool


def generation_of(records: Iterable[Record]) -> Generation:
    """The generation that the messages of a capture show.

    Args:
        records: The lines of the capture.
    """
    accepted: list[_Create] = []
    refused: list[_Create] = []
    least, most = 0, _NEWEST
    for since, until in _of_messages(records, accepted, refused):
        least, most = max(least, since), min(most, until)
    for since, until in _of_creates(accepted, refused):
        least, most = max(least, since), min(most, until)
    if least in range(_FIRST_LISTS, _LAST_LISTS + 1) and _refuses_lists(accepted, refused):
        least = _LAST_LISTS + 1
    if least > most:
        return Generation(None, None)  # they contradict each other
    return Generation(least or None, None if most == _NEWEST else most)


def _of_messages(
    records: Iterable[Record], accepted: list[_Create], refused: list[_Create]
) -> Iterator[tuple[int, int]]:
    """The first and last minor version that know each received message; sorts the creates by their answers."""
    pending: dict[int, _Create] = {}
    for record in records:
        method = fold(str(field(record.message, "method") or ""))
        if record.direction == "sent":
            if method == "createbacktestsession":
                pending[record.connection] = _needs(field(record.message, "params", "actions"))
            continue
        yield from _of_message(method, record.message)
        if record.connection in pending and method in ("sessioncreated", "error"):
            (accepted if method == "sessioncreated" else refused).append(pending.pop(record.connection))


def _needs(actions: object) -> _Create:
    listed = actions if isinstance(actions, list) else []
    transactions = [field(one, "transactions") for one in listed]
    anchors = [fold(str(field(one, "anchor"))) for one in listed]
    return _Create(
        any(isinstance(one, list) and one for one in transactions),
        any(not one for one in transactions),
        any("everyslot" in anchor for anchor in anchors),
    )


def _of_creates(accepted: list[_Create], refused: list[_Create]) -> Iterator[tuple[int, int]]:
    for create in accepted:
        if create.lists:
            yield _FIRST_LISTS, _LAST_LISTS
        if create.only_overrides:
            yield _ONLY_OVERRIDES, _NEWEST
        if create.every:
            yield _EVERY_N_SLOTS, _NEWEST
    # With and without the anchor, everything else being equal.
    if _Create(False, True, False) in accepted and _Create(False, True, True) in refused:
        yield 0, _EVERY_N_SLOTS - 1


def _refuses_lists(accepted: list[_Create], refused: list[_Create]) -> bool:
    return bool(accepted) and not any(one.lists for one in accepted) and any(one.lists for one in refused)


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
