"""Threads and sockets do not survive a fork: what belongs to the parent must not be used by the child."""

from __future__ import annotations

import os

from simsync.errors import ControlFailed

_ADVICE = "make a Client and a session in the process that uses them"


class StaysHere:
    """Something that cannot be pickled, as it is one with its threads."""

    def __reduce__(self) -> str:
        raise TypeError(f"a {type(self).__name__} cannot be sent to another process: {_ADVICE}")


_forks = 0
"""How many times this process is a child of the one that imported this. Asking the system each time would be slow."""


def _note_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


class OwnProcess:
    """Remembers the process in which it was made."""

    def __init__(self) -> None:
        self._number = os.getpid()
        self._forks = _forks

    @property
    def is_here(self) -> bool:
        return _forks == self._forks

    def check(self) -> None:
        """Raises ControlFailed in any other process."""
        if not self.is_here:
            raise ControlFailed(
                f"this session belongs to process {self._number}, and this is its fork {os.getpid()}, which has none of"
                f" its threads: {_ADVICE}"
            )
