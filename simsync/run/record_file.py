"""The file of a recorded run: what a record is, and how a file is read.

The file is NDJSON, one ``{"type", "data"}`` object per line, as the vendor's tool writes it since version 0.5. Older
versions of that tool wrote one JSON object with ``metadata``, ``transactions`` and ``summary``; it is read too. Files
may be compressed (``.gz``, ``.zst``), may begin with a byte order mark and may have Windows line ends.

Records:
    metadata: The first line. ``start_slot``, ``end_slot``, ``program_ids``, ``program_so``, ``ran_at_unix_secs``,
        ``session_ids`` (empty), ``recorded_by``, ``fingerprint``, ``options``.
    session_started: ``session_id``, ``start_slot``, ``end_slot``, ``at_unix_secs``.
    tx: One transaction. ``slot``, ``timestamp`` (of the block, Unix seconds), ``signature``, ``success``, ``error`` (as
        the RPC writes it), ``logs``, ``sol_changes`` (rows with ``account``, ``pre`` and ``post`` in lamports),
        ``token_changes`` (the same in the token's smallest unit, with ``mint`` and ``decimals``), ``account_diffs``
        (empty; in files of the vendor's tool differences by address or in rows), ``compute_units``, ``fee`` (lamports),
        ``session_id``.
    diff: One account diff. ``slot``, ``signature``, ``account``, ``pre_lamports`` and ``post_lamports`` (null if the
        account did not exist), ``session_id``.
    summary: The last line of a complete run. Totals, ``session_ids``, the run summary, and what proves that the file is
        whole: ``diffs``, ``other_records``, ``session_totals``, ``fingerprint``.
    progress: Written whenever an engine stops. ``session_id``, ``slot``, ``at_unix_secs``; of a single session also
        what it takes to continue there: ``sequence``, ``executed``, ``transactions``, ``failed``, ``diffs``.
    reconnected: ``at_unix_secs``, and ``connection``: ``control`` (shared by all sessions) or ``data`` (of
        ``session_id``).
    session_completed: The whole range of a session is in the file. The session, its range, ``slots_seen``,
        ``highest_slot``, ``summary``, ``transactions``, ``failed``, ``diffs``, ``checksum``, ``at_unix_secs``.
    stopped: The last line of an incomplete run. ``reasons``, ``executed_slots``, ``at_unix_secs``.
"""

from __future__ import annotations

import codecs
import itertools
import logging
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, NamedTuple

from simsync.errors import InvalidParams
from simsync.run.compressed_file import open_decompressed
from simsync.run.path_like import PathLike
from simsync.run.record_json import json_line, loads

logger = logging.getLogger("simsync.run")

__all__ = ["KINDS", "PathLike", "Record", "amount", "line_of", "number", "read_records", "whole_number"]

KINDS = (
    *("metadata", "session_started", "tx", "diff", "summary"),
    *("progress", "reconnected", "session_completed", "stopped"),
)
"""The kinds of records: first those of the vendor's tool, then those that only simsync writes."""

_MOST_WARNINGS = 5
"""Records of an unknown shape that are named one by one."""


_LARGEST_OBJECT = 1024 * 1024 * 1024
"""Bytes of a compressed recording in the vendor's older format, which is read as a whole."""
_NO_RUN = "is not a recorded run: it has neither records nor transactions"
_DIGITS = re.compile(r"-?\d{1,30}", re.ASCII)
_FLOAT = re.compile(r"-?\d{1,15}(\.\d{1,15})?([eE]\+?\d{1,2})?", re.ASCII)
_LARGEST = 10**30
"""Amounts are below this, which leaves room for sums in 128 bits."""
_EXACT = 1e15
"""Whole floats are exact below this."""


class Record(NamedTuple):
    """One record of a run.

    Attributes:
        kind: One of :data:`KINDS`, or the name of a record that a strategy wrote.
        data: The content, as JSON values.
    """

    kind: str
    data: Mapping[str, Any]


def line_of(kind: str, data: Mapping[str, object]) -> bytes:
    """A record as a line of the file, with its line break."""
    return json_line({"type": kind, "data": data})


