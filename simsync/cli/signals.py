"""SIGTERM and SIGHUP end a command as Ctrl-C does, with one line and an exit code of their own.

This module imports little: it is the first one of a process that runs a command.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_HURRY = 1.0
"""Seconds after which a further Ctrl-C means: do not wait. One that comes sooner belongs to the first signal, as when a
terminal and a wrapper both send one."""


class Terminated(KeyboardInterrupt):
    """The process received a signal that asks it to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"received {signal.Signals(number).name}")
        self.number = number


class EndingSignals:
    """The handlers of SIGTERM, SIGHUP and SIGINT. Only the first signal counts.

    The first process of a container ignores signals without a handler. A signal that is ignored when the command
    starts (``nohup``) stays ignored, and handlers of others stay as they are.

    Attributes:
        first: The signal that arrived first; None if there was none.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self._before: dict[int, object] = {}
        self._raises = self._closed = False
        self._raised_at = 0.0

    def install(self) -> None:
        """Watch for signals. They are remembered until :meth:`begin`. Does nothing outside of the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                self._before[number] = signal.signal(number, self._arrived)

    def begin(self) -> None:
        """Raise in the main thread when a signal arrives; at once if one has arrived.

        Raises:
            Terminated: For SIGTERM and SIGHUP.
            KeyboardInterrupt: For SIGINT.
        """
        self._raises = True
        if self.first is not None:
            self._raise()

    def restore(self) -> None:
        """Put back the handlers that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def close(self) -> None:
        """The command has ended, and the process is about to.

        After a signal the others are ignored, since the interpreter would give up its handlers while it ends: a second
        signal must not change the exit code. Without one they have their default effect.
        """
        self._closed = True
        for number in self._before:
            signal.signal(number, signal.SIG_DFL if self.first is None else signal.SIG_IGN)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        first = self.first is None
        if first:
            self.first = number
        hurry = number == signal.SIGINT and time.monotonic() - self._raised_at >= _HURRY
        if self._raises and not self._closed and (first or hurry):
            self._raise()

    def _raise(self) -> None:
        assert self.first is not None
        self._raised_at = time.monotonic()
        raise KeyboardInterrupt if self.first == signal.SIGINT else Terminated(self.first)


@contextlib.contextmanager
def signals_end_the_command() -> Iterator[None]:
    """Raise in the main thread when a signal asks the process to end, unless something watches for signals already."""
    signals = EndingSignals()
    signals.install()
    try:
        signals.begin()
        yield
    finally:
        signals.restore()


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """128 and the number of the signal."""
    return 128 + (interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)


def line_of(interrupt: KeyboardInterrupt) -> str:
    """What is said on standard error."""
    return str(interrupt) if isinstance(interrupt, Terminated) else "interrupted"
