"""The encodings in which the RPC of a node gives the data of an account."""

from __future__ import annotations

import base64

from simsync.params import base58

ENCODINGS = ("base64", "base58", "base64+zstd")
LEGACY = "base58"
"""The encoding of data that is bare text: a node gives it if it was asked for none."""

LARGEST_ACCOUNT = 10 * 1024 * 1024
"""Bytes of data that an account can hold."""
_LONGEST_BASE58 = 4_096
"""Nodes use base58 for at most 128 bytes, and the time to decode it grows with the square of its length."""


def decode(text: object, encoding: object) -> bytes:
    """Return the bytes. Raises ValueError if the text is damaged, or too long, or the encoding is another one."""
    if not isinstance(text, str) or encoding not in ENCODINGS:
        raise ValueError("is not text in one of the encodings " + ", ".join(ENCODINGS))
    if encoding == "base58":
        if len(text) > _LONGEST_BASE58:
            raise ValueError(f"has more than {_LONGEST_BASE58} characters of base58")
        return base58.decode(text)
    data = base64.b64decode(text, validate=True)
    return data if encoding == "base64" else _inflated(data)


def _inflated(data: bytes) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise ValueError("is compressed, and the package zstandard (extra [speed]) is missing") from None
    try:
        # The size of the result is in the data if the sender knew it; the limit of `decompress` is for other data.
        if zstandard.frame_content_size(data) > LARGEST_ACCOUNT:
            raise ValueError(f"inflates to more than {LARGEST_ACCOUNT} bytes")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST_ACCOUNT)
    except zstandard.ZstdError as error:
        raise ValueError(f"is not compressed with zstd ({error})") from error
