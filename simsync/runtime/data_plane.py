"""What the subscriptions of one control connection share."""

from __future__ import annotations

from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.places import Places
from simsync.runtime.reconnect_turns import ReconnectTurns
from simsync.runtime.task_loop import Task, TaskLoop

CONNECTING_AT_ONCE = 4
"""Each connection is made by a thread of its own, and so is each request for the slot of an engine."""
CONNECTING_FOR = 0.01
"""Seconds after which the next may begin, although the connection is not there yet."""


class DataPlane:
    """One thread reads all subscriptions, however many there are; a few more connect them."""

    def __init__(self, connection: ControlConnection) -> None:
        self.connection = connection
        self.turns = ReconnectTurns(connection)
        self.connecting = Places(CONNECTING_AT_ONCE, CONNECTING_FOR)
        self._loop = TaskLoop("subscriptions")

    def task(self) -> Task:
        """A task for a subscription."""
        return Task(self._loop)
