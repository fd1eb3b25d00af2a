"""Waiting, as simsync does it, for something that its threads bring about."""

from __future__ import annotations

import time
from typing import Callable

from simsync.runtime.changes import Changes


def until(changed: Changes, happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while True:
        with changed:
            if happens():
                return
            ticket = changed.ticket()
        assert ticket.wait(deadline)
