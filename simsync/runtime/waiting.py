"""Waiting for a socket, for a change of shared state, and for a deadline.

Each wait here can be ended by another thread, and Ctrl-C ends it without leaving a lock taken.
``docs/internals/waits.md`` lists the other ways to wait.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from functools import partial
from typing import Any, Callable, Optional, TypeVar

from simsync.interruptible import SIGNALS_NOTICED_WITHIN
from simsync.params import checks
from simsync.runtime.exhaustion import exhaustion

T = TypeVar("T")

READ = 1
WRITE = 2

LONGEST_WAIT = 2_000_000.0
"""Seconds. ``poll`` counts milliseconds in 31 bits; a longer wait ends here as if its deadline had passed."""


# Deadlines: moments on the clock of time.monotonic(), in seconds. None means no deadline.


def deadline_after(timeout: checks.Number | None) -> float | None:
    """The moment ``timeout`` seconds from now. Raises InvalidParams."""
    return None if timeout is None else time.monotonic() + checks.seconds("timeout", timeout)


def seconds_until(deadline: float | None) -> float | None:
    """The time that is left, never below 0."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def earliest(*deadlines: float | None) -> float | None:
    """The first of these deadlines."""
    return min((deadline for deadline in deadlines if deadline is not None), default=None)


class InterruptSafeCondition:
    """Lets threads wait for a change of the state that ``lock`` guards.

    It does the work of :class:`threading.Condition`, which is entered and left in Python code: Ctrl-C in there leaves
    its lock taken for ever. Here the lock is C code, and so is the gate that each waiting thread waits at. Nobody holds
    the lock while waiting.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.lock = lock
        self._waiting: list[Callable[[], object]] = []  # each wakes a thread or a task
        self.version = 0
        """Grows with each :meth:`notify_all`. Read it before you look at the state."""

    def notify_all(self) -> None:
        """Wake all threads that wait. Call it while holding the lock."""
        self.version += 1
        # The list is cleared last: if Ctrl-C comes in between, the next notification wakes these threads again.
        if self._waiting:
            for wake in self._waiting:
                wake()
            self._waiting.clear()

    def call_once(self, wake: Callable[[], object], version: int) -> None:
        """Call ``wake`` at the first notification after ``version``; at once if it has come already."""
        with self.lock:
            if self.version != version:
                wake()
            elif wake not in self._waiting:
                self._waiting.append(wake)

    def wait_for(self, predicate: Callable[[], T], deadline: float | None) -> T:
        """Wait until ``predicate``, called under the lock, returns a true value or ``deadline`` has passed.

        Returns the last value of ``predicate``.
        """
        while True:
            version = self.version
            with self.lock:
                value = predicate()
            if value or not self.wait_past(version, deadline):
                return value

    def wait_past(self, version: int, deadline: float | None) -> bool:
        """Wait until there was a notification after ``version``. False if ``deadline`` had passed before the call.

        May return True earlier: the caller looks at the state and calls again.
        """
        left = seconds_until(deadline)
        if left is not None and left <= 0:
            return False
        if threading.get_ident() == threading.main_thread().ident:
            left = SIGNALS_NOTICED_WITHIN if left is None else min(left, SIGNALS_NOTICED_WITHIN)
        gate = threading.Lock()
        gate.acquire()
        wake = partial(_open, gate)
        told = False
        try:
            self.call_once(wake, version)
            # If it was not opened in time, the caller looks at the state one last time.
            told = gate.acquire(timeout=-1 if left is None else min(left, threading.TIMEOUT_MAX))
        finally:
            if not told:
                with self.lock, contextlib.suppress(ValueError):
                    self._waiting.remove(wake)
        return True


def _open(gate: threading.Lock) -> None:
    """Let the thread go on that waits for ``gate``. Call it under one lock: opening it twice is allowed."""
    if gate.locked():
        gate.release()


class Waker:
    """Ends the wait of the one thread that owns it. Any thread may call :meth:`wake`, any number of times.

    A wake-up is remembered until the owner calls :meth:`clear`, so one that comes before the wait is not lost. Making
    one raises Exhausted if the process may not open another descriptor.
    """

    def __init__(self) -> None:
        try:
            self._receiver, self._sender = socket.socketpair()
        except OSError as error:
            raise exhaustion(error) or error from error
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        # Guards the sockets against being closed while another thread wakes. A signal handler may wake, too, while its
        # own thread is in here.
        self._lock = threading.RLock()
        self._closed = False

    def fileno(self) -> int:
        return self._receiver.fileno()

    def wake(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            # A full buffer means that a wake-up is already waiting.
            if not self._closed:
                self._sender.send(b"w")

    def clear(self) -> None:
        with contextlib.suppress(OSError):
            while self._receiver.recv(4096):
                pass

    def sleep(self, seconds: float) -> bool:
        """Sleep for ``seconds``. True if woken earlier, which is forgotten then."""
        # wait: the owner of the waker | time | its waker | the time
        _ready, woken = wait(None, 0, self, time.monotonic() + seconds)
        if woken:
            self.clear()
        return woken

    def close(self) -> None:
        """Called by the owner when it will not wait any more. Later wake-ups do nothing."""
        with self._lock:
            self._closed = True
            self._sender.close()
            self._receiver.close()


def wait(sock: Any, wanted: int, waker: Waker | None, deadline: float | None) -> tuple[bool, bool]:
    """Wait until ``sock`` is ready for ``wanted`` (READ or WRITE), ``waker`` is woken, or ``deadline`` has passed.

    Returns ``(socket is ready, waker was woken)``; both are False if the deadline has passed.
    """
    left = seconds_until(deadline)
    timeout = None if left is None else min(left, LONGEST_WAIT)
    if not hasattr(select, "poll"):
        return _wait_with_select(sock, wanted, waker, timeout)
    poll = select.poll()
    if sock is not None:
        poll.register(sock, select.POLLIN if wanted == READ else select.POLLOUT)
    waker_number = -1
    if waker is not None:
        waker_number = waker.fileno()
        poll.register(waker_number, select.POLLIN)
    # Rounded up: a wait that ends before its deadline would make its caller spin.
    ready = poll.poll(None if timeout is None else int(timeout * 1000) + (timeout > 0))
    woken = waker_number in dict(ready)
    return len(ready) > woken, woken


def _wait_with_select(sock: Any, wanted: int, waker: Waker | None, timeout: Optional[float]) -> tuple[bool, bool]:
    readers: list[Any] = [waker] if waker is not None else []
    writers: list[Any] = []
    if sock is not None:
        (readers if wanted == READ else writers).append(sock)
    readable, writable, _failed = select.select(readers, writers, [], timeout)
    ready = [*readable, *writable]
    return sock in ready, waker in ready
