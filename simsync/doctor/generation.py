"""Which generation of servers a capture shows, as far as messages differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from simsync import Dialect
from simsync.doctor.capture import Record
from simsync.doctor.fields import field, fold

_NEWEST = 99
_LAST_LISTS = 13


class Sign(NamedTuple):
    """Something in a capture that only servers of some minor versions show; both bounds are included."""

    what: str
    since: int
    until: int

    @property
    def versions(self) -> str:
        """The versions in words."""
        return _span(self.since or None, None if self.until == _NEWEST else self.until)


_TASK_ID = Sign("`sessionCreated` has a `task_id`", 13, _NEWEST)
_FIRST_PARALLEL = Sign("`sessionsCreated` or `sessionEventV1`", 0, 22)
_UNSANITIZABLE = Sign("the summary in `completed` has `unsanitizable`", 23, _NEWEST)
_INDICES = Sign("`discoveryBatch` has `transactionIndices`", 28, _NEWEST)
_ONE = Sign("an action with one `transaction` is accepted", 10, 10)
_LISTS = Sign("an action with a list of `transactions` is accepted", 11, _LAST_LISTS)
_NO_LISTS = Sign(
    "every list of `transactions` is rejected, and another sign says 0.11 or newer", _LAST_LISTS + 1, _NEWEST
)
_OVERRIDES = Sign("an action with nothing but `accountOverrides` is accepted", 18, _NEWEST)
_EVERY = Sign("an action at every n slots is accepted", 23, _NEWEST)
_NO_EVERY = Sign("only the anchor at every n slots makes the server reject such an action", 0, 22)
SIGNS = (_TASK_ID, _FIRST_PARALLEL, _UNSANITIZABLE, _INDICES, _ONE, _LISTS, _NO_LISTS, _OVERRIDES, _EVERY, _NO_EVERY)


def _span(least: int | None, most: int | None) -> str:
    if least is None:
        return f"at most 0.{most}"
    if most is None:
        return f"from 0.{least} on"
    return f"0.{least} to 0.{most}" if least < most else f"0.{least}"


class Generation(NamedTuple):
    """The minor versions that a server may be of; None where the capture does not tell."""

    least: Optional[int]
    most: Optional[int]

    def advice(self, dialect: Dialect | None = None) -> str:
        """What the server is, and what to set.

        Args:
            dialect: The one in use; by default one without a generation.
        """
        if self.least is None and self.most is None:
            return "The capture does not tell the generation of this server."
        server = f"This server is of the generation {_span(self.least, self.most)}"
        generation, minor = (dialect.generation, dialect.minor) if dialect is not None else (None, None)
        if minor is not None and (self.least or 0) <= minor <= (self.most or _NEWEST):
            return f'{server}; "{generation}" is set, which fits{self._unproven()}.'
        wrong = "" if minor is None else f'; "{generation}" is set, which is wrong'
        if self.least is None:
            return f"{server}{wrong}; which one, the capture does not tell."
        if self._unproven():
            return f"{server}{wrong}{self._unproven()}. So set no generation: then simsync warns of lists."
        # The oldest that fits: a newer one would be asked for what this server may not know.
        return f'{server}{wrong}: set Options(dialect=Dialect.for_generation("0.{self.least}")).'

    def _unproven(self) -> str:
        if (self.least or 0) <= _LAST_LISTS < (self.most or _NEWEST):
            return "; whether it takes lists of transactions is unproven"
        return ""


class _Create(NamedTuple):
    """What a create request needs a server to know."""

    lists: bool
    single: bool
    only_overrides: bool
    every: bool


def generation_of(records: Iterable[Record]) -> Generation:
    """The generation that the messages of a capture show.

    Args:
        records: The lines of the capture.
    """
    accepted: list[_Create] = []
    refused: list[_Create] = []
    signs = [*_of_messages(records, accepted, refused)]
    signs += _of_creates(accepted, refused)
    if any(sign.since >= _LISTS.since for sign in signs) and _refuses_lists(accepted, refused):
        signs.append(_NO_LISTS)
    least = max((sign.since for sign in signs), default=0)
    most = min((sign.until for sign in signs), default=_NEWEST)
    if least > most:
        return Generation(None, None)  # they contradict each other
    return Generation(least or None, None if most == _NEWEST else most)


def _of_messages(records: Iterable[Record], accepted: list[_Create], refused: list[_Create]) -> Iterator[Sign]:
    """The signs in the received messages; sorts the creates by their answers."""
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
    single = [field(one, "transaction") for one in listed]
    anchors = [fold(str(field(one, "anchor"))) for one in listed]
    return _Create(
        any(isinstance(one, list) and one for one in transactions),
        any(single),
        any(not several and not one for several, one in zip(transactions, single)),
        any("everyslot" in anchor for anchor in anchors),
    )


def _of_creates(accepted: list[_Create], refused: list[_Create]) -> Iterator[Sign]:
    for create in accepted:
        if create.lists:
            yield _LISTS
        if create.single:
            yield _ONE
        if create.only_overrides:
            yield _OVERRIDES
        if create.every:
            yield _EVERY
    # With and without the anchor, everything else being equal.
    if _Create(False, False, True, False) in accepted and _Create(False, False, True, True) in refused:
        yield _NO_EVERY


def _refuses_lists(accepted: list[_Create], refused: list[_Create]) -> bool:
    return bool(accepted) and not any(one.lists for one in accepted) and any(one.lists for one in refused)


def _of_message(method: str, message: object) -> Iterator[Sign]:
    params = field(message, "params")
    event = field(params, "event")
    kind = fold(str(field(event, "method") or method))
    content = field(event, "params") if event is not None else params
    if method == "sessioncreated" and isinstance(params, dict) and "taskid" in map(fold, params):
        yield _TASK_ID
    if method in ("sessionscreated", "sessioneventv1"):
        yield _FIRST_PARALLEL
    if kind == "discoverybatch" and isinstance(content, dict) and "transactionindices" in map(fold, content):
        yield _INDICES
    summary = field(content, "summary") if kind == "completed" else None
    if isinstance(summary, dict) and "unsanitizable" in map(fold, summary):
        yield _UNSANITIZABLE
