"""Crash-safe recording: blocks of whole lines in a file that takes the place of an older one when it is worth it.

Blocks end with a ``progress`` record whenever an engine stops. So a killed run leaves a file that can be read, and its
last ``progress`` record says how far the run came.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from simsync.errors import InvalidParams, SimsyncError
from simsync.params import checks
from simsync.run import output_file
from simsync.run.completeness import check_complete
from simsync.run.compressed_file import Compressor, compressor_for
from simsync.run.existing_file import Existing, existing
from simsync.run.path_like import PathLike, as_path
from simsync.run.record_file import KINDS, Record, line_of, read_records

logger = logging.getLogger("simsync.run")

_BLOCK = 256 * 1024
"""Bytes after which a block is written without waiting for a progress record; it bounds what memory holds."""
_PURPOSE = "run"
"""Part of the names of temporary files, see :func:`simsync.run.output_file.beside`."""
_LONGEST_NAME = 255
"""Bytes of a file's name."""
_WITHOUT_WORTH = frozenset({"metadata", "session_started", "reconnected", "progress", "stopped"})
"""Records of a run that has executed nothing yet."""
_OPEN = os.O_RDWR | os.O_APPEND
"""Reading is for a file that something else has taken the name of."""
_WITHOUT_CONTENT = frozenset(KINDS) - {"tx", "diff"}
"""Records that are not what a run is recorded for."""
_REPLACED_WHEN_COMPLETE = (Existing.COMPLETE, Existing.OTHER)
"""What is replaced with ``force`` only, and by a complete recording only."""


def unfinished_path(path: Path) -> Path:
    """Where a run is recorded while the output file still holds something better: ``run.new.ndjson``."""
    fits = len(os.fsencode(path.name)) + len(".new") <= _LONGEST_NAME
    name, dot, endings = (path.name if fits else output_file.kept_name(path)).partition(".")
    return path.with_name(f"{name}.new{dot}{endings}" if name else f"{dot}{endings}.new")


def _content_of(path: Path) -> int:
    """The records of content in a file, up to its last stop of an engine: what comes after that is not continued."""
    found = stopped = 0
    for record in read_records(path, skip_damaged=True):
        found += record.kind not in _WITHOUT_CONTENT
        if record.kind in ("progress", "session_completed"):
            stopped = found
    return stopped


