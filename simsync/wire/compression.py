"""The compressed form of notifications: one zstd stream per connection, each message flushed into one binary frame."""

from __future__ import annotations

from typing import Any

try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

NAME = "zstd"


def is_available() -> bool:
    """Compression is asked for only where it can be read."""
    return zstandard is not None


LARGEST = 64 * 1024 * 1024
"""Bytes of one message when it is inflated, unless the caller says otherwise."""
_LEAST_WINDOW = 8 * 1024 * 1024
"""Bytes of history that every decoder of zstd has to grant; what a stream wants beyond it counts like a message."""
_EXPANSION = 32 * 1024
"""Times that zstd can blow up what it is given: a block of 4 bytes stands for 128 KiB at most."""
_LEAST_PIECE = 256


class Inflater:
    """Reads the compressed messages of one connection, in order.

    They are inflated piece by piece, so a small frame that stands for gigabytes is refused before they are there: of
    one piece comes not much more than the limit.
    """

    def __init__(self, limit: int = LARGEST) -> None:
        """``limit``: bytes of one inflated message."""
        self._limit = limit
        self._piece = max(_LEAST_PIECE, limit // _EXPANSION)
        decompressor = zstandard.ZstdDecompressor(max_window_size=max(limit, _LEAST_WINDOW))
        self._stream: Any = decompressor.decompressobj()

    def inflate(self, payload: bytes) -> bytes:
        """Raises ValueError; after that the stream is of no more use."""
        pieces: list[bytes] = []
        size = 0
        try:
            for start in range(0, len(payload), self._piece):
                pieces.append(bytes(self._stream.decompress(payload[start : start + self._piece])))
                size += len(pieces[-1])
                if size > self._limit:
                    raise ValueError(f"a message inflates to more than the limit of {self._limit} bytes")
        except zstandard.ZstdError as error:
            raise ValueError(f"the compressed stream is broken: {error}") from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
