"""What a session knows about its subscriptions: whether each is up, how far it has come, and what it has missed."""

from __future__ import annotations

import time
from typing import Callable

from simsync.errors import SubscriptionFailed
from simsync.protocol.coverage import UnprovenSlots


class SubscriptionStatus:
    """What a session must know about one of its subscriptions. Its reader writes it, under the connection's lock.

    ``held_up``: the reader waits for the caller or for other sub-sessions, so its silence means nothing.
    ``last_activity`` is in monotonic seconds.
    """

    __slots__ = ("ended", "failure", "held_up", "label", "last_activity", "open_streams", "unproven", "up")

    def __init__(self, label: str, open_streams: Callable[[], list[str]]) -> None:
        """``open_streams``: what has not ended yet, each with its last slot."""
        self.label = label
        self.up = False
        self.ended = False
        self.held_up = False
        self.failure: SubscriptionFailed | None = None
        self.open_streams = open_streams
        self.unproven: list[UnprovenSlots] = []
        self.last_activity = time.monotonic()

    def missing(self) -> str:
        """What has not come yet, in words."""
        return "; ".join(self.open_streams()) or self.label

    @property
    def lets_continue(self) -> bool:
        """The next continue need not wait for it. A failed subscription lets the failure reach the caller."""
        return self.up or self.ended or self.failure is not None
