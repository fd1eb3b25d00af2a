"""The body of an HTTP reply, within a bound however it was compressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import requests

ENCODING = "gzip"
"""The only compression that is asked for and taken: it is the one that can be undone piece by piece, within a bound."""

_PIECE = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class BodyRefused(Exception):
    """The body is too large, or cannot be read."""


def read_body(reply: requests.Response, limit: int) -> bytes:
    """Read a reply that was asked for with ``stream=True``. Raises BodyRefused, and what urllib3 raises."""
    pieces: Iterator[bytes] = reply.raw.stream(_PIECE, decode_content=False)
    encoding = reply.headers.get("Content-Encoding", "").strip().lower()
    if encoding == ENCODING:
        pieces = _inflated(pieces, limit)
    elif encoding not in ("", "identity"):
        raise BodyRefused(f"the reply is compressed with {encoding[:20]!r}, which was not asked for")
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            raise BodyRefused(f"the reply is larger than {limit} bytes")
    return bytes(body)


def _inflated(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """No piece is larger than one byte more than ``limit``, whatever was sent."""
    inflater = zlib.decompressobj(_GZIP)
    begun = False
    try:
        for piece in pieces:
            while piece:
                begun = True
                yield inflater.decompress(piece, limit + 1)
                piece = inflater.unconsumed_tail
                if inflater.eof:  # another member may follow
                    piece, inflater, begun = inflater.unused_data, zlib.decompressobj(_GZIP), False
    except zlib.error as error:
        raise BodyRefused(f"the reply is not compressed with {ENCODING}, as it says: {error}") from error
    if begun:
        raise BodyRefused("the reply ends in the middle")
