"""What the subscriptions of one control connection share."""

from __future__ import annotations

from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.places import Places
from simsync.runtime.reconnect_turns import ReconnectTurns
from simsync.runtime.task_loop import Task, TaskLoop

THREADS_AT_ONCE = 4
"""Most connections are made by a thread each, and so is each request for the slot of an engine."""
CONNECTING_AT_ONCE = 16
"""Connections that need no thread. A server keeps about a hundred that it has not accepted yet."""
CONNECTING_FOR = 0.01
"""Seconds after which the next may begin, although the connection is not there yet."""


class DataPlane:
    """One thread reads all subscriptions, however many there are. Where connecting blocks, a few more do that."""

    def __init__(self, connection: ControlConnection) -> None:
        self.connection = connection
        self.turns = ReconnectTurns(connection)
        self.with_threads = Places(THREADS_AT_ONCE, CONNECTING_FOR)
        self.without_threads = Places(CONNECTING_AT_ONCE, CONNECTING_FOR)
        self._loop = TaskLoop("subscriptions")

    def task(self) -> Task:
        """A task for a subscription."""
        return Task(self._loop)
