"""The files of a recorded run, read in both shapes that the vendor's tool has written.

From its version 0.5 on: one JSON object ``{"type", "data"}`` a line. Before: one object with ``metadata``,
``transactions`` and ``summary``. A file whose writer was killed ends in the middle of a line; that line is left out.
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


class Record(NamedTuple):
    """``kind``: ``metadata``, ``session_started``, ``tx``, ``diff``, ``summary`` or a word that is not known."""

    kind: str
    data: Mapping[str, Any]


def line_of(kind: str, data: Mapping[str, Any]) -> str:
    """One record as it stands in a file."""
    return json.dumps({"type": kind, "data": data}, separators=(",", ":")) + "\n"


def read_records(path: PathLike) -> Iterator[Record]:
    """The records of a file, one by one. Raises OSError, and InvalidParams with the number of a line that is none."""
    with Path(path).open("rb") as file:
        first = _first_line(path, file)
        if first is None:
            return
        if "type" in first and isinstance(first.get("data"), Mapping):
            file.seek(0)
            yield from _lines(path, file)
        else:
            yield from _one_object(path, file)


def _first_line(path: PathLike, file: BinaryIO) -> Mapping[str, Any] | None:
    """The object on the first line that is not empty; an empty one if the line is no whole object."""
    for line in file:
        if line.strip():
            try:
                value = _loads(line)
            except (ValueError, RecursionError):
                return {}
            return value if isinstance(value, Mapping) else {}
    logger.warning("%s is empty", path)
    return None


def _lines(path: PathLike, file: BinaryIO) -> Iterator[Record]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            value = _loads(line)
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                logger.warning("%s ends in the middle of line %d: the run was cut off there", path, number)
                return
            raise InvalidParams("path", str(path), f"line {number} is no JSON ({error})") from error
        if not isinstance(value, Mapping) or not isinstance(value.get("data"), Mapping):
            raise InvalidParams("path", str(path), f"line {number} is no record with a type and data")
        yield Record(str(value.get("type")), value["data"])


def _one_object(path: PathLike, file: BinaryIO) -> Iterator[Record]:
    file.seek(0)
    try:
        value = json.load(file)
    except (ValueError, RecursionError) as error:
        raise InvalidParams("path", str(path), f"is no recorded run ({error})") from error
    if not isinstance(value, Mapping) or not isinstance(value.get("transactions"), list):
        raise InvalidParams("path", str(path), "is no recorded run: it has neither records nor transactions")
    for kind, content in (("metadata", value.get("metadata")), ("summary", value.get("summary"))):
        if kind == "summary":
            yield from (Record("tx", one) for one in value["transactions"] if isinstance(one, Mapping))
        if isinstance(content, Mapping):
            yield Record(kind, content)
