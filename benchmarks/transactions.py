"""Transactions of real shape and size as the frames of one subscription.

The templates are recorded ``getTransaction`` replies. Each copy gets signatures, addresses and amounts of its own, so
that a compressor does not find the same text again; what several templates share (programs, sysvars) stays.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import traffic

SUBSCRIPTION = 7
PER_SLOT = 100
"""Transactions of one slot."""

MIX = ((0.7, 0, 1_500), (0.2, 3_000, 8_000), (0.1, 8_000, 1_000_000))
"""Which share of the transactions has at least and less than so many bytes."""

_SEED = 2
_LEVEL = 3
_HEAD = b'{"jsonrpc":"2.0","method":"transactionNotification","params":{"subscription":%d,"result":' % SUBSCRIPTION
_TAIL = b"}}"
END = _HEAD + b'{"completed":true}' + _TAIL
_SLOT_MARK = 987_654_321_012_345
_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TO_BASE58 = bytes(_BASE58[byte % 58] for byte in range(256))
_TO_DIGITS = bytes(b"123456789"[byte % 9] for byte in range(256))
_VARIABLE = re.compile(rb'[1-9A-HJ-NP-Za-km-z]{32,}|(?<=[:,\["])[1-9][0-9]{5,18}(?=[,\]}"])')


def files(folder: Path) -> list[Path]:
    """Where the recorded replies are; none when the folder holds none."""
    return sorted(folder.glob("mainnet/transactions_*.jsonl"))


@dataclass(frozen=True)
class DataStream:
    """The frames of both forms, joined into chunks, the end of the stream included. ``signatures`` is the CRC-32 of all
    first signatures in order."""

    plain: list[bytes]
    packed: list[bytes]
    signatures: int


class _Template:
    """A reply, cut at what differs from copy to copy."""

    def __init__(self, reply: bytes, shared: frozenset[bytes], signature: bytes) -> None:
        self._literals: list[bytes] = []
        self._places: list[int] = []
        values: dict[bytes, int] = {}
        end = 0
        for match in _VARIABLE.finditer(reply):
            text = match.group()
            if text in shared:
                continue
            self._literals.append(reply[end : match.start()])
            self._places.append(values.setdefault(text, len(values)))
            end = match.end()
        self._rest = reply[end:]
        self._slot = values[b"%d" % _SLOT_MARK]
        self._signature = values[signature]
        self._kinds = [(len(text), _TO_DIGITS if text.isdigit() else _TO_BASE58) for text in values]

    def fill(self, slot: int, source: random.Random) -> tuple[bytes, bytes]:
        """The text of a notification, and its signature."""
        values = [_randbytes(source, size).translate(table) for size, table in self._kinds]
        values[self._slot] = b"%d" % slot
        parts = [_HEAD]
        for literal, place in zip(self._literals, self._places):
            parts.append(literal)
            parts.append(values[place])
        parts += (self._rest, _TAIL)
        return b"".join(parts), values[self._signature]


def _randbytes(source: random.Random, size: int) -> bytes:
    return source.getrandbits(size * 8).to_bytes(size, "little")


def _templates(folder: Path) -> list[tuple[int, _Template]]:
    """With the size of each."""
    replies = []
    seen: dict[bytes, set[bytes]] = {}
    for file in files(folder):
        for line in file.read_bytes().splitlines():
            reply = json.loads(line)
            reply["slot"] = _SLOT_MARK
            text = json.dumps(reply, separators=(",", ":")).encode()
            signature: bytes = reply["transaction"]["signatures"][0].encode()
            replies.append((text, signature))
            seen.setdefault(signature, set()).update(_VARIABLE.findall(text))
    counted = Counter(text for texts in seen.values() for text in texts)
    shared = frozenset(text for text, count in counted.items() if count > 1) - {b"%d" % _SLOT_MARK}
    return [(len(text), _Template(text, shared, signature)) for text, signature in replies]


def _texts(folder: Path, count: int) -> Iterator[tuple[bytes, bytes]]:
    source = random.Random(_SEED)
    templates = _templates(folder)
    kinds = [[template for size, template in templates if least <= size < limit] for _, least, limit in MIX]
    if not all(kinds):
        raise SystemExit(f"the replies in {folder} lack a size of the mix {MIX}")
    chosen = source.choices(kinds, [share for share, _, _ in MIX], k=count)
    for number, kind in enumerate(chosen):
        yield source.choice(kind).fill(traffic.FIRST_SLOT + number // PER_SLOT, source)


def build(folder: Path, count: int) -> DataStream:
    """``count`` transactions, plain and, where zstandard is installed, as one compressed stream."""
    texts = []
    signatures = 0
    for text, signature in _texts(folder, count):
        texts.append(text)
        signatures = zlib.crc32(signature, signatures)
    texts.append(END)
    plain = list(traffic.chunks(map(traffic.frame, texts)))
    return DataStream(plain, list(traffic.chunks(_packed(texts))), signatures)


def _packed(texts: list[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        return
    stream = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    for text in texts:
        packed = stream.compress(text) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        yield traffic.frame(packed, traffic.BINARY)
