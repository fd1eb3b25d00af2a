"""``python -m simsync`` and the command ``simsync``.

Signals are watched first: importing the rest takes long enough for a signal to arrive, and the first process of a
container would never hear of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import Callable

from simsync.cli.signals import EndingSignals, exit_code_of, line_of
from simsync.cli.standard_streams import open_standard_streams

_GRACE = 5.0
"""Seconds that the interpreter has to end after a signal: it waits for threads and processes that a strategy began."""


def process() -> None:
    """Run the command line as a process of its own, and end it."""
    signals = EndingSignals()
    signals.install()
    open_standard_streams()
    try:
        run = _run_of_the_command_line()
        signals.begin()
        code = run()
        signals.close()
    except KeyboardInterrupt as error:  # before the command began, or after its end
        signals.close()
        code = exit_code_of(error)
        with contextlib.suppress(OSError):
            sys.stderr.write(f"simsync: {line_of(error)}\n")
    if _strategy_was_left():
        _end_now(code)
    if signals.first is not None:
        threading.Thread(target=_end_after_grace, args=(code,), name="simsync-end", daemon=True).start()
    sys.exit(code)


def main() -> int:
    """Run the command line of this process, and return to the caller.

    Returns:
        The exit code.
    """
    return _run_of_the_command_line()()


def _run_of_the_command_line() -> Callable[[], int]:
    try:
        from simsync.cli.app import run
    except ImportError as error:
        from simsync.errors import MissingExtra

        # An error inside simsync is a bug; only a package from elsewhere can be missing.
        if (error.name or "").split(".")[0] == "simsync":
            raise
        advice = f"simsync: {MissingExtra('the command line', 'cli')}\n"

        def refuse() -> int:
            sys.stderr.write(advice)
            return 2

        return refuse
    return run


def _strategy_was_left() -> bool:
    """A run that never came to its sessions has not imported the module."""
    workers = sys.modules.get("simsync.run.workers")
    return workers is not None and bool(workers.left_behind())


def _end_now(code: int) -> None:
    """End the process without waiting for what a strategy began; a pool of threads would keep the interpreter."""
    from simsync.runtime.at_exit import close_all

    close_all()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _end_after_grace(code: int) -> None:
    # wait: the process after a signal | the interpreter, which waits for what a strategy began | it ends | 5 s
    time.sleep(_GRACE)
    os._exit(code)


if __name__ == "__main__":
    process()
