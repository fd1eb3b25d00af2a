"""Sessions that are completed and wait for the ends of their subscriptions."""

from __future__ import annotations

from simsync.runtime.event_queue import EventQueue
from simsync.runtime.waiting import earliest


class Draining:
    """Which of them waits too long.

    The limit of a queue moves only to later times, with each event of its subscriptions. So the earliest limit that was
    ever seen tells when to look at all of them again: thousands may be draining at once.
    """

    def __init__(self) -> None:
        self._queues: set[EventQueue] = set()
        self.look_at: float | None = None
        """When :meth:`late` may find one, in monotonic seconds; None while nothing is draining."""

    def add(self, queue: EventQueue) -> None:
        """Call it again when the state of its subscriptions has changed."""
        limit = queue.drain_deadline
        if limit is not None:
            self._queues.add(queue)
            self.look_at = earliest(self.look_at, limit)

    def discard(self, queue: EventQueue) -> None:
        self._queues.discard(queue)

    def late(self, now: float) -> EventQueue | None:
        """A queue whose limit has passed, if there is one."""
        if self.look_at is None or now < self.look_at:
            return None
        limits = {queue: limit for queue in self._queues if (limit := queue.drain_deadline) is not None}
        self.look_at = earliest(*limits.values())
        return next((queue for queue, limit in limits.items() if now >= limit), None)
