"""Telling a session how one of its subscriptions is doing."""

from __future__ import annotations

import time

from simsync.errors import SubscriptionFailed
from simsync.protocol.coverage import UnprovenSlots
from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.event_queue import EventQueue
from simsync.runtime.subscription_status import SubscriptionStatus


class StatusReport:
    """Writes a status, and wakes the callers: a continue may wait for a subscription, or a loop for its events."""

    def __init__(self, status: SubscriptionStatus, queue: EventQueue, connection: ControlConnection) -> None:
        self.status = status
        self._queue = queue
        self._connection = connection

    def add(self) -> None:
        """The session has this subscription from now on."""
        with self._connection.lock:
            self._queue.subscriptions.append(self.status)

    def remove(self) -> None:
        """As if it had never been added."""
        with self._connection.lock:
            if self.status in self._queue.subscriptions:
                self._queue.subscriptions.remove(self.status)
        self._tell()

    def set(self, *, up: bool = False, held_up: bool = False, ended: bool = False) -> None:
        status = self.status
        with self._connection.lock:
            status.up = up
            status.held_up = held_up
            status.ended = status.ended or ended
            status.last_activity = time.monotonic()
        self._tell()

    def failed(self, reason: str) -> None:
        status = self.status
        with self._connection.lock:
            status.up = False
            status.failure = SubscriptionFailed(f"session {self._queue.state.session_id}: {status.missing()}: {reason}")
        self._tell()

    def not_proven(self, slots: UnprovenSlots) -> None:
        with self._connection.lock:
            self.status.unproven.append(slots)

    def _tell(self) -> None:
        with self._connection.lock:
            self._connection.changed.notify_all()
        self._queue.wake()
