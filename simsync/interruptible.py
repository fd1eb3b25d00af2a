"""Waiting for another thread in a way that a signal always ends."""

from __future__ import annotations

import queue
import threading
import time
from typing import TypeVar

T = TypeVar("T")

SIGNALS_NOTICED_WITHIN = 1.0
"""Seconds. A signal that arrives while CPython makes the main thread wait for a lock is noted, but does not end that
wait, and Ctrl-C would be lost until something else happens. So the main thread looks again after this time."""


def take(source: queue.SimpleQueue[T], deadline: float | None = None) -> T:
    """Wait for the next item of a queue that another thread or a signal handler fills.

    Args:
        source: The queue.
        deadline: End of the wait in seconds of :func:`time.monotonic`; None waits without a limit.

    Returns:
        The item.

    Raises:
        queue.Empty: The deadline has passed.
    """
    main = threading.current_thread() is threading.main_thread()
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        last = left is not None and left <= SIGNALS_NOTICED_WITHIN
        try:
            return get_within(source, SIGNALS_NOTICED_WITHIN if main and not last else left)
        except queue.Empty:
            if last or not main:
                raise


def get_within(source: queue.SimpleQueue[T], seconds: float | None) -> T:
    """``source.get(timeout=seconds)``, which always ends in time.

    Python 3.9 may wait for ever there. The lock inside a queue is open if the queue is new, or an item was taken out of
    it. Then ``get`` takes the lock, computes the time that is left, and takes a negative one for no limit.
    """
    try:
        return source.get(block=False)  # closes that lock
    except queue.Empty:
        return source.get(timeout=seconds)
