"""Events that are delivered together, with their sequence numbers."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from simsync.events import Event


class EventBatch:
    """A list of events and the iterator that delivers them; what the caller has not taken stays in the iterator.

    ``first``: the sequence number of the first event, None if no event has a number. ``step``: 1 if the numbers of the
    following events count up from there, 0 if all events go by ``first``, because they carry no numbers of their own.
    """

    __slots__ = ("events", "first", "is_last", "iterator", "previous", "step")

    def __init__(self, events: list[Event], first: int | None = None, step: int = 0, *, is_last: bool = False) -> None:
        self.events = events
        self.iterator = iter(events)
        self.first = first
        self.step = step
        self.is_last = is_last
        self.previous: int | None = None
        """The last number that was delivered before this batch."""

    @property
    def left(self) -> int:
        """How many events the caller has not taken yet."""
        return operator.length_hint(self.iterator)

    @property
    def last_sequence(self) -> int | None:
        """The number of the last event that the caller has taken."""
        taken = len(self.events) - self.left
        if not taken or self.first is None:
            return self.previous
        return self.first + (taken - 1) * self.step

    def split_off_last(self) -> EventBatch:
        """Take the last event out of the list, into a batch that ends the session."""
        number = None if self.first is None else self.first + (len(self.events) - 1) * self.step
        return EventBatch([self.events.pop()], number, is_last=True)

    def one_by_one(self) -> Iterator[EventBatch]:
        """A batch for each event."""
        for index, event in enumerate(self.events):
            yield EventBatch([event], None if self.first is None else self.first + index * self.step, self.step)

    def cut_short(self) -> None:
        """Drop what the caller has not taken. A loop that runs over the iterator ends."""
        del self.events[len(self.events) - self.left :]

    def delivered(self) -> None:
        """The caller has taken everything and asks for more."""
