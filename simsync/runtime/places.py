"""How many tasks of a loop begin something at once that needs a thread each."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Callable

from simsync.runtime.task_loop import Steps, Task, Wait


class Places:
    """A few places that tasks take in turn. For the thread of their loop.

    A place is free again when its task leaves it, or after ``seconds``: what takes longer waits for the network, and
    needs no processor. So a slow network bounds how many things begin in a second, not how many are under way.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._waiting: deque[Task] = deque()
        self._taken: dict[Task, float] = {}  # until when, in monotonic seconds; the oldest first

    def enter(self, task: Task, is_over: Callable[[], bool]) -> Steps[bool]:
        """Wait for a place. False, without one, once ``is_over`` returns True."""
        self._waiting.append(task)
        try:
            while not is_over():
                is_first = self._waiting[0] is task
                if is_first and self._has_room():
                    self._taken[task] = time.monotonic() + self._seconds
                    return True
                # wait: subscription | a place | a task that leaves one; its task | a moment for each task before it
                yield Wait(self._next_room() if is_first else math.inf)
            return False
        finally:
            self._waiting.remove(task)
            self._wake_first()

    def leave(self, task: Task) -> None:
        """The task needs its place no more, if it still has it."""
        if self._taken.pop(task, None) is not None:
            self._wake_first()

    def _has_room(self) -> bool:
        now = time.monotonic()
        while self._taken and self._next_room() <= now:
            del self._taken[next(iter(self._taken))]
        return len(self._taken) < self._count

    def _next_room(self) -> float:
        return next(iter(self._taken.values()))

    def _wake_first(self) -> None:
        if self._waiting:
            self._waiting[0].wake()