def read_records(
    path: PathLike,
    *,
    skip_damaged: bool = False,
    on_cut: Callable[[], object] | None = None,
    on_odd: Callable[[int], object] | None = None,
    name: str | None = None,
) -> Iterator[Record]:
    """Read the records of a recorded run one by one.

    An incomplete last line and records of an unknown shape are ignored with a warning. Memory does not grow with the
    file, except for the vendor's older format, which is a single JSON object.

    Args:
        path: The file, in either format, compressed or not; ``-`` is standard input.
        skip_damaged: Leave out lines that are not JSON, with a warning, as after a power failure.
        on_cut: Called if the last line is incomplete.
        on_odd: Called at the end with the number of lines and rows that are not records.
        name: What messages call the file; by default its path.

    Returns:
        An iterator over the records in the order of the file.

    Raises:
        InvalidParams: The file is not a recorded run; the message names the line.
        MissingExtra: The file is compressed with zstd and zstandard is not installed.
        OSError: The file cannot be read.
    """
    shown = str(path) if name is None else name
    with open_decompressed(path) as file:
        lines = _without_mark(file)
        before: list[bytes] = []  # empty lines, and the first one with content
        first = None
        for line in lines:
            before.append(line)
            if line.strip():
                first = _first_object(line)
                break
        if first is None:
            logger.warning("%s is empty", shown)
        elif "type" in first or (not first and _is_cut_record(before[-1])):
            yield from _read_lines(shown, itertools.chain(before, lines), skip_damaged, on_cut, on_odd)
        elif before[-1].lstrip().startswith(b"{") and (not first or "transactions" in first):
            yield from _read_one_object(shown, _joined(path, shown, itertools.chain(before, lines)), on_odd)
        else:
            raise InvalidParams("path", shown, _NO_RUN)


def _joined(path: PathLike, name: str, lines: Iterator[bytes]) -> bytes:
    """All lines of a file that is one object."""
    try:
        on_disk = Path(path).stat().st_size
    except OSError:
        on_disk = 0  # standard input
    found, size = [], 0
    for line in lines:
        found.append(line)
        size += len(line)
        if size > max(_LARGEST_OBJECT, on_disk):
            raise InvalidParams("path", name, f"is one JSON object of more than {_LARGEST_OBJECT:,} bytes")
    return b"".join(found)


def _without_mark(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines without the byte order mark that some editors put in front."""
    first = next(lines, None)
    if first is not None:
        yield first[len(codecs.BOM_UTF8) :] if first.startswith(codecs.BOM_UTF8) else first
        yield from lines


def _first_object(line: bytes) -> Mapping[str, object]:
    """The object on the first line with content; empty if that line is not one."""
    try:
        value = loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, Mapping) else {}


def _is_cut_record(line: bytes) -> bool:
    """True for the beginning of a record: all that is left of a file that was cut off inside its first line."""
    return not line.endswith(b"\n") and line.lstrip().startswith(b'{"type"')


def _read_lines(
    name: str,
    lines: Iterator[bytes],
    skip_damaged: bool,
    on_cut: Callable[[], object] | None,
    on_odd: Callable[[int], object] | None,
) -> Iterator[Record]:
    odd = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = loads(line)
        except (ValueError, RecursionError) as error:
            # The recorder writes whole lines, but a killed process or a full disk can cut the last write short.
            # Only the last line of a file can lack its line break, so an unreadable line that has one is corrupt.
            if not line.endswith(b"\n"):
                logger.warning("%s ends in the middle of line %d; that line is ignored", name, number)
                if on_cut is not None:
                    on_cut()
                break
            if not skip_damaged:
                raise InvalidParams("path", name, f"line {number} is not valid JSON ({error})") from error
            value = None
        if isinstance(value, Mapping) and isinstance(value.get("data"), Mapping):
            yield Record(str(value.get("type")), value["data"])
            continue
        odd += 1
        if odd <= _MOST_WARNINGS:
            logger.warning("%s: line %d is ignored: it is not a record with a type and data", name, number)
    if odd > _MOST_WARNINGS:
        logger.warning("%s: %d lines in all are not records", name, odd)
    if odd and on_odd is not None:
        on_odd(odd)


def _read_one_object(name: str, content: bytes, on_odd: Callable[[int], object] | None) -> Iterator[Record]:
    """The records of the vendor's older format."""
    try:
        value = loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidParams("path", name, f"is not a recorded run ({error})") from error
    if not isinstance(value, Mapping) or not isinstance(value.get("transactions"), list):
        raise InvalidParams("path", name, _NO_RUN)
    if isinstance(value.get("metadata"), Mapping):
        yield Record("metadata", value["metadata"])
    yield from (Record("tx", one) for one in value["transactions"] if isinstance(one, Mapping))
    if isinstance(value.get("summary"), Mapping):
        yield Record("summary", value["summary"])
    odd = sum(not isinstance(one, Mapping) for one in value["transactions"])
    if odd and on_odd is not None:
        on_odd(odd)


def whole_number(value: object) -> int | None:
    """A value from a file if it is an integer (a JSON ``true`` is not one), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def amount(value: object) -> int | None:
    """A value from a file if it is a whole number of at most 30 digits, else None.

    Other tools also write text, and floats such as ``2.0``. The macro of this name in :mod:`simsync.run.views` reads
    the same.
    """
    if isinstance(value, str):
        if _DIGITS.fullmatch(value):
            return int(value)
        value = float(value) if _FLOAT.fullmatch(value) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else None
    found = whole_number(value)
    return found if found is not None and abs(found) < _LARGEST else None


def number(value: object) -> float | None:
    """A value from a file if it is a number that a double holds, else None."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
