"""Which lost subscription may reconnect while others are streaming.

Sub-sessions share the network of this machine. A subscription that keeps failing while its siblings stream steps aside:
it waits until no other sub-session is streaming, and then reconnects alone.
"""

from __future__ import annotations

from typing import Callable

from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.event_queue import EventQueue
from simsync.runtime.task_loop import Steps, Task, Wait


class ReconnectTurns:
    """One per control connection, guarded by its lock."""

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection
        self._taken = False

    # guess: many lost subscriptions at once
    def take(self, mine: EventQueue, is_over: Callable[[], bool], task: Task) -> Steps[bool]:
        """Wait for the turn of ``mine``. False, without it, once ``is_over`` returns True.

        Every change of the connection's state wakes the task.
        """
        changed = self._connection.changed
        while True:
            version = changed.version
            with self._connection.lock:
                if is_over():
                    return False
                if not self._taken and not self._others_are_streaming(mine):
                    self._taken = True
                    return True
                changed.call_once(task.wake, version)
            # wait: subscription | its turn to reconnect | `changed` | the streams of the siblings
            yield Wait()

    def give_back(self) -> None:
        """The turn is over."""
        with self._connection.lock:
            self._taken = False
            self._connection.changed.notify_all()

    def _others_are_streaming(self, mine: EventQueue) -> bool:
        return any(queue is not mine and _is_streaming(queue) for queue in self._connection.queues.values())


def _is_streaming(queue: EventQueue) -> bool:
    """Its engine is working and its data is flowing.

    A session that waits for its driver, or whose own subscriptions are down, is not waited for: the driver may be
    waiting for this very reconnect.
    """
    statuses = queue.subscriptions
    flowing = all(status.up or status.ended for status in statuses) and not all(status.ended for status in statuses)
    return flowing and queue.state.cycle.is_outstanding
