"""Compressed notifications: one zstd stream per connection, each message flushed into one binary frame."""

from __future__ import annotations

from typing import Any

try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

NAME = "zstd"


# guess: compression
def is_available() -> bool:
    """True if zstd can be decompressed here; only then is compression requested."""
    return zstandard is not None


LARGEST = 64 * 1024 * 1024
"""Default limit of one inflated message, in bytes."""
_LEAST_WINDOW = 8 * 1024 * 1024
"""Bytes of history that every zstd decoder must allow. A stream that needs more is limited like a message."""
_EXPANSION = 32 * 1024
"""The largest ratio by which zstd can expand its input: a block of 4 bytes stands for at most 128 KiB."""
_LEAST_PIECE = 256


class Inflater:
    """Inflates the compressed messages of one connection, in order.

    A message is inflated piece by piece, and a piece expands to little more than the limit. So a small frame that
    stands for gigabytes is rejected before they are allocated.

    Args:
        limit: the largest inflated message to accept, in bytes.
    """

    def __init__(self, limit: int = LARGEST) -> None:
        self._limit = limit
        self._piece = max(_LEAST_PIECE, limit // _EXPANSION)
        self._stream: Any = None  # made for the first message: a quiet stream needs no buffers

    # guess: a compressed stream that breaks
    def inflate(self, payload: bytes) -> bytes:
        """Inflate the next message. Raises ValueError, after which the stream cannot be used any more."""
        if self._stream is None:
            decompressor = zstandard.ZstdDecompressor(max_window_size=max(self._limit, _LEAST_WINDOW))
            self._stream = decompressor.decompressobj()
        try:
            if len(payload) > self._piece:
                return b"".join(self._pieces(payload))
            text: bytes = self._stream.decompress(payload)  # nearly always
        except zstandard.ZstdError as error:
            raise ValueError(f"the compressed stream is broken: {error}") from error
        self._check(len(text))
        return text

    def _pieces(self, payload: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        size = 0
        for start in range(0, len(payload), self._piece):
            pieces.append(self._stream.decompress(payload[start : start + self._piece]))
            size += len(pieces[-1])
            self._check(size)
        return pieces

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ValueError(f"a message inflates to more than the limit of {self._limit} bytes")
