"""Firing a cancel token when the time is over."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import simsync


@contextlib.contextmanager
def fired_after(seconds: float | None, token: simsync.CancelToken) -> Iterator[None]:
    """The token is fired if the block takes longer; None: it may take any time."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, token.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
