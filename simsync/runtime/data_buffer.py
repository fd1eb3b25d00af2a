"""The bound on the data that waits for the caller."""

from __future__ import annotations

import threading
from typing import Callable


class DataBuffer:
    """How much of one subscription waits for the caller. Its reader adds to it, the caller takes from it.

    A mark is the number of events and bytes from the beginning up to the end of a batch.
    """

    def __init__(self, max_events: int, max_bytes: int, resume_reading: Callable[[], None]) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._resume_reading = resume_reading
        self._lock = threading.Lock()  # guards everything below
        self._added = (0, 0)
        self._removed = (0, 0)
        self._paused = False

    def add(self, events: int, size: int) -> tuple[int, int]:
        """Returns the mark of the batch. ``size`` in bytes."""
        with self._lock:
            self._added = (self._added[0] + events, self._added[1] + size)
            return self._added

    def remove(self, mark: tuple[int, int]) -> None:
        """Remove the batch with this mark, and all before it. Wakes the reader once half of the buffer is free."""
        with self._lock:
            self._removed = mark
            events, size = self.waiting
            resume = self._paused and events * 2 <= self._max_events and size * 2 <= self._max_bytes
            if resume:
                self._paused = False
        if resume:
            self._resume_reading()

    @property
    def waiting(self) -> tuple[int, int]:
        """Events and bytes."""
        return self._added[0] - self._removed[0], self._added[1] - self._removed[1]

    def is_full(self) -> bool:
        """The reader must not read. Once full, the buffer stays full until half of it is free."""
        with self._lock:
            events, size = self.waiting
            # safeguard: the data buffer is bounded
            if events >= self._max_events or size >= self._max_bytes:
                self._paused = True
            return self._paused
