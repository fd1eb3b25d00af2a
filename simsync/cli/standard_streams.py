"""Standard streams that the caller has closed (``simsync … >&-``).

Python has None in their place, and the next file that is opened would get their number.
"""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Open what is closed: output is then a pipe that nobody reads, errors and input are ``/dev/null``.

    So a command that prints nothing is not disturbed, and one whose result would be lost ends as with a closed pipe.
    """
    names = ("stdin", "stdout", "stderr")
    closed = [number for number, name in enumerate(names) if getattr(sys, name) is None and _is_free(number)]
    for number in closed:
        _move(os.open(os.devnull, os.O_RDWR), number)
    if 1 in closed:
        reader, writer = os.pipe()
        os.close(reader)
        _move(writer, 1)
    for number in closed:
        mode = "w" if number else "r"
        setattr(sys, names[number], open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _is_free(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _move(descriptor: int, number: int) -> None:
    """Give an open file this number, also in child processes."""
    if descriptor == number:
        os.set_inheritable(number, True)
        return
    os.dup2(descriptor, number)
    os.close(descriptor)
