"""Files that a command writes: replaced as a whole or not at all, by one writer at a time.

Content is written to a temporary file beside the target, which takes its place by a rename. Symbolic links are
followed, mode and owner of an existing file are kept. A target that is not a regular file (a pipe, a device,
``/dev/stdout``, ``-``) is written through.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from simsync.errors import InvalidParams, SimsyncError
from simsync.run.existing_file import refuse_recording
from simsync.run.path_like import PathLike as PathLike
from simsync.run.temporary_folder import FULL

logger = logging.getLogger("simsync.run")

STANDARD_OUTPUT = "-"
"""The target that stands for standard output."""

_POLL = 0.1
"""Seconds between two attempts to take a lock."""
_PATIENCE = 60.0
"""Seconds that a command waits for another one that writes the same file, which is done soon; a run may take hours."""
_NAME_LENGTH = 200
"""Bytes of the target's name that a temporary name keeps: a name of 255 could not be made longer."""
_TOKEN = 6
"""Bytes that make a temporary name unique."""
_CANNOT_RENAME = (errno.EBUSY, errno.EXDEV)
"""A file that is mounted by itself, as in a container, cannot be replaced by a rename."""
_CANNOT_LOCK = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_OWN_DESCRIPTOR = re.compile(r"/(?:dev/fd|proc/(?:self|thread-self|(?P<process>\d+))(?:/task/\d+)?/fd)/(?P<number>\d+)")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_MOST_LINKS = 40


class OutputBusy(SimsyncError):
    """Another process is writing the file.

    What to do: wait for it (``--wait``, or ``wait=`` of :class:`simsync.run.Recorder`), or choose another file.
    """


def is_written_through(target: PathLike) -> bool:
    """True for standard output, a descriptor of this process, a pipe or a device: such a target cannot be replaced.

    Args:
        target: A path, or ``-``.
    """
    if os.fspath(target) == STANDARD_OUTPUT or own_descriptor(target) is not None:
        return True
    try:
        mode = os.stat(target).st_mode  # noqa: PTH116 (a path may be text)
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def own_descriptor(target: PathLike) -> int | None:
    """The descriptor that a path leads to, as ``/dev/stdout``, ``/dev/fd/3`` and ``-`` (for writing) do; else None."""
    if os.fspath(target) == STANDARD_OUTPUT:
        return 1
    path = os.path.abspath(os.fspath(target))  # noqa: PTH100 (resolving would follow the last link too)
    for _ in range(_MOST_LINKS):
        if path in _STANDARD:
            return _STANDARD[path]
        match = _OWN_DESCRIPTOR.fullmatch(path)
        if match is not None:
            process = match.group("process")
            return int(match.group("number")) if process is None or int(process) == os.getpid() else None
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
        except OSError:
            return None
        path = os.path.normpath(path)
    return None


def open_through(target: PathLike) -> int:
    """Open a target that cannot be replaced; returns a descriptor of our own for writing."""
    number = 1 if os.fspath(target) == STANDARD_OUTPUT else own_descriptor(target)
    if number is not None:
        sys.stdout.flush()  # what was printed before must come first
        return os.dup(number)
    return os.open(target, os.O_WRONLY)


def resolved(target: PathLike) -> Path:
    """The file that a path leads to; links in it need not lead to an existing file."""
    return Path(os.path.realpath(target))


def refuse_same_file(argument: str, target: PathLike, inputs: Iterable[PathLike]) -> None:
    """Check that a command does not write over what it reads.

    Args:
        argument: The name of the argument, for the message.
        target: The file to write; ``-`` is standard output.
        inputs: The files that are read; ``-`` is standard input.

    Raises:
        InvalidParams: The target is one of the inputs, by this or another name.
    """
    written = _regular_file(target, sys.stdout)
    for one in inputs:
        read = _regular_file(one, sys.stdin)
        if written is not None and read is not None and os.path.samestat(written, read):
            raise InvalidParams(argument, str(target), f"is the file that is read ({one}); choose another one")


