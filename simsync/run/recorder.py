"""Crash-safe writing: a run, appended in blocks of whole lines, and a file that is replaced only when complete.

Blocks end with a ``progress`` record whenever an engine stops. So a killed run leaves a file that can be read, and its
last ``progress`` record says how far the run came.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from simsync.run.record_file import PathLike, line_of

_BLOCK = 256 * 1024
"""Characters after which a block is written without waiting for a progress record; it bounds what memory holds."""


class Recorder:
    """Writes the file of one run; a context manager, for one thread at a time.

    Args:
        path: The file. It is created if it does not exist, and truncated if it does.
        append: Keep the content of the file and write after it, to resume a run (see :func:`keep_finished`).

    Raises:
        OSError: Opening or writing failed. The methods raise it too.
    """

    def __init__(self, path: PathLike, *, append: bool = False) -> None:
        self.path = Path(path)
        self._mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if append else os.O_TRUNC)
        self._descriptor: int | None = None
        self._lines: list[str] = []
        self._size = 0

    def __enter__(self) -> Recorder:
        self._descriptor = os.open(self.path, self._mode, 0o644)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def write(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add a record. It reaches the file with its block.

        Args:
            kind: The type of the record.
            data: Its content, as JSON values.
        """
        line = line_of(kind, data)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BLOCK:
            self.flush()

    def progress(self, data: Mapping[str, Any]) -> None:
        """Add a ``progress`` record and flush: everything up to it is in the file when this returns.

        Args:
            data: The content of the record, as JSON values.
        """
        self.write("progress", data)
        self.flush()

    def flush(self) -> None:
        """Write the records that are still in memory. Without an open file it does nothing."""
        if self._descriptor is None:
            return
        left = memoryview("".join(self._lines).encode("utf-8"))
        # Forget the lines before writing them: if a write fails half-way (full disk), a part of the block is in the
        # file already, and the next flush must not write that part again.
        self._lines.clear()
        self._size = 0
        while left:
            left = left[os.write(self._descriptor, left) :]


@contextlib.contextmanager
def atomic_replacement(target: Path) -> Iterator[Path]:
    """Replace a file when the block ends; if the block raises, the old file stays and nothing else is left.

    Args:
        target: The file to replace. It need not exist.

    Yields:
        The path to write the new content to.

    Raises:
        OSError: Syncing or renaming failed.
    """
    # In the same folder, because a rename is atomic only within one file system.
    part = target.with_name(f".{target.name}.part")
    try:
        yield part
        # Content first, name second: without fsync a power failure could leave the name with an empty file.
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
