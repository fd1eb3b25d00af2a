"""SIGTERM and SIGHUP end a command as Ctrl-C does, with one line and an exit code of their own."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import click

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """The process received a signal that asks it to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"received {signal.Signals(number).name}")
        self.number = number


class Ended(click.Abort):
    """What an interrupted command raises in place of the interrupt.

    Args:
        interrupt: A :class:`Terminated`, or what Ctrl-C raises.
        advice: What the user can do now.

    Attributes:
        exit_code: 128 and the number of the signal.
        line: What is said on standard error.
    """

    def __init__(self, interrupt: KeyboardInterrupt, advice: str = "") -> None:
        signalled = isinstance(interrupt, Terminated)
        self.exit_code = 128 + (interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)
        self.line = (str(interrupt) if signalled else "interrupted") + (f"; {advice}" if advice else "")
        super().__init__(self.line)


@contextlib.contextmanager
def signals_end_the_command() -> Iterator[None]:
    """Raise :class:`Terminated` in the main thread when a signal asks the process to end.

    The first process of a container ignores signals without a handler. A signal that is ignored when the command starts
    (``nohup``) stays ignored, and only the first signal counts, so that a second one does not interrupt closing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise Terminated(number)

    before = {}
    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