def _regular_file(path: PathLike, standard: TextIO) -> os.stat_result | None:
    """The identity of a file that keeps what is written; None for pipes, devices, and what does not exist."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream that was closed has no descriptor
        status = os.fstat(standard.fileno()) if os.fspath(path) == STANDARD_OUTPUT else os.stat(path)  # noqa: PTH116
        return status if stat.S_ISREG(status.st_mode) else None
    return None


@contextlib.contextmanager
def replaced(target: PathLike, wait: float = _PATIENCE) -> Iterator[Path]:
    """Replace a file when the block ends; if the block raises, the old file stays and nothing else is left.

    Args:
        target: The file to replace; it need not exist. What is not a regular file is written through at the end.
        wait: Seconds to wait for another writer of the target.

    Yields:
        The path of an empty temporary file, with the ending of the target, to write the content to.

    Raises:
        InvalidParams: The target holds a recording; only a run replaces it.
        OutputBusy: Another process writes the target.
        OSError: The temporary file could not be made, or the target not be written.
    """
    if is_written_through(target):
        with tempfile.TemporaryDirectory(prefix="simsync-") as folder:
            part = Path(folder, "part" + "".join(Path(target).suffixes))
            yield part
            with part.open("rb") as content, os.fdopen(open_through(target), "wb") as through:
                shutil.copyfileobj(content, through)
        return
    path = resolved(target)
    with only_writer(path, wait):
        refuse_recording(path)
        part = beside(path, "part")
        try:
            with _named(path, FULL):
                yield part
                take_place(part, path)
        finally:
            part.unlink(missing_ok=True)


def beside(path: Path, purpose: str) -> Path:
    """Create an empty temporary file in the folder of ``path``, with a unique hidden name that keeps the ending.

    In the same folder, because a rename is atomic only within one file system.
    """
    while True:
        part = path.with_name(f".{purpose}-{secrets.token_hex(_TOKEN)}-{kept_name(path)}")
        with contextlib.suppress(FileExistsError), _named(path):
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            return part


def remove_leftovers(path: Path, purpose: str) -> None:
    """Remove the temporary files that killed processes have left beside ``path``. The caller holds the lock of it."""
    form = re.compile(rf"\.{purpose}-[0-9a-f]{{{2 * _TOKEN}}}-{re.escape(kept_name(path))}")
    for one in path.parent.iterdir():
        if form.fullmatch(one.name):
            one.unlink(missing_ok=True)


def kept_name(path: Path) -> str:
    """As much of a name as fits into a longer one, with its endings."""
    name = path.name
    while len(os.fsencode(name)) > _NAME_LENGTH:
        name = name[1:]
    return name


@contextlib.contextmanager
def _named(path: Path, numbers: Collection[int] = ()) -> Iterator[None]:
    """Let an error about a hidden file name the file that the user knows; with ``numbers`` only such errors."""
    try:
        yield
    except OSError as error:
        if numbers and error.errno not in numbers:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


def take_place(part: Path, target: Path) -> None:
    """Put a finished temporary file in the place of its target, with the mode and the owner of the old file.

    Args:
        part: The temporary file, in the folder of the target.
        target: The resolved target.

    Raises:
        OSError: Syncing, renaming or copying failed.
    """
    with part.open("rb") as written:
        with contextlib.suppress(FileNotFoundError):
            _keep_owner_and_mode(written.fileno(), target.stat())
        # Content first, name second: without fsync a power failure could leave the name with an empty file.
        os.fsync(written.fileno())
    try:
        part.replace(target)
    except OSError as error:
        if error.errno not in _CANNOT_RENAME:
            raise
        shutil.copyfile(part, target)
        part.unlink()
    sync_folder(target.parent)


def _keep_owner_and_mode(descriptor: int, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(PermissionError):  # only root may give files away
            os.fchown(descriptor, old.st_uid, old.st_gid)
    if stat.S_IMODE(new.st_mode) != stat.S_IMODE(old.st_mode):
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def sync_folder(folder: Path) -> None:
    """Make a rename durable. Some file systems cannot sync a folder; that is not an error."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def only_writer(target: PathLike, wait: float = 0.0) -> Iterator[bool]:
    """Keep other processes from writing a file while the block runs.

    The lock is on a hidden file beside the target, because the target itself is replaced. A process that dies releases
    it.

    Args:
        target: The file to write. What is not a regular file is not locked.
        wait: Seconds to wait for another writer.

    Yields:
        True if the lock is held; False if the target or its file system has no locks.

    Raises:
        OutputBusy: Another process still writes the file.
        OSError: The lock file could not be created.
    """
    if is_written_through(target):
        yield False
        return
    path = resolved(target)
    lock = path.with_name(f".{kept_name(path)}.lock")
    descriptor = _locked(lock, path, time.monotonic() + wait)
    if descriptor is None:
        logger.warning("%s cannot be locked: make sure that nothing else writes it", path)
        yield False
        return
    try:
        yield True
    finally:
        # Removed while the lock is held; whoever opened it before sees that its name is gone, and opens it again.
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(lock: Path, path: Path, deadline: float) -> int | None:
    """A descriptor that holds the lock; None if the file system has none."""
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            # One that is there may be another user's; else it is the folder that does not take the file.
            raise type(error)(error.errno, error.strerror, str(lock if lock.exists() else path)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), lock.stat()):
                    return descriptor
            os.close(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            if time.monotonic() >= deadline:
                rule = "choose another output file"
                raise OutputBusy(f"{path} is being written by another process; {rule}") from error
            time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _CANNOT_LOCK:
                raise
            lock.unlink(missing_ok=True)
            return None
