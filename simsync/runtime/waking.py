"""Waiting for sockets in a way that another thread can end.

Every wait on a socket in ``runtime/`` goes through :func:`wait`, with a :class:`Waker` that belongs to the waiting
thread. There is no other way to be blocked on a socket, so there is no wait that cannot be woken.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import Any

READ = 1
WRITE = 2

LONGEST_WAIT = 2_000_000.0
"""Seconds; ``poll`` counts milliseconds in 31 bits. A longer wait ends here, as if its deadline had passed."""


class Waker:
    """Ends the wait of the one thread that owns it; may be pulled from any thread, any number of times.

    A wake-up is remembered until the owner calls :meth:`clear`, so a wake-up that comes before the wait is not lost.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self._lock = threading.Lock()  # guards the sockets against being closed while another thread wakes
        self._closed = False

    def fileno(self) -> int:
        return self._receiver.fileno()

    def wake(self) -> None:
        # A full buffer means that a wake-up is already waiting.
        with self._lock, contextlib.suppress(OSError):
            if not self._closed:
                self._sender.send(b"w")

    def clear(self) -> None:
        with contextlib.suppress(OSError):
            while self._receiver.recv(4096):
                pass

    def sleep(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; True when woken before."""
        _ready, woken = wait(None, 0, self, time.monotonic() + seconds)
        return woken

    def close(self) -> None:
        """For the owner, when it will not wait any more. Waking it afterwards does nothing."""
        with self._lock:
            self._closed = True
            self._sender.close()
            self._receiver.close()


def wait(sock: Any, wanted: int, waker: Waker | None, deadline: float | None) -> tuple[bool, bool]:
    """Wait until ``sock`` is ready for ``wanted`` (READ or WRITE), the waker is pulled, or ``deadline`` has passed.

    ``deadline`` is on the clock of :func:`time.monotonic`, in seconds; None waits without a limit. Returns
    ``(socket is ready, waker was pulled)``; both False when the deadline has passed.
    """
    timeout = None if deadline is None else min(max(0.0, deadline - time.monotonic()), LONGEST_WAIT)
    if not hasattr(select, "poll"):
        return _wait_with_select(sock, wanted, waker, timeout)
    poll = select.poll()
    if sock is not None:
        poll.register(sock, select.POLLIN if wanted == READ else select.POLLOUT)
    waker_number = -1
    if waker is not None:
        waker_number = waker.fileno()
        poll.register(waker_number, select.POLLIN)
    # Rounded up: a wait must not end before its deadline and spin.
    ready = poll.poll(None if timeout is None else int(timeout * 1000) + (timeout > 0))
    woken = any(number == waker_number for number, _events in ready)
    return len(ready) > woken, woken


def _wait_with_select(sock: Any, wanted: int, waker: Waker | None, timeout: float | None) -> tuple[bool, bool]:
    readers: list[Any] = [waker] if waker is not None else []
    writers: list[Any] = []
    if sock is not None:
        (readers if wanted == READ else writers).append(sock)
    readable, writable, _failed = select.select(readers, writers, [], timeout)
    ready = [*readable, *writable]
    return sock in ready, waker in ready
