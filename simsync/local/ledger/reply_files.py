"""Files of ``getBlock`` replies: one reply a file, or one a line, also compressed."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simsync.errors import InvalidParams
from simsync.local.ledger.file import decompressed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

_ENDINGS = (".json", ".jsonl", ".ndjson")
_LINES = (".jsonl", ".ndjson")
_PACKED = (".gz", ".zst")
_SLOT = re.compile(r"(?<!\d)\d+(?!\d)")


def read_replies(paths: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[int | None, Any]]:
    """Yield slot and reply from files and folders, in order of their names.

    The slot is that of the pair or of the reply, else the number in the name of a file with one reply; None if neither
    tells. Raises OSError, MissingExtra or InvalidParams.
    """
    for path in paths:
        for file in _files(Path(path)):
            yield from _replies_of(file)


def is_reply_file(path: Path) -> bool:
    """May a file hold replies, by its name?"""
    return _plain(path).suffix in _ENDINGS


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, decompressed if its name says so. Raises OSError or InvalidParams."""
    try:
        return json.loads(_content(path))
    except ValueError as error:
        raise InvalidParams("path", str(path), f"is not JSON: {error}") from error


def plain_name(path: Path) -> str:
    """Return the name of a file without its endings."""
    return _plain(path).stem


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted((one for one in path.iterdir() if is_reply_file(one)), key=lambda one: (_slot_of(one) or 0, one))
    if not found:
        raise InvalidParams("path", str(path), "holds no file that ends in .json, .jsonl or .ndjson (.gz, .zst)")
    return found


def _replies_of(path: Path) -> Iterator[tuple[int | None, object]]:
    if _plain(path).suffix in _LINES:
        for number, line in enumerate(_content(path).splitlines(), 1):
            if not line.strip():
                continue
            try:
                yield _with_slot(json.loads(line), None)
            except ValueError as error:
                raise InvalidParams("path", str(path), f"line {number} is not JSON: {error}") from error
        return
    value = read_json(path)
    if isinstance(value, list) and not (len(value) == 2 and isinstance(value[0], int)):
        for one in value:
            yield _with_slot(one, None)
        return
    yield _with_slot(value, _slot_of(path))


def _with_slot(value: object, slot: int | None) -> tuple[int | None, object]:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):
        return value[0], value[1]
    for level in (value, value.get("result") if isinstance(value, dict) else None):
        if isinstance(level, dict) and isinstance(level.get("slot"), int):
            return level["slot"], value
    return slot, value


def _slot_of(path: Path) -> int | None:
    found = _SLOT.findall(_plain(path).stem)
    return int(found[-1]) if found else None


def _plain(path: Path) -> Path:
    """Return the path without the ending of a compressed file."""
    return path.with_suffix("") if path.suffix in _PACKED else path


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            return gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise InvalidParams("path", str(path), f"is not compressed with gzip: {error}") from error
    return decompressed(content, str(path)) if path.suffix == ".zst" else content
