"""Timeouts of callers as moments, in monotonic seconds; None never comes."""

from __future__ import annotations

import time

from simsync.params import checks


def deadline_after(timeout: float | None) -> float | None:
    """The moment ``timeout`` seconds from now. Raises InvalidParams."""
    return None if timeout is None else time.monotonic() + checks.seconds("timeout", timeout)


def seconds_until(deadline: float | None) -> float | None:
    """How long it is until then, never below 0."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
