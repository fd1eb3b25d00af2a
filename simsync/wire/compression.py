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


class Inflater:
    """Reads the compressed messages of one connection, in order."""

    def __init__(self) -> None:
        self._stream: Any = zstandard.ZstdDecompressor().decompressobj()

    def inflate(self, payload: bytes) -> bytes:
        """Raises ValueError; after that the stream is of no more use."""
        try:
            return bytes(self._stream.decompress(payload))
        except zstandard.ZstdError as error:
            raise ValueError(f"the compressed stream is broken: {error}") from error
