"""What is still open when the interpreter ends is closed then, so that the server does not keep it."""

from __future__ import annotations

import atexit
import contextlib
import weakref
from typing import Protocol


class Closable(Protocol):
    """Something with threads."""

    def cancel_at_exit(self) -> None:
        """Begin to end, without waiting."""

    def close(self) -> None: ...


# Without a lock: a fork may happen while another thread holds it. Each access is one call in C.
_open: dict[int, weakref.ref[Closable]] = {}


def remember(owner: Closable) -> None:
    _open[id(owner)] = weakref.ref(owner)


def forget(owner: Closable) -> bool:
    """Whether it was still open."""
    return _open.pop(id(owner), None) is not None


@atexit.register
def close_all() -> None:
    """All at the same time. Threads of this package still run then, but new ones can no longer be started."""
    owners = [owner for owner in (reference() for reference in list(_open.values())) if owner is not None]
    with contextlib.ExitStack() as closing:
        for owner in owners:
            closing.callback(owner.close)
        for owner in owners:
            owner.cancel_at_exit()
