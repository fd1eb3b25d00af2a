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
_PIECE = 64 * 1024


class _Message:
    """Where the pieces of one message are collected, up to ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> int:
        """Raises ValueError at the limit."""
        self._size += len(piece)
        if self._size > self._limit:
            self._pieces = []
            raise ValueError(f"a message inflates to more than the limit of {self._limit} bytes")
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        pieces, self._pieces, self._size = self._pieces, [], 0
        return b"".join(pieces)


class Inflater:
    """Reads the compressed messages of one connection, in order.

    They are inflated piece by piece, so a small frame that stands for gigabytes is refused before they are there.
    """

    def __init__(self, limit: int = LARGEST) -> None:
        """``limit``: bytes of one inflated message."""
        self._message = _Message(limit)
        decompressor: Any = zstandard.ZstdDecompressor(max_window_size=max(limit, _LEAST_WINDOW))
        # It writes into an object of its own: zstandard's objects are not seen by the collector of cycles.
        self._stream = decompressor.stream_writer(self._message, write_size=_PIECE)

    def inflate(self, payload: bytes) -> bytes:
        """Raises ValueError; after that the stream is of no more use."""
        try:
            self._stream.write(payload)
        except zstandard.ZstdError as error:
            raise ValueError(f"the compressed stream is broken: {error}") from error
        return self._message.take()
