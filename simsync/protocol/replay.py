"""The replay filter: delivers each notification once, although the server sends some of them again.

After a reconnect the server replays everything from the slot of the cursor, and it sends a transaction that matches two
subscribes of one connection twice. Keys need not be unique (signatures are not verified), so the filter counts: it
delivers a notification if its stream has seen the key more often than the key was delivered.
"""

from __future__ import annotations

from typing import Any, Callable

KEPT_SLOTS = 200
"""Counts of slots that are further behind the newest one are dropped in any case."""

_Counts = dict[int, dict[Any, int]]


class StreamCursor:
    """The replay cursor of one stream.

    ``slot``: the last slot that it delivered, None before the first. ``resume_slot``: where the current connection
    begins, None for everything that the server has kept. ``longest_silence``: the most slots between two of its
    notifications, None before the second slot.
    """

    __slots__ = ("counts", "longest_silence", "resume_slot", "slot")

    def __init__(self, from_slot: int | None) -> None:
        self.slot: int | None = None
        self.longest_silence: int | None = None
        self.resume_slot = from_slot
        self.counts: _Counts = {}


class ReplayFilter:
    """Decides what is delivered of the streams of one connection. It outlives the connection."""

    def __init__(self, streams: int, from_slot: int | None = None) -> None:
        self.cursors = [StreamCursor(from_slot) for _ in range(streams)]
        self.dropped = 0
        self.begins = 0
        """Nothing of the slots before this one can be told from a repetition any more."""
        self.delivered: _Counts = {}
        """How often each key was delivered, by slot."""
        self._is_single = streams == 1
        self._uncounted: list[Any] = []
        """Keys of the current slot, if there is only one stream. It repeats none of them until it reconnects."""

    def reconnected(self) -> None:
        """The server replays everything from the slot of each cursor, including that slot."""
        for cursor in self.cursors:
            if cursor.slot is not None:
                cursor.resume_slot = cursor.slot
                delivered = self.delivered.setdefault(cursor.slot, {})
                for key in self._uncounted:
                    delivered[key] = delivered.get(key, 0) + 1
            cursor.counts.clear()
        self._uncounted.clear()

    # guess: the part of a stream that is replayed
    # guess: a transaction that mentions two of the programs
    def admit(self, stream: int, slot: int, key: object) -> bool:
        """True if this notification was not delivered before. The slots of a stream never go back."""
        cursor = self.cursors[stream]
        if slot != cursor.slot:
            if cursor.resume_slot is not None and slot < cursor.resume_slot:
                self.dropped += 1  # the server replays more than it was asked for
                return False
            if cursor.slot is None or slot > cursor.slot:
                if cursor.slot is not None:
                    cursor.longest_silence = max(cursor.longest_silence or 0, slot - cursor.slot)
                cursor.slot = slot
                self._forget()
        note = self.unrepeated(stream, slot)
        if note is not None:
            note(key)
            return True
        counts = cursor.counts.setdefault(slot, {})
        count = counts[key] = counts.get(key, 0) + 1
        delivered = self.delivered.setdefault(slot, {})
        if count <= delivered.get(key, 0):
            self.dropped += 1
            return False
        delivered[key] = count
        return True

    def unrepeated(self, stream: int, slot: int) -> Callable[[object], None] | None:
        """What notes the keys of this slot, if no notification of it can be a repetition before the next connection."""
        cursor = self.cursors[stream]
        return self._uncounted.append if self._is_single and slot == cursor.slot != cursor.resume_slot else None

    def _forget(self) -> None:
        """A reconnect begins at the cursors, so counts before the oldest one are not needed any more."""
        self._uncounted.clear()
        slots = [cursor.slot for cursor in self.cursors if cursor.slot is not None]
        newest = max(slots)
        oldest = min(slots) if len(slots) == len(self.cursors) else newest - KEPT_SLOTS
        limit = self.begins = max(oldest, newest - KEPT_SLOTS)
        for counts in (self.delivered, *(cursor.counts for cursor in self.cursors)):
            for slot in [slot for slot in counts if slot < limit]:
                del counts[slot]
