"""The journal of a sweep: its results in a file, so that a killed driver can continue where it was."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

from simsync._version import __version__
from simsync.errors import InvalidParams
from simsync.params import CreateSession
from simsync.run import fingerprint
from simsync.run.output_file import only_writer, resolved, sync_folder
from simsync.run.path_like import PathLike
from simsync.run.plain_values import plain_value
from simsync.run.record_file import line_of, read_records
from simsync.run.record_json import json_text
from simsync.run.sweep_task import RangeResult, SweepFailed
from simsync.run_summary import RunSummary

_HEAD, _RESULT = "sweep", "range"
"""The types of the records: the first line, and one line for each range that was run."""
_BEGINNING = b'{"type":"sweep",'
"""How the first line begins, as it is written."""


class SweepJournal:
    """The file of one sweep, with one writer; its methods may be called by any thread.

    The file is NDJSON: a ``sweep`` record with what the sweep is made of, and a ``range`` record for each range that
    was run. Values are stored as JSON.

    Args:
        path: The file. It is created if it does not exist.
        strategy: The strategy of the sweep.
        parallel: Whether each range is one parallel session.
        creates: The ranges.

    Attributes:
        done: The results of the ranges that need not be run again, in the order of the ranges.

    Raises:
        InvalidParams: The file is the journal of another sweep, or not a journal.
        OutputBusy: Another sweep writes the file.
        OSError: The file cannot be read or written.
    """

    def __init__(
        self,
        path: PathLike,
        strategy: Callable[..., Any],
        parallel: bool,
        creates: Sequence[CreateSession],
    ) -> None:
        self._path = resolved(path)
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._keys = _keys(creates)
        parts = {**fingerprint.parts_of_function(strategy), "parallel": parallel, "simsync": __version__}
        with contextlib.ExitStack() as context:
            context.enter_context(only_writer(self._path))
            self.done = self._read(fingerprint.plain(parts), creates)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            context.callback(self._close_file)
            os.ftruncate(self._descriptor, self._whole)
            if self._unended:
                os.write(self._descriptor, b"\n")
            if not self._whole:
                self._write(_HEAD, {"fingerprint": fingerprint.digest(parts), "options": parts})
                sync_folder(self._path.parent)
            self._context = context.pop_all()

    def add(self, result: RangeResult[Any]) -> RangeResult[Any]:
        """Write a result; it is on the disk when this returns.

        Args:
            result: The result of a range that was run.

        Returns:
            The result with its value as JSON has it, so that it is the same when it is read from the journal.

        Raises:
            OSError: Writing failed.
        """
        try:
            value = json.loads(json_text(plain_value("value", result.value), strict=True))
        except (TypeError, ValueError, RecursionError) as error:
            reason = f"the value cannot be written to the journal ({error}); return what JSON can hold"
            result = replace(result, value=None, error=SweepFailed(reason), failure="worker")
            value = None
        result = replace(result, value=value)
        if result.failure != "cancelled":
            with self._lock:
                self._write(_RESULT, {"key": self._keys[result.index], **_data_of(result)})
        return result

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        self._context.close()

    def _close_file(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _write(self, kind: str, data: Mapping[str, object]) -> None:
        if self._descriptor is None:
            return  # the sweep was closed; what still ends is run again
        line = line_of(kind, data)
        before = os.fstat(self._descriptor).st_size
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise type(error)(error.errno, error.strerror, str(self._path)) from error

    def _read(self, parts: Mapping[str, object], creates: Sequence[CreateSession]) -> list[RangeResult[Any]]:
        self._whole, self._unended = _whole_bytes(self._path), False
        if not self._whole:
            _refuse_other_content(self._path)
            return []
        cut: list[bool] = []
        records = read_records(self._path, on_cut=lambda: cut.append(True))
        head = next(records, None)
        if head is None or head.kind != _HEAD:
            raise InvalidParams("journal", str(self._path), "is not the journal of a sweep; choose another file")
        before = fingerprint.parts_in(head.data)
        if before is None:
            raise InvalidParams("journal", str(self._path), "is damaged in its first line; choose another file")
        different = fingerprint.differences(before, parts)
        if different:
            told = "; ".join(f"{name}: {old} then, {new} now" for name, (old, new) in different.items())
            raise InvalidParams("journal", str(self._path), f"is of another sweep ({told}); choose another file")
        latest = {str(record.data.get("key")): record.data for record in records if record.kind == _RESULT}
        size = self._path.stat().st_size
        if not cut and size > self._whole:  # only the line break of its last line is missing
            self._whole, self._unended = size, True
        return [
            _result_of(index, create, latest[key])
            for index, (create, key) in enumerate(zip(creates, self._keys))
            if key in latest and latest[key].get("failure") is None
        ]


def _keys(creates: Sequence[CreateSession]) -> list[str]:
    """A name for each range that does not depend on its place: what it creates, and a number if that is repeated."""
    seen: Counter[str] = Counter()
    keys = []
    for create in creates:
        name = fingerprint.digest(fingerprint.parts_of_create(create))
        seen[name] += 1
        keys.append(f"{name}/{seen[name]}")
    return keys


def _whole_bytes(path: Path) -> int:
    """The size of a file without a last line that was cut off."""
    try:
        with path.open("rb") as file:
            return sum(len(line) for line in file if line.endswith(b"\n"))
    except FileNotFoundError:
        return 0


def _refuse_other_content(path: Path) -> None:
    """A file without a whole line must be empty, or hold the beginning of the first line of a journal."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        found = file.read(len(_BEGINNING))
        if not _BEGINNING.startswith(found):
            raise InvalidParams("journal", str(path), "is not the journal of a sweep; choose another file")


def _data_of(result: RangeResult[Any]) -> dict[str, Any]:
    return {
        "index": result.index,
        "start_slot": result.start_slot,
        "end_slot": result.end_slot,
        "create": fingerprint.parts_of_create(result.create),
        "value": result.value,
        "failure": result.failure,
        "error": None if result.error is None else f"{type(result.error).__name__}: {result.error}",
        "summary": None if result.summary is None else result.summary.to_dict(encode_json=True),
        "attempts": result.attempts,
        "seconds": round(result.seconds, 3),
        "traceback": result.traceback,
    }


def _result_of(index: int, create: CreateSession, data: Mapping[str, Any]) -> RangeResult[Any]:
    summary = data.get("summary")
    return RangeResult(
        create.start_slot,
        create.last_slot,
        index,
        create,
        data.get("value"),
        summary=None if summary is None else RunSummary.from_dict(summary, infer_missing=True),
        attempts=data.get("attempts", 1),
        seconds=data.get("seconds", 0.0),
        journaled=True,
    )