class Recorder:
    """Writes the file of one run; a context manager, for one thread at a time.

    Records go to a temporary file beside the target. It takes the target's place as soon as it holds something that
    was executed; a run that could not start leaves an existing recording as it is. Only one recorder at a time can
    write a file. What is not a regular file is written through, and ``-`` is standard output. The content is
    compressed if the name ends in ``.gz`` or ``.zst``.

    Args:
        path: The file.
        append: Resume a run: the file keeps its finished sessions (see :func:`keep_finished`). The run is recorded in
            ``NAME.new.ENDING`` until it has finished another session, or holds as much as the file.
        force: Replace a complete recording, or a file that is not a recording. The run is recorded in
            ``NAME.new.ENDING`` until it is complete.
        wait: Seconds to wait for another writer of the file.

    Raises:
        InvalidParams: The file holds a complete recording or is not a recording, and neither ``append`` nor ``force``
            is given; or ``NAME.new.ENDING`` is needed and holds one; or ``append`` is given for a file that cannot be
            resumed. Raised on entering, as the following.
        OutputBusy: Another process writes the file.
        MissingExtra: The name ends in ``.zst`` and zstandard is not installed.
        OSError: Opening or writing failed. The methods raise it too; after it nothing more is recorded.
        SimsyncError: Another program has replaced the file during the run; the message names the file that holds the
            recording instead. Raised at the end.
    """

    def __init__(self, path: PathLike, *, append: bool = False, force: bool = False, wait: float = 0.0) -> None:
        self.path = as_path(path)
        self._append, self._force, self._wait = append, force, checks.seconds("wait", wait)
        self._compressor: Compressor | None = None
        self._context = contextlib.ExitStack()
        self._descriptor: int | None = None
        self._through = False
        self._old = Existing.NOTHING
        self._target = self._place = self.path
        self._part: Path | None = None  # until it has taken a place
        self._content = 0  # records of it
        self._enough: int | None = 0  # records of content with which it takes the target's place; None: when complete
        self._worth = self._complete = self._whole = self._abandoned = False
        self._failure: OSError | None = None
        self._lines: list[bytes] = []
        self._size = 0
        self._end = 0  # of the last whole block, in bytes

    def __enter__(self) -> Recorder:
        with contextlib.ExitStack() as context:
            self._open(context)
            self._context = context.pop_all()
        return self

    def _open(self, context: contextlib.ExitStack) -> None:
        if output_file.is_written_through(self.path):
            if self._append:
                raise InvalidParams("path", str(self.path), "is not a file that can be resumed")
            self._through = True
            self._compressor = compressor_for(self.path)
            self._descriptor = output_file.open_through(self.path)
            return
        self._target = self._place = output_file.resolved(self.path)
        self._compressor = compressor_for(self._target)  # a link may have another ending than its file
        locked = context.enter_context(output_file.only_writer(self._target, self._wait))
        self._old = existing(self._target)
        if self._append and self._old is Existing.OTHER:
            raise InvalidParams("path", str(self.path), f"holds {self._old.value}, so there is nothing to resume")
        if not self._append and not self._force and self._old in _REPLACED_WHEN_COMPLETE:
            rule = f"holds {self._refused()}, or choose another output file"
            raise InvalidParams("path", str(self.path), rule)
        if self._force and self._old in _REPLACED_WHEN_COMPLETE:
            self._enough = None
        elif self._append and self._old is not Existing.NOTHING and self._reason() is not None:
            self._enough = _content_of(self._target)
        if self._enough != 0:
            self._place = unfinished_path(self._target)
            context.enter_context(output_file.only_writer(self._place, self._wait))
            aside = existing(self._place)
            if aside in _REPLACED_WHEN_COMPLETE:
                rule = f"holds {aside.value}; a run is recorded there until it may replace {self._target.name}"
                raise InvalidParams("path", str(self._place), f"{rule}: move it away first")
        if locked:
            # Of killed runs. They hold nothing of worth, or they had taken their place.
            output_file.remove_leftovers(self._target, _PURPOSE)
        self._part = output_file.beside(self._target, _PURPOSE)
        context.callback(self._discard)
        self._descriptor = os.open(self._part, _OPEN)

    def _refused(self) -> str:
        """What is there, and what to do with it."""
        reason = self._reason()
        if self._old is Existing.COMPLETE and reason is not None:
            return f"a recording that is not complete ({reason}); --resume repairs it, --force replaces it"
        return f"{self._old.value}; replace it with --force"

    def _reason(self) -> str | None:
        """Why the file is not complete; None if it is."""
        if self._old is not Existing.COMPLETE:
            return str(self._old.value)
        try:
            return check_complete(self._target).reason
        except InvalidParams as error:  # a damaged line
            return error.rule

    def _discard(self) -> None:
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        with self._context:
            try:
                self._close(error)
            finally:
                # One that is abandoned stays open: the stuck thread must not write into another file of its number.
                if self._descriptor is not None and not self._abandoned:
                    os.close(self._descriptor)
                    self._descriptor = None

    def _close(self, error: BaseException | None) -> None:
        if self._abandoned or self._descriptor is None:
            return
        if self._failure is None:
            self.flush()
            if self._compressor is not None and self._end:
                self._append_bytes(self._compressor.end())
        if not self._through:
            if self._end and self._part is not None and self._old is Existing.NOTHING:
                self._take_place(self._target)  # nothing is lost by it, and it says why the run could not start
            os.fsync(self._descriptor)
            if self._part is None:
                self._keep_place(error)
        if self._failure is not None and error is None:
            raise self._failure

    @property
    def kept_aside(self) -> Path | None:
        """Where the recording is if it is not complete and did not replace the complete one; None otherwise."""
        return self._place if self._part is None and not self._through and self._place != self._target else None

    def write(self, kind: str, data: Mapping[str, object]) -> None:
        """Add a record. It reaches the file with its block.

        Args:
            kind: The type of the record.
            data: Its content, as JSON values.
        """
        # A slot that was executed without any transaction is worth keeping too.
        self._worth |= kind not in _WITHOUT_WORTH or (kind == "progress" and data.get("slot") is not None)
        self._complete |= kind == "summary"
        self._content += kind not in _WITHOUT_CONTENT
        if kind == "session_completed" and self._enough is not None:
            self._enough = 0  # the next one to resume runs less
        self._add(line_of(kind, data))

    def keep(self, record: Record) -> None:
        """Add a record of the older file to the one that will replace it.

        Args:
            record: The record, as it was read.
        """
        self._content += record.kind not in _WITHOUT_CONTENT
        self._add(line_of(*record))

    def begin_again(self) -> bool:
        """Drop what was written so far; returns False if it has taken the place of the older file already."""
        if self._descriptor is None or self._part is None:
            return False
        self._compressor = compressor_for(self._target)
        self._lines.clear()
        self._size = self._end = self._content = 0
        os.ftruncate(self._descriptor, 0)
        self._worth = self._complete = False
        return True

    def progress(self, data: Mapping[str, object]) -> None:
        """Add a ``progress`` record and flush: everything up to it is in the file when this returns.

        Args:
            data: The content of the record, as JSON values.
        """
        self.write("progress", data)
        self.flush()

    def stop(self, data: Mapping[str, object]) -> None:
        """Write the record that ends an incomplete run, if the file can still take it.

        A run that is interrupted after its summary was written is complete all the same.

        Args:
            data: The content of the record, as JSON values.
        """
        if self._whole:
            self._take_place(self._target)
            return
        self._complete = False  # also if its summary waits in memory
        if self._failure is None:
            self.write("stopped", data)
            self.flush()
        elif not self._through and self._compressor is None:
            # What the failed block had written was cut off again, which may have made room for a line.
            with contextlib.suppress(OSError):
                self._append_bytes(line_of("stopped", data))

    def abandon(self) -> None:
        """Close the file without writing anything more: another thread is stuck while it writes."""
        self._abandoned = True

    def flush(self) -> None:
        """Write the records that are still in memory. Without an open file it does nothing."""
        if self._descriptor is None or self._abandoned:
            return
        if self._failure is not None:
            raise self._failure
        if not self._lines:
            return
        block = b"".join(self._lines)
        self._lines.clear()
        self._size = 0
        self._append_bytes(block if self._compressor is None else self._compressor.block(block))
        self._whole = self._complete
        if self._whole:
            self._take_place(self._target)
        elif self._worth:
            enough = self._enough is not None and self._content >= self._enough
            self._take_place(self._target if enough else self._place)

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BLOCK:
            self.flush()

    def _append_bytes(self, data: bytes) -> None:
        """Write all of it or nothing."""
        assert self._descriptor is not None
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            # A gap must not be followed by more, so nothing is recorded after this.
            self._failure = type(error)(error.errno, error.strerror, str(self.path))
            # What is written through (`- >> FILE`) may hold what others wrote before: its size is not ours to set.
            if not self._through:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._end)
            raise self._failure from error
        self._end += len(data)

    def _take_place(self, place: Path) -> None:
        """Rename the file that is being written; the descriptor stays open."""
        if self._through or (self._part is None and self._place == place):
            return
        if self._part is not None:
            output_file.take_place(self._part, place)
            self._part = None
        else:
            self._keep_place(None)
            output_file.take_place(self._place, place)
        self._place = place
        if not self._is_in_place():
            # It was copied, because the target is mounted by itself and cannot be renamed over.
            assert self._descriptor is not None
            copy = os.open(place, _OPEN)
            os.dup2(copy, self._descriptor, inheritable=False)
            os.close(copy)

    def _is_in_place(self) -> bool:
        assert self._descriptor is not None
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._descriptor), self._place.stat())
        return False

    def _keep_place(self, error: BaseException | None) -> None:
        """Save the recording if something else has removed or replaced its name. Others do not ask for the lock."""
        if self._is_in_place():
            return
        assert self._descriptor is not None
        before, place = self._place, self._place
        while place.exists():
            place = unfinished_path(place)
        saved = output_file.beside(place, _PURPOSE)
        with os.fdopen(os.dup(self._descriptor), "rb") as content, saved.open("wb") as copy:
            content.seek(0)
            shutil.copyfileobj(content, copy)
        output_file.take_place(saved, place)
        self._place = place
        what = f"{before} was removed or replaced by another program during the run; the recording is in {place}"
        if error is not None or place == before:
            logger.warning(what)
        else:
            raise SimsyncError(what)
