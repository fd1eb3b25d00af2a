"""Which lost subscription may reconnect while others are streaming.

Sub-sessions share the network of this machine. A subscription that keeps failing while its siblings stream steps aside:
it waits until no other sub-session is streaming, and then reconnects alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Callable

from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.event_queue import EventQueue


class ReconnectTurns:
    """One per control connection, guarded by its lock."""

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection
        self._taken = False

    # guess: many lost subscriptions at once
    @contextlib.contextmanager
    def turn(self, mine: EventQueue, stopped: Callable[[], bool]) -> Iterator[float]:
        """Wait for the turn of ``mine`` and hold it. Yields how long that took, in seconds.

        The wait ends early, without the turn, once ``stopped`` returns True. Every change of the connection's state
        wakes it.
        """
        began = time.monotonic()
        held = False

        def take() -> bool:
            nonlocal held
            if stopped():
                return True
            if self._taken or self._others_are_streaming(mine):
                return False
            held = self._taken = True
            return True

        # wait: subscription | its turn to reconnect | `changed` | the streams of the siblings
        self._connection.changed.wait_for(take, None)
        try:
            yield time.monotonic() - began
        finally:
            if held:
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
