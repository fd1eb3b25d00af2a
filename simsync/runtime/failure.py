"""What callers get when a connection ends for good, and handing one failure to many of them."""

from __future__ import annotations

import copy
from typing import Callable

from simsync.errors import CapacityError, ControlFailed, CreateError, RemoteError, SimsyncError
from simsync.protocol.outcome import GiveUp


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


def given_up(outcome: GiveUp, is_capacity: Callable[[int, str], bool], *, established: bool) -> SimsyncError:
    """What a caller gets when the server ended a session that was ``established``, or did not create it."""
    reported = outcome.error
    error: SimsyncError
    if established:
        error = ControlFailed(outcome.reason)
        error.retryable = reported is None or not reported.terminal
    elif reported is None or reported.terminal or outcome.transient or not is_capacity(0, str(reported)):
        # Words like "busy" do not count in an error whose name tells whether it passes.
        error = CreateError(outcome.reason, reported)
        error.retryable = outcome.transient
    else:
        error = CapacityError(outcome.reason, reported)
    if reported is not None:
        error.__cause__ = RemoteError(reported)
    return error
