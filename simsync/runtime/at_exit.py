"""What is still open when the process ends is closed then, so that the server does not keep it."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from typing import Protocol

from simsync.runtime.threads import join


class Closable(Protocol):
    """Something with threads."""

    def cancel_at_exit(self) -> None:
        """Begin to end, without waiting."""

    def close(self) -> None: ...


# Without a lock: a fork may happen while another thread holds it. Each access is one call in C.
_open: dict[int, weakref.ref[Closable]] = {}
_ending: dict[threading.Thread, float] = {}
_finalized_in: dict[int, object] = {}


def remember(owner: Closable) -> None:
    _open[id(owner)] = weakref.ref(owner)
    _also_in_a_child_process()


def forget(owner: Closable) -> bool:
    """Whether it was still open."""
    return _open.pop(id(owner), None) is not None


def expect_end(thread: threading.Thread | None, deadline: float) -> None:
    """The thread was told to end. If the process ends first, it waits until ``deadline`` (monotonic seconds)."""
    for ended in [one for one in list(_ending) if not one.is_alive()]:
        _ending.pop(ended, None)
    if thread is not None:
        _ending[thread] = deadline
    _also_in_a_child_process()


@atexit.register
def close_all() -> None:
    """All at the same time. Threads of this package still run then, but new ones can no longer be started."""
    owners = [owner for owner in (reference() for reference in list(_open.values())) if owner is not None]
    with contextlib.ExitStack() as closing:
        for owner in owners:
            closing.callback(owner.close)
        for owner in owners:
            owner.cancel_at_exit()
    for thread, deadline in list(_ending.items()):
        # wait: the end of the process | connections that were told to end | they end | their `close_timeout` and 1 s
        join(thread, deadline - time.monotonic())


def _also_in_a_child_process() -> None:
    """A child of multiprocessing ends without running what :mod:`atexit` holds. It runs its own finalizers."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None or os.getpid() in _finalized_in or multiprocessing.parent_process() is None:
        return
    from multiprocessing.util import Finalize

    _finalized_in.clear()
    _finalized_in[os.getpid()] = Finalize(None, _close_all_in_a_child, exitpriority=0)


def _close_all_in_a_child() -> None:
    """Once the threads have ended that keep the child alive: they may use the sessions."""
    ended: set[threading.Thread] = set()
    while others := _non_daemon_threads() - ended:  # they may start further ones
        for thread in others:
            # wait: the end of a child process | its non-daemon threads, which it waits for anyway | they end | nothing
            join(thread)
        ended |= others
    close_all()


def _non_daemon_threads() -> set[threading.Thread]:
    main = threading.main_thread()
    # Without a number: it has not begun yet, or never will, because Ctrl-C interrupted its start.
    return {thread for thread in threading.enumerate() if not thread.daemon and thread is not main and thread.ident}
