"""Events that arrived together, as the queue of a session holds them."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Iterator
from itertools import repeat

from simsync.events import Event
from simsync.runtime.data_buffer import DataBuffer
from simsync.runtime.shared_iterator import shared, undisturbed


class EventBatch:
    """A list of events and the iterator that delivers them; what the caller has not taken stays in the iterator.

    ``first``: the sequence number of the first event, None if no event has a number. ``step``: 1 if the numbers of the
    following events count up from there, 0 if all events go by ``first``, because they carry no numbers of their own.
    """

    __slots__ = ("events", "first", "is_last", "iterator", "previous", "step")

    def __init__(self, events: list[Event], first: int | None = None, step: int = 0, *, is_last: bool = False) -> None:
        self.events = events
        self.iterator: Iterator[Event] = shared(iter(events))
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

    def cut_short(self) -> None:
        """Drop what the caller has not taken. A loop that runs over the iterator ends."""
        with undisturbed(self.iterator):
            del self.events[len(self.events) - self.left :]

    def delivered(self) -> None:
        """The caller has taken everything and asks for more."""


class DataBatch(EventBatch):
    """Events of one subscription. They take up room in its buffer until the caller has taken all of them.

    An event leaves the list when it is taken. What the caller has decoded of it is freed when its loop goes on: many
    decoded transactions at a time would keep the garbage collector busy.
    """

    __slots__ = ("_buffer", "_mark", "_turns")

    def __init__(self, events: list[Event], size: int, buffer: DataBuffer) -> None:
        super().__init__(events)
        events.reverse()
        self._turns = repeat(-1, len(events))
        # In C code, so Ctrl-C cannot come between taking and yielding.
        self.iterator = shared(map(events.pop, self._turns))
        self._buffer = buffer
        self._mark = buffer.add(len(events), size)

    @property
    def left(self) -> int:
        return operator.length_hint(self._turns)

    def cut_short(self) -> None:
        with undisturbed(self.iterator):
            deque(self._turns, 0)

    def delivered(self) -> None:
        # May be called twice, if Ctrl-C came in between: a mark removes the same events each time.
        self._buffer.remove(self._mark)
