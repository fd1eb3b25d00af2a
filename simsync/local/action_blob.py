"""The transactions of a scheduled action as one text, which servers from 0.14 on want.

That this text is base64 of data that zstd has compressed is documented; what was compressed is not. The layout here is
a guess of the embedded simulator: a list of byte strings as bincode writes it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from simsync.errors import MissingExtra
from simsync.local.encoding import zstandard
from simsync.local.request_fields import BadRequest, Refused, invalid

_LENGTH = 8
_LARGEST = 64 * 1024 * 1024
"""Bytes of the transactions of one action."""


def action_blob(transactions: Sequence[bytes]) -> str:
    """Return the transactions of an action as one text that the embedded simulator reads.

    Use it with ``Dialect.for_generation("0.14", action_blob=action_blob)``. No other server is known to read it.

    Args:
        transactions: The bytes of each transaction, in order.

    Raises:
        MissingExtra: The package zstandard is not installed.
    """
    if zstandard is None:
        raise MissingExtra("the compressed form of scheduled transactions", "speed")
    parts = [_number(len(transactions))]
    for one in transactions:
        parts += (_number(len(one)), one)
    return base64.b64encode(zstandard.ZstdCompressor().compress(b"".join(parts))).decode()


def read_blob(text: str, where: str) -> list[str]:
    """Return the transactions in such a text, as base64. Raises BadRequest."""
    if zstandard is None:
        raise invalid(f"transactions of {where} need the package zstandard on the side of the simulator")
    try:
        data = zstandard.ZstdDecompressor().decompress(base64.b64decode(text, validate=True), max_output_size=_LARGEST)
        return [base64.b64encode(one).decode() for one in _split(data)]
    except (binascii.Error, ValueError, zstandard.ZstdError) as error:
        fields: dict[str, object] = {"index": 0, "error": f"transactions of {where}: {error}"}
        raise BadRequest(Refused("invalidTransactionEncoding", fields)) from error


def _number(value: int) -> bytes:
    return value.to_bytes(_LENGTH, "little")


def _split(data: bytes) -> list[bytes]:
    place = 0

    def take(size: int) -> bytes:
        nonlocal place
        part = data[place : place + size]
        if len(part) != size:
            raise ValueError(f"it ends after {len(data)} bytes")
        place += size
        return part

    count = int.from_bytes(take(_LENGTH), "little")
    parts = []
    for _ in range(count):
        parts.append(take(int.from_bytes(take(_LENGTH), "little")))
    if place != len(data):
        raise ValueError(f"{len(data) - place} bytes follow the last transaction")
    return parts
