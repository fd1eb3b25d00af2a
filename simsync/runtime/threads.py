"""The one way to start a thread: named, a daemon, and with an end that is never silent."""

from __future__ import annotations

import threading
import time
from typing import Callable

from simsync.interruptible import SIGNALS_NOTICED_WITHIN
from simsync.runtime.exhaustion import no_thread
from simsync.runtime.waiting import seconds_until


def spawn(name: str, target: Callable[[], None], release: Callable[[], None] = lambda: None) -> threading.Thread:
    """Start ``target`` in a daemon thread named ``simsync-<name>``. The target handles its own exceptions.

    Raises Exhausted if the process may not start another thread, after ``release`` has freed what it would have owned.
    """
    thread = threading.Thread(target=target, name=f"simsync-{name}", daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:  # "can't start new thread"
        release()
        raise no_thread(error) from error
    return thread


def join(thread: threading.Thread | None, timeout: float | None = None) -> bool:
    """Wait for the end of ``thread``; True when it has ended. A thread never waits for itself."""
    if thread is None or thread is threading.current_thread():
        return True
    deadline = None if timeout is None else time.monotonic() + timeout
    left = seconds_until(deadline)
    while thread.is_alive() and (left is None or left > 0):
        thread.join(SIGNALS_NOTICED_WITHIN if left is None else min(left, SIGNALS_NOTICED_WITHIN))
        left = seconds_until(deadline)
    return not thread.is_alive()
