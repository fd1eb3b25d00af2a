"""Threads and sockets do not survive a fork: what belongs to the parent must not be used by the child."""

from __future__ import annotations

import os

from simsync.errors import ControlFailed


class OwnProcess:
    """Remembers the process in which it was made."""

    def __init__(self) -> None:
        self._number = os.getpid()

    @property
    def is_here(self) -> bool:
        return os.getpid() == self._number

    def check(self) -> None:
        """Raises ControlFailed in any other process."""
        if not self.is_here:
            raise ControlFailed(
                f"this session belongs to process {self._number}, and this is its fork {os.getpid()}, which has none of"
                " its threads: make a Client and a session in the process that uses them"
            )
