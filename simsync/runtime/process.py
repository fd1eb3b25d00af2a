"""Threads do not survive a fork, so a child must not use the sessions of its parent."""

from __future__ import annotations

import os

from simsync.errors import ControlFailed

_ADVICE = "make a Client and a session in the process that uses them"


class StaysHere:
    """Base class of objects that cannot be pickled, because they have threads."""

    def __reduce__(self) -> str:
        raise TypeError(f"a {type(self).__name__} cannot be sent to another process: {_ADVICE}")


class OwnProcess:
    """Remembers the process in which it was made."""

    def __init__(self) -> None:
        self.number = os.getpid()

    @property
    def is_here(self) -> bool:
        return os.getpid() == self.number

    def check(self) -> None:
        """Raises ControlFailed in any other process."""
        if os.getpid() != self.number:
            raise ControlFailed(
                f"this session belongs to process {self.number}, and this process {os.getpid()} is a fork of it without"
                f" the threads: {_ADVICE}"
            )
