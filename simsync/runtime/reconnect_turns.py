"""Which lost subscription may reconnect while others are streaming.

Sub-sessions share the network of this machine. A subscription that keeps failing while its siblings stream steps aside:
it waits until no other sub-session is streaming, and then reconnects alone.
"""

from __future__ import annotations

import math
from typing import Callable

from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.event_queue import EventQueue
from simsync.runtime.places import Places
from simsync.runtime.task_loop import Steps, Task, Wait


class ReconnectTurns:
    """One per control connection, whose lock guards what it looks at. For the thread of the tasks."""

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection
        self._place = Places(1, math.inf)

    # guess: many lost subscriptions at once
    def take(self, task: Task, is_over: Callable[[], bool]) -> Steps[bool]:
        """Wait for the turn of ``task``. False, without it, once ``is_over`` returns True.

        Only the first in the line watches the siblings, and every change of the connection's state wakes it.
        """
        if not (yield from self._place.enter(task, is_over)):
            return False
        has_turn = False
        try:
            changed = self._connection.changed
            while not is_over():
                version = changed.version
                with self._connection.lock:
                    has_turn = not any(map(_is_streaming, self._connection.queues.values()))
                if has_turn:
                    return True
                changed.call_once(task.wake, version)
                # wait: subscription | its turn to reconnect | `changed` | the streams of the siblings
                yield Wait()
            return False
        finally:
            if not has_turn:
                self.give_back(task)

    def give_back(self, task: Task) -> None:
        """The turn is over."""
        self._place.leave(task)


def _is_streaming(queue: EventQueue) -> bool:
    """Its engine is working and its data is flowing.

    A session that waits for its driver, or whose own subscriptions are down, is not waited for: the driver may be
    waiting for this very reconnect.
    """
    statuses = queue.subscriptions
    flowing = all(status.up or status.ended for status in statuses) and not all(status.ended for status in statuses)
    return flowing and queue.state.cycle.is_outstanding
