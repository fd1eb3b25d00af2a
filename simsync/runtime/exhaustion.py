"""A process that has no thread or no descriptor left: how that is recognised, and what its owner is told."""

from __future__ import annotations

import errno

from simsync.errors import ConnectError, SimsyncError

THREADS = (
    "a session needs 3 threads, and 2 more per subscription; raise `ulimit -u` or the container's limit of processes"
)
FILES = "a session needs 8 descriptors, and 5 more per subscription; raise `ulimit -n`"


class Exhausted(ConnectError):
    """The process may not start another thread, or open another file or socket."""


def no_thread(error: BaseException) -> Exhausted:
    return Exhausted(f"a thread could not be started ({error}): {THREADS} (see docs/threads.md)")


def exhaustion(error: BaseException | None) -> Exhausted | None:
    """The limit that ``error`` or one of its causes has run into; None if it is another failure."""
    while error is not None:
        if isinstance(error, Exhausted):
            return error
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return Exhausted(f"too many open files ({error.strerror}): {FILES} (see docs/threads.md)")
        if isinstance(error, SimsyncError) and "Too many open files" in str(error):
            return Exhausted(f"{error}: {FILES} (see docs/threads.md)")
        error = error.__cause__ or error.__context__
    return None
