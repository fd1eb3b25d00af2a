"""Who may reconnect a lost subscription while others are streaming.

Sub-sessions share the link of this machine. A subscription that keeps failing while its siblings stream steps aside:
it waits until no other sub-session is streaming, and then takes its turn alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Callable

from simsync.runtime.control import ControlLink
from simsync.runtime.delivery import Delivery


class ReconnectCoordinator:
    """One per parallel session. Its state is guarded by the link's ``guard``."""

    def __init__(self, link: ControlLink) -> None:
        self._link = link
        self._taken = False

    @contextlib.contextmanager
    def turn(self, mine: Delivery, stopped: Callable[[], bool]) -> Iterator[float]:
        """Wait for the turn of ``mine`` and hold it; yields how long it took, in seconds.

        Ends early, without the turn, when ``stopped`` becomes true. Woken by every change of the link.
        """
        began = time.monotonic()
        changed = self._link.changed
        with changed:
            changed.wait_for(lambda: stopped() or not (self._taken or self._others_are_streaming(mine)))
            held = not stopped()
            self._taken = self._taken or held
        try:
            yield time.monotonic() - began
        finally:
            if held:
                with changed:
                    self._taken = False
                    changed.notify_all()

    def _others_are_streaming(self, mine: Delivery) -> bool:
        return any(delivery is not mine and _is_streaming(delivery) for delivery in self._link.deliveries.values())


def _is_streaming(delivery: Delivery) -> bool:
    """Is its engine at work and its data flowing?

    A session that waits for its driver, or whose own subscriptions are down, cannot be waited for: the driver may be
    waiting for this very reconnect.
    """
    states = delivery.subscriptions
    flowing = all(state.up or state.ended for state in states) and not all(state.ended for state in states)
    return flowing and delivery.route.cycle.is_outstanding
