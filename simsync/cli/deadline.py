"""``--deadline``: the end of a run at a given time, whatever it does then."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

import click

import simsync
from simsync.run.workers import GRACE

_WAKE = signal.SIGVTALRM
"""Ends what the main thread waits for. Hardly any program uses it."""


class DeadlinePassed(KeyboardInterrupt):
    """The deadline passed before the run began."""


class Deadline:
    """A context manager that fires a token after some seconds.

    Before the run begins there is nothing that a token could end: importing a strategy, waiting for another writer,
    opening a pipe. Such a block is entered with :meth:`preparing` and is interrupted in the main thread.

    Args:
        seconds: When to fire, from entering; None for never.
        token: The token.
    """

    def __init__(self, seconds: float | None, token: simsync.CancelToken) -> None:
        self._seconds, self._token = seconds, token
        self._timer = threading.Timer(seconds or 0, self._pass)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._preparing = self._passed = False
        self._prepared = threading.Event()

    def __enter__(self) -> Deadline:
        if self._seconds is not None:
            self._timer.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Interrupt the block when the deadline passes.

        Raises:
            DeadlinePassed: The deadline passed, at the latest at the end of the block.
        """
        if self._seconds is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(_WAKE, self._wake)
        with self._lock:
            self._preparing = not self._passed
        try:
            yield
        finally:
            with self._lock:  # behind it no signal comes
                self._preparing = False
            self._prepared.set()
            if signal.getsignal(_WAKE) == self._wake:
                signal.signal(_WAKE, before)
        if self._passed:
            raise DeadlinePassed

    def line(self) -> str:
        """What is said about a deadline that has passed."""
        return f"the deadline of {self._seconds:g} s passed"

    def _wake(self, _number: int, _frame: FrameType | None) -> None:
        if self._preparing:
            raise DeadlinePassed

    def _pass(self) -> None:
        with self._lock:
            self._passed = True
            if self._preparing:
                signal.pthread_kill(threading.main_thread().ident or 0, _WAKE)
            else:
                self._prepared.set()
        self._token.cancel()
        # wait: the timer of --deadline | the main thread, which imports a strategy | it ends | 5 s
        if not self._prepared.wait(GRACE):
            # The import caught the interrupt, or hangs outside of Python. No file is open yet.
            click.echo(f"simsync: {self.line()} before the run began", err=True)
            sys.stderr.flush()
            os._exit(1)
