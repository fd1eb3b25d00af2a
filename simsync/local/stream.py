"""The events of one session that subscriptions read, in order, kept for a number of slots."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple, Union

from simsync.local.action_result import ActionResult
from simsync.local.executed import AccountsOverridden, ExecutedTransaction, RecordedTransaction

if TYPE_CHECKING:
    from collections.abc import Callable


class SlotBegun(NamedTuple):
    """The block of a slot begins; its :class:`SlotShown` follows when it is done."""

    slot: int


class SlotShown(NamedTuple):
    """A slot was executed; ``parent`` is the slot of the block before, ``root`` the last final one."""

    slot: int
    parent: int
    root: int


StreamItem = Union[SlotBegun, SlotShown, ExecutedTransaction, RecordedTransaction, AccountsOverridden, ActionResult]
_SLOTS = (SlotBegun, SlotShown)


class Stream:
    """A list that grows at the end and is cut at the front.

    Positions count from the first item ever added, so they stay valid when old items go. Items of the last ``slots``
    slots are kept for replay; older ones stay as long as a reader has not passed them.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._items: list[StreamItem] = []
        self._first = 0
        self._slot_starts: list[tuple[int, int]] = []
        self._replay_from = 0
        self._forgot = False
        self._readers: set[StreamReader] = set()
        self._listeners: set[Callable[[], None]] = set()
        self.finished = False

    @property
    def end(self) -> int:
        """The position behind the last item."""
        return self._first + len(self._items)

    def add(self, item: StreamItem) -> None:
        """Append an item; its slot is not below that of the item before."""
        if not self._slot_starts or item.slot > self._slot_starts[-1][0]:
            self._slot_starts.append((item.slot, self.end))
            if len(self._slot_starts) > self._slots:
                del self._slot_starts[: -self._slots]
                self._forgot = True
            self._replay_from = self._slot_starts[0][1]
            self._cut()
        self._items.append(item)

    def wake(self) -> None:
        """Tell the listeners that there is something to read."""
        for listener in self._listeners:
            listener()

    def finish(self) -> None:
        """Nothing follows any more."""
        self.finished = True
        self.wake()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)

    def reader(self, from_slot: int | None) -> StreamReader:
        """Return a reader that starts with the first kept item of ``from_slot`` or later, by default the oldest."""
        position = self._replay_from
        if from_slot is not None:
            index = bisect_left(self._slot_starts, (from_slot, -1))
            position = self._slot_starts[index][1] if index < len(self._slot_starts) else self.end
        reader = StreamReader(self, position)
        self._readers.add(reader)
        return reader

    def oldest_after(self, slot: int) -> int | None:
        """Return the oldest kept slot if there was something between ``slot`` and that, which is gone; else None."""
        oldest = self._slot_starts[0][0] if self._slot_starts else 0
        return oldest if self._forgot and slot < oldest else None

    def drop_reader(self, reader: StreamReader) -> None:
        self._readers.discard(reader)

    def slice(self, position: int, limit: int) -> list[StreamItem]:
        start = position - self._first
        return self._items[start : start + limit]

    def _cut(self) -> None:
        needed = min([self._replay_from, *(reader.position for reader in self._readers)])
        count = needed - self._first
        if count <= 0:
            return
        for item in self._items[:count]:
            if not isinstance(item, _SLOTS):
                item.forget_encoded()
        del self._items[:count]
        self._first = needed


class StreamReader:
    """The place of one subscription in a stream."""

    __slots__ = ("_stream", "position")

    def __init__(self, stream: Stream, position: int) -> None:
        self._stream = stream
        self.position = position

    def read(self, limit: int) -> list[StreamItem]:
        """Return up to ``limit`` further items and move behind them."""
        items = self._stream.slice(self.position, limit)
        self.position += len(items)
        return items

    @property
    def at_end(self) -> bool:
        """Everything was read and nothing will follow."""
        return self._stream.finished and self.position >= self._stream.end

    def close(self) -> None:
        self._stream.drop_reader(self)
