"""What is under the name of an output file before a command writes it."""

from __future__ import annotations

import codecs
import contextlib
import enum
import itertools
import json
from collections.abc import Mapping

from simsync.errors import InvalidParams
from simsync.run.compressed_file import open_decompressed
from simsync.run.path_like import PathLike
from simsync.run.record_file import KINDS, Record, read_records

_METADATA = b'{"type":"metadata","data":{'


class Existing(enum.Enum):
    """What is under the name of an output file before a run."""

    NOTHING = "nothing"
    HEADLESS = "records without a beginning"
    INCOMPLETE = "an incomplete recording"
    COMPLETE = "a complete recording"
    OTHER = "something that is not a recording"


def existing(path: PathLike) -> Existing:
    """Look for the first record of a file and for a summary; whether all in between is there is not checked.

    Args:
        path: The file, which need not exist.

    Raises:
        MissingExtra: The file is compressed with zstd and zstandard is not installed.
        OSError: The file cannot be read.
    """
    try:
        first = _first_record(path)
        if first is None:
            return _without_records(path)
        if first.kind not in KINDS:
            return Existing.OTHER
        if _has_summary(path):
            return Existing.COMPLETE
        return Existing.INCOMPLETE if first.kind == "metadata" else Existing.HEADLESS
    except FileNotFoundError:
        return Existing.NOTHING


def refuse_recording(path: PathLike) -> None:
    """Check that a command that records no run does not replace a recording.

    Args:
        path: The file that the command writes; it need not exist.

    Raises:
        InvalidParams: It holds records of a run.
        OSError: It cannot be read.
    """
    with contextlib.suppress(FileNotFoundError):
        with open_decompressed(path) as lines:
            # Anything else is told at once: a table or a page may be large.
            begins = next((line for line in lines if line.strip()), b"").lstrip(b"\xef\xbb\xbf \t").startswith(b"{")
        found = existing(path) if begins else Existing.NOTHING
        if found in (Existing.HEADLESS, Existing.INCOMPLETE, Existing.COMPLETE):
            rule = f"holds {found.value}, which this command does not replace; choose another file, or delete it first"
            raise InvalidParams("output", str(path), rule)


def _first_record(path: PathLike) -> Record | None:
    with contextlib.suppress(InvalidParams):
        return next(read_records(path), None)
    return None


def _without_records(path: PathLike) -> Existing:
    """A file in which there is no record. Only an empty one may be replaced without asking."""
    damaged: list[bool] = []
    try:
        with open_decompressed(path, on_cut=lambda: damaged.append(True)) as lines:
            first = next((line for line in lines if line.removeprefix(codecs.BOM_UTF8).strip()), b"").lstrip()
    except InvalidParams:  # a line without end
        return Existing.OTHER
    if not first:
        return Existing.OTHER if damaged else Existing.NOTHING
    # A run that was killed while it wrote its first line has left nothing else.
    begun = first.startswith(_METADATA) or _METADATA.startswith(first)
    return Existing.HEADLESS if begun and not any(end in first for end in (b"\r", b"\n")) else Existing.OTHER


def _has_summary(path: PathLike) -> bool:
    """True if a run was recorded to its end. More may follow, as in files that were joined."""
    with open_decompressed(path) as lines:
        first = next((line for line in lines if line.strip()), b"")
        if "type" in _object(first.removeprefix(codecs.BOM_UTF8)):
            return any(
                b'"summary"' in line and _object(line).get("type") == "summary"
                for line in itertools.chain([first], lines)
            )
    with contextlib.suppress(InvalidParams):
        return any(record.kind == "summary" for record in read_records(path, skip_damaged=True))
    return False


def _object(line: bytes) -> Mapping[str, object]:
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(line)
        return value if isinstance(value, Mapping) else {}
    return {}
