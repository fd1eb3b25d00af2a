"""Handing one failure to many callers."""

from __future__ import annotations

import copy

from simsync.errors import SimsyncError


def fresh(failure: SimsyncError) -> SimsyncError:
    """A copy to raise. One exception object raised in several threads would collect all their tracebacks."""
    duplicate = copy.copy(failure)
    duplicate.__cause__ = failure.__cause__
    duplicate.__traceback__ = None
    return duplicate


def chain_of(error: BaseException) -> str:
    """The messages of an exception and its causes, joined by colons."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < 8:
        text = str(current) or type(current).__name__
        if not any(text in part for part in parts):
            parts.append(text)
        current = current.__cause__
    return ": ".join(parts)
