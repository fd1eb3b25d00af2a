"""Deadlines: the timeouts of callers as moments on the clock of :func:`time.monotonic`.

A call with a timeout may wait several times, so it computes its deadline once and waits until then each time. None is
a deadline that never passes.
"""

from __future__ import annotations

import time

from simsync.params import checks


def deadline_after(timeout: float | None) -> float | None:
    """Return the deadline of a timeout in seconds. Raises InvalidParams for ``timeout``."""
    return None if timeout is None else time.monotonic() + checks.seconds("timeout", timeout)


def seconds_until(deadline: float | None) -> float | None:
    """Return the seconds until a deadline, at least 0; None if it never passes."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
