"""Delivering each notification once although the server sends some of them again.

After a reconnect everything from the cursor's slot on comes again, and a transaction that two subscribes of one
connection ask for comes twice. Keys need not be unique (signatures are not verified), so repetitions are counted: a
notification is delivered when its stream has seen its key more often than it was delivered.
"""

from __future__ import annotations

from typing import Any

KEPT_SLOTS = 200
"""Slots behind the newest one after which counts are forgotten in any case."""

_Counts = dict[int, dict[Any, int]]


class StreamCursor:
    """Where one subscribe stands.

    ``slot``: the last slot that it delivered, None before the first. ``resume_slot``: where the present connection
    begins, None for everything that the server keeps.
    """

    __slots__ = ("counts", "resume_slot", "slot")

    def __init__(self, from_slot: int | None) -> None:
        self.slot: int | None = None
        self.resume_slot = from_slot
        self.counts: _Counts = {}


class ReplayFilter:
    """Decides for the streams of one connection what is delivered. Outlives the connection."""

    def __init__(self, streams: int, from_slot: int | None = None) -> None:
        self.cursors = [StreamCursor(from_slot) for _ in range(streams)]
        self.dropped = 0
        self._delivered: _Counts = {}

    def reconnected(self) -> None:
        """Everything from each cursor's slot on comes again, that slot included."""
        for cursor in self.cursors:
            if cursor.slot is not None:
                cursor.resume_slot = cursor.slot
            cursor.counts.clear()

    def admit(self, stream: int, slot: int, key: Any) -> bool:
        """Is this notification one that was not delivered yet? Slots of a stream never go back."""
        cursor = self.cursors[stream]
        if cursor.resume_slot is not None and slot < cursor.resume_slot:
            self.dropped += 1  # the server replays more than it was asked for
            return False
        if cursor.slot is None or slot > cursor.slot:
            cursor.slot = slot
            self._forget()
        counts = cursor.counts.setdefault(slot, {})
        count = counts[key] = counts.get(key, 0) + 1
        delivered = self._delivered.setdefault(slot, {})
        if count <= delivered.get(key, 0):
            self.dropped += 1
            return False
        delivered[key] = count
        return True

    def _forget(self) -> None:
        """A reconnect begins at the cursors, so nothing before the oldest one is needed any more."""
        slots = [cursor.slot for cursor in self.cursors if cursor.slot is not None]
        newest = max(slots)
        oldest = min(slots) if len(slots) == len(self.cursors) else newest - KEPT_SLOTS
        limit = max(oldest, newest - KEPT_SLOTS)
        for counts in (self._delivered, *(cursor.counts for cursor in self.cursors)):
            for slot in [slot for slot in counts if slot < limit]:
                del counts[slot]
