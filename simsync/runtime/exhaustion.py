"""A process that has no thread or no descriptor left: how that is recognised, and what its owner is told."""

from __future__ import annotations

import errno
import os

from simsync.errors import ConnectError, SimsyncError

THREADS = (
    "a session needs 3 threads, and up to 5 more if it subscribes; raise `ulimit -u` or the container's limit of"
    " processes"
)
FILES = "a session needs 8 descriptors, 11 if it subscribes, and 2 more per subscription; raise `ulimit -n`"


class Exhausted(ConnectError):
    """The process may not start another thread, or open another file or socket."""


def no_thread(error: BaseException) -> Exhausted:
    return Exhausted(f"a thread could not be started ({error}): {THREADS} (see docs/explanation/threads.md)")


def exhaustion(error: BaseException | None) -> Exhausted | None:
    """The limit that ``error`` or one of its causes has run into; None if it is another failure."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, Exhausted):
            return error
        if is_limit(error):
            return _no_file(error)
        if isinstance(error, (SimsyncError, ImportError)) and os.strerror(errno.EMFILE) in str(error):
            return Exhausted(f"{error}: {FILES} (see docs/explanation/threads.md)")
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def is_limit(error: BaseException) -> bool:
    """Whether an error says by itself that no descriptor is left."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def check_room(descriptors: int = 1) -> None:
    """Raise Exhausted if the process may not open so many files now: some libraries report that as something else."""
    opened: list[int] = []
    try:
        for _each in range(descriptors):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if is_limit(error):
            raise _no_file(error) from error
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _no_file(error: BaseException) -> Exhausted:
    why = getattr(error, "strerror", error)
    return Exhausted(f"too many open files ({why}): {FILES} (see docs/explanation/threads.md)")
