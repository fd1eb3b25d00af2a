"""The file of a recorded run: what a record is, and how a file is read.

The file is NDJSON, one ``{"type", "data"}`` object per line, as the vendor's tool writes it since version 0.5. Older
versions of that tool wrote one JSON object with ``metadata``, ``transactions`` and ``summary``; it is read too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Callable, NamedTuple, Union

from simsync.errors import InvalidParams

_loads: Callable[[bytes], Any] = json.loads
with contextlib.suppress(ImportError):
    from orjson import loads as _loads  # type: ignore[no-redef,unused-ignore]

logger = logging.getLogger("simsync.run")

PathLike = Union[str, "os.PathLike[str]"]

KINDS = (
    *("metadata", "session_started", "tx", "diff", "summary"),
    *("progress", "reconnected", "session_completed", "stopped"),
)
"""The kinds of records: first those of the vendor's tool, then those that only simsync writes."""


class Record(NamedTuple):
    """One record of a run.

    Attributes:
        kind: One of :data:`KINDS`, or the name of a record that a strategy wrote.
        data: The content, as JSON values.
    """

    kind: str
    data: Mapping[str, Any]


def line_of(kind: str, data: Mapping[str, Any]) -> str:
    """A record as a line of the file, with its line break."""
    return json.dumps({"type": kind, "data": data}, separators=(",", ":")) + "\n"


def read_records(path: PathLike) -> Iterator[Record]:
    """Read the records of a recorded run one by one.

    An incomplete last line is ignored with a warning. Memory does not grow with the file, except for the vendor's
    older format, which is a single JSON object.

    Args:
        path: The file, in either format.

    Returns:
        An iterator over the records in the order of the file.

    Raises:
        InvalidParams: The file is not a recorded run; the message names the line.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        first = _first_line(path, file)
        if first is None:
            return
        if "type" in first and isinstance(first.get("data"), Mapping):
            file.seek(0)
            yield from _read_lines(path, file)
        else:
            yield from _read_one_object(path, file)


def _first_line(path: PathLike, file: BinaryIO) -> Mapping[str, Any] | None:
    """The object on the first line with content, empty if that line is not one; None for an empty file."""
    for line in file:
        if line.strip():
            try:
                value = _loads(line)
            except (ValueError, RecursionError):
                return {}
            return value if isinstance(value, Mapping) else {}
    logger.warning("%s is empty", path)
    return None


def _read_lines(path: PathLike, file: BinaryIO) -> Iterator[Record]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            value = _loads(line)
        except (ValueError, RecursionError) as error:
            # The recorder writes whole lines, but a killed process or a full disk can cut the last write short.
            # Only the last line of a file can lack its line break, so an unreadable line that has one is corrupt.
            if not line.endswith(b"\n"):
                logger.warning("%s ends in the middle of line %d; that line is ignored", path, number)
                return
            raise InvalidParams("path", str(path), f"line {number} is not valid JSON ({error})") from error
        if not isinstance(value, Mapping) or not isinstance(value.get("data"), Mapping):
            raise InvalidParams("path", str(path), f"line {number} is not a record with a type and data")
        yield Record(str(value.get("type")), value["data"])


def _read_one_object(path: PathLike, file: BinaryIO) -> Iterator[Record]:
    """The records of the vendor's older format."""
    file.seek(0)
    try:
        value = json.load(file)
    except (ValueError, RecursionError) as error:
        raise InvalidParams("path", str(path), f"is not a recorded run ({error})") from error
    if not isinstance(value, Mapping) or not isinstance(value.get("transactions"), list):
        raise InvalidParams("path", str(path), "is not a recorded run: it has neither records nor transactions")
    if isinstance(value.get("metadata"), Mapping):
        yield Record("metadata", value["metadata"])
    yield from (Record("tx", one) for one in value["transactions"] if isinstance(one, Mapping))
    if isinstance(value.get("summary"), Mapping):
        yield Record("summary", value["summary"])


def whole_number(value: object) -> int | None:
    """A value from a file if it is an integer (a JSON ``true`` is not one), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: object) -> float | None:
    """A value from a file if it is a number, else None."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
