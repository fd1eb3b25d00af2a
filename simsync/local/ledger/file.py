"""A ledger in one file: JSON lines, compressed with zstd if the name ends in ``.zst`` or ``.zstd``.

The first line describes the file and says how many bundles and blocks it holds. Then follow, in slot order, one line
per bundle (the accounts that differ from the previous bundle) and one line per block.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import reprlib
import secrets
import shutil
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.errors import InvalidParams, MissingExtra
from simsync.local.engine.message_parts import parse_transaction
from simsync.local.ledger.blocks import Block, Bundle, HistoricalTransaction
from simsync.local.ledger.replies import recorded_transaction, rewards_of
from simsync.local.ledger.unsigned import unsigned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FORMAT = "simsync-ledger"
_VERSION = 1
ZSTD = (".zst", ".zstd")
"""Endings of compressed files."""
LARGEST = 1024**3
"""Largest size in bytes of a compressed file once it is decompressed."""
_PIECE = 1024
"""Compressed bytes that are decompressed at once: they give at most 32 MiB."""


class Parts(NamedTuple):
    """What a ledger is made of."""

    blocks: Sequence[Block]
    bundles: Sequence[Bundle]
    origin: str


def save(parts: Parts, path: str | os.PathLike[str]) -> None:
    """Write a ledger to ``path``, as a whole or not at all.

    Raises OSError, or MissingExtra for a ``.zst`` file without zstandard.
    """
    content = b"".join(_line(value) for value in _lines(parts))
    target = Path(path)
    if target.suffix.lower() in ZSTD:
        content = _zstandard().ZstdCompressor(level=6).compress(content)
    if target.exists() and not target.is_file():
        target.write_bytes(content)  # a pipe or a device
    else:
        _replace(target, content)


def _replace(target: Path, content: bytes) -> None:
    """Write beside the file, and rename: an older ledger stays until the other one is whole."""
    place = target.resolve()  # links stay
    part = place.with_name(f".ledger-{secrets.token_hex(6)}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            shutil.copymode(place, part)
        part.replace(place)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise type(error)(error.errno, error.strerror, str(target)) from error
        place.write_bytes(content)  # it is mounted by itself, so nothing can be renamed over it
    finally:
        part.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Parts:
    """Return the parts of the ledger in a file.

    Raises OSError, MissingExtra, or InvalidParams if the file is not a ledger.
    """
    source = Path(path)
    content = source.read_bytes()
    if source.suffix.lower() in ZSTD:
        content = decompressed(content, str(path))
    try:
        return _read([json.loads(line) for line in content.splitlines()], str(path))
    except InvalidParams as error:
        if error.argument == "path":
            raise
        raise InvalidParams("path", str(path), f"{error.argument} of slot {error.value}: {error.rule}") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidParams("path", str(path), f"is not a ledger file: {error!r}") from error


def decompressed(content: bytes, path: str, most: int | None = None) -> bytes:
    """Decompress piece by piece: a small file may expand to more than the memory holds, and its header may lie.

    Raises MissingExtra without zstandard, and InvalidParams for what is not compressed or expands to more than ``most``
    bytes, by default ``LARGEST``.
    """
    zstandard = _zstandard()
    most = LARGEST if most is None else most
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    pieces: list[bytes] = []
    size = 0
    try:
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE]
            while piece:
                if decompressor.eof:
                    # Compressed files may be put one behind the other, as those of gzip.
                    decompressor = zstandard.ZstdDecompressor().decompressobj()
                pieces.append(decompressor.decompress(piece))
                piece = decompressor.unused_data
                size += len(pieces[-1])
                if size > most:
                    raise InvalidParams(
                        "path",
                        path,
                        f"expands to more than {most} bytes; if you trust it, decompress it with zstd first",
                    )
    except zstandard.ZstdError as error:
        raise InvalidParams("path", path, f"is not compressed with zstd: {error}") from error
    if not decompressor.eof:
        raise InvalidParams("path", path, "is truncated")
    return b"".join(pieces)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtra("a ledger file that ends in .zst", "speed") from error
    return zstandard


def _line(value: object) -> bytes:
    # Not orjson: the bytes of a file must not depend on which packages are installed.
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _lines(parts: Parts) -> Iterator[dict[str, object]]:
    counts = {"bundles": len(parts.bundles), "blocks": len(parts.blocks)}
    yield {"format": _FORMAT, "version": _VERSION, "origin": parts.origin, **counts}
    known: Mapping[Pubkey, Account] = {}
    blocks = deque(parts.blocks)
    for bundle in parts.bundles:
        accounts: dict[str, object] = {
            str(address): _account_row(account)
            for address, account in bundle.accounts.items()
            if known.get(address) != account
        }
        accounts.update({str(address): None for address in known if address not in bundle.accounts})
        known = bundle.accounts
        yield {"bundle": [bundle.start_slot, bundle.end_slot], "accounts": accounts}
        while blocks and blocks[0].slot <= bundle.end_slot:
            block = blocks.popleft()
            line: dict[str, object] = {
                "slot": block.slot,
                "parent": block.parent,
                "height": block.height,
                "time": block.time,
                "blockhash": block.blockhash,
            }
            if block.previous_blockhash is not None:
                line["previousBlockhash"] = block.previous_blockhash
            if block.rewards:
                line["rewards"] = block.rewards
            if block.recorded:
                line["recorded"] = block.recorded
            else:
                line["transactions"] = [
                    [base64.b64encode(item.wire).decode(), item.error, item.written_balances, item.trace]
                    for item in block.transactions
                ]
            yield line


def _account_row(account: Account) -> list[object]:
    return [
        account.lamports,
        str(account.owner),
        base64.b64encode(account.data).decode(),
        account.executable,
        account.rent_epoch,
    ]


def _read_account(row: list[Any]) -> Account:
    lamports, owner, data, executable, rent_epoch = row
    return Account(lamports, base64.b64decode(data), Pubkey.from_string(owner), executable, rent_epoch)


def _read(lines: list[dict[str, Any]], path: str) -> Parts:
    if not lines or lines[0].get("format") != _FORMAT:
        raise InvalidParams("path", path, "is not a ledger file")
    if lines[0].get("version") != _VERSION:
        raise InvalidParams(
            "path", path, f"has version {lines[0].get('version')}, but this simsync reads version {_VERSION}"
        )
    blocks: list[Block] = []
    bundles: list[Bundle] = []
    accounts: dict[Pubkey, Account] = {}
    for line in lines[1:]:
        if "bundle" in line:
            accounts = dict(accounts)
            for name, row in line["accounts"].items():
                address = Pubkey.from_string(name)
                if row is None:
                    accounts.pop(address, None)
                else:
                    accounts[address] = _read_account(row)
            start, end = line["bundle"]
            bundles.append(Bundle(unsigned("a bundle", start), unsigned("a bundle", end), accounts))
        else:
            blocks.append(_read_block(line))
    # Without the counts, a file that was cut off behind a line would be a shorter ledger.
    for name, found in (("bundles", bundles), ("blocks", blocks)):
        said = lines[0].get(name, len(found))
        if said != len(found):
            raise InvalidParams(
                "path", path, f"holds {len(found)} of {reprlib.repr(said)} {name}: make or copy it once more"
            )
    return Parts(blocks, bundles, _text("origin", lines[0]["origin"]))


def _read_block(line: dict[str, Any]) -> Block:
    slot, time = unsigned("slot", line["slot"]), _optional("time", line["time"])
    previous = line.get("previousBlockhash")
    return Block(
        slot,
        unsigned("parent", line["parent"]),
        _optional("height", line["height"]),
        time,
        _text("blockhash", line["blockhash"]),
        tuple(_historical(row) for row in line.get("transactions", ())),
        tuple(recorded_transaction(row, slot, time) for row in line.get("recorded", ())),
        None if previous is None else _text("previousBlockhash", previous),
        rewards_of(line, slot),
    )


def _optional(name: str, value: object) -> int | None:
    return None if value is None else unsigned(name, value)


def _historical(row: list[Any]) -> HistoricalTransaction:
    wire, error, balances, trace = row
    lamports = tuple(unsigned("a balance", balance) for balance in balances)
    return HistoricalTransaction(_checked_wire(wire), error, lamports, _text("a trace", trace))


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {reprlib.repr(value)}")
    value.encode()  # half of a surrogate pair, which JSON can name, cannot be written again
    return value


def _checked_wire(text: str) -> bytes:
    """Return the bytes of a transaction. Raises ValueError if they do not make one."""
    wire = base64.b64decode(text)
    parse_transaction(wire)
    return wire
