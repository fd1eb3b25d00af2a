"""Files of ``getBlock`` replies: one reply a file, several in a list or by slot, or one a line, also compressed."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simsync.errors import InvalidParams
from simsync.local.ledger import file as ledger_file
from simsync.local.ledger.blocks import blocks_of_replies
from simsync.local.ledger.replies import block_of_reply, slot_of_text
from simsync.local.ledger.reply_slots import linked_slots, slot_in_name

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from simsync.local.ledger.blocks import Block

BLOCKS, ACCOUNTS = "blocks", "accounts"
"""The parts of a captured folder: ``simsync ledger capture`` writes them beside each other."""
_ENDINGS = (".json", ".jsonl", ".ndjson")
_LINES = (".jsonl", ".ndjson")
_PACKED = (".gz", *ledger_file.ZSTD)
_NO_SLOT = (
    "has no slot: name a file with one reply by its slot, or write each as [slot, reply] or as a reply with a slot"
)


class _Found(NamedTuple):
    """A reply from a file; ``source`` is its path, with the line or the entry where there are several."""

    source: str
    slot: Any
    reply: Any


def blocks_of_files(paths: Iterable[str | os.PathLike[str]]) -> list[Block]:
    """Return the blocks in files and folders, in order of their names.

    The slot of a reply is that beside or in it. Else that of a file with one reply is in its name, and several replies
    of one file may tell it of each other, see ``linked_slots``.

    Raises OSError, MissingExtra, or InvalidParams with the file, and with the line or entry if there are several.
    """
    made: list[Block] = []
    sources: dict[int, str] = {}
    for path in paths:
        for file in files_in(Path(path), BLOCKS):
            for one in _replies_of(file):
                for block in _blocks_of(one):
                    if block.slot in sources:
                        text = f"holds slot {block.slot}, as {sources[block.slot]} does"
                        raise InvalidParams("path", one.source, text)
                    sources[block.slot] = one.source
                    made.append(block)
    return made


def files_in(path: Path, part: str) -> list[Path]:
    """Return the JSON files of a folder and of those inside it, or the file that ``path`` is.

    Of a captured folder only ``part`` is taken. Hidden files are left out: some systems put one beside each file.

    Raises InvalidParams for a folder without such a file.
    """
    if not path.is_dir():
        return [path]
    found = sorted(_walk(path, part))
    if not found:
        raise InvalidParams("path", str(path), "holds no file that ends in .json, .jsonl or .ndjson (.gz, .zst)")
    return found


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, decompressed if its name says so. Raises OSError or InvalidParams."""
    return _parsed(_content(path), path, "")


def plain_name(path: Path) -> str:
    """Return the name of a file without its endings."""
    return _plain(path).stem


def _walk(folder: Path, part: str) -> Iterator[Path]:
    is_captured = all((folder / one).is_dir() for one in (BLOCKS, ACCOUNTS))
    for one in folder.iterdir():
        if one.name.startswith("."):
            continue
        if one.is_dir():
            # A link to a folder may lead back to one around it.
            if not one.is_symlink() and (one.name == part or not is_captured):
                yield from _walk(one, part)
        elif _plain(one).suffix.lower() in _ENDINGS:
            yield one


def _blocks_of(one: _Found) -> list[Block]:
    """Return the block of a reply; none for a slot without one."""
    try:
        block = block_of_reply(one.reply, one.slot)
        if block is not None and one.slot is None:
            raise InvalidParams("path", one.source, _NO_SLOT)
        return blocks_of_replies([(one.slot, one.reply)])
    except InvalidParams as error:
        if error.argument == "path":
            raise
        raise InvalidParams("path", one.source, _rule(one.slot, error)) from error


def _rule(slot: object, error: InvalidParams) -> str:
    return error.rule if slot is None or f"slot {slot}" in error.rule else f"slot {slot}: {error.rule}"


def _replies_of(path: Path) -> list[_Found]:
    found = [_Found(str(path) + place, *_with_slot(value)) for place, value in _values_of(path)]
    if all(one.slot is not None for one in found):
        return found
    blocks = [_content_of(one) for one in found]
    if len(found) == 1:
        return [found[0]._replace(slot=slot_in_name(plain_name(path), blocks[0]))]
    slots = linked_slots([one.reply for one in found], blocks)
    return [one if one.slot is not None else one._replace(slot=slot) for one, slot in zip(found, slots)]


def _values_of(path: Path) -> Iterator[tuple[str, object]]:
    """Yield the values of a file, each with its place in it."""
    if _plain(path).suffix.lower() in _LINES:
        for number, line in enumerate(_content(path).splitlines(), 1):
            if line.strip():
                yield f", line {number}", _parsed(line, path, f"line {number} ")
        return
    value = read_json(path)
    if isinstance(value, list) and not _is_pair(value):
        for number, one in enumerate(value, 1):
            yield f", entry {number}", one
    elif isinstance(value, dict) and value and all(isinstance(slot_of_text(key), int) for key in value):
        for key, one in value.items():
            yield f", slot {key}", [slot_of_text(key), one]
    else:
        yield "", value


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and type(value[0]) is int


def _with_slot(value: Any) -> tuple[Any, object]:
    if _is_pair(value):
        return value[0], value[1]
    for level in (value, value.get("result") if isinstance(value, dict) else None):
        if isinstance(level, dict) and level.get("slot") is not None:
            return level["slot"], value
    return None, value


def _content_of(one: _Found) -> dict[str, Any] | None:
    try:
        return block_of_reply(one.reply, one.slot)
    except InvalidParams as error:
        raise InvalidParams("path", one.source, _rule(one.slot, error)) from error


def _parsed(content: bytes, path: Path, place: str) -> Any:
    try:
        return json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidParams("path", str(path), f"{place}is not JSON: {reason}") from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _plain(path: Path) -> Path:
    """Return the path without the ending of a compressed file."""
    return path.with_suffix("") if path.suffix.lower() in _PACKED else path


def _content(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        return _without_gzip(path)
    content = path.read_bytes()
    return ledger_file.decompressed(content, str(path)) if path.suffix.lower() in ledger_file.ZSTD else content


def _without_gzip(path: Path) -> bytes:
    most = ledger_file.LARGEST
    try:
        with gzip.open(path) as stream:
            content = stream.read(most + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidParams("path", str(path), f"is not compressed with gzip: {error}") from error
    if len(content) > most:
        text = f"expands to more than {most} bytes; if you trust it, decompress it with gzip first"
        raise InvalidParams("path", str(path), text)
    return content
