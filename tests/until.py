"""Waiting, as simsync does it, for something that its threads bring about."""

from __future__ import annotations

import time
from typing import Callable

from simsync.runtime.waiting import InterruptSafeCondition


def until(changed: InterruptSafeCondition, happens: Callable[[], bool]) -> None:
    assert changed.wait_for(happens, time.monotonic() + 20)
