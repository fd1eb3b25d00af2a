"""JSON and base58 as the embedded simulator writes and reads them."""

from __future__ import annotations

import json
from typing import Any

orjson: Any
try:
    import orjson
except ImportError:  # orjson is faster, the standard library does the same
    orjson = None

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_INDEX = {letter: value for value, letter in enumerate(_ALPHABET)}


def dump_json(value: Any) -> bytes:
    """Return ``value`` as compact UTF-8 JSON. Raises TypeError for what JSON cannot hold."""
    if orjson is not None:
        encoded: bytes = orjson.dumps(value)
        return encoded
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def load_json(text: str | bytes) -> Any:
    """Return the value of a JSON document. Raises ValueError for anything else."""
    if orjson is not None:
        return orjson.loads(text)
    return json.loads(text)


def encode_base58(data: bytes) -> str:
    """Return ``data`` in base58, the way Solana prints instruction data."""
    number = int.from_bytes(data, "big")
    letters = []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(letters))


def decode_base58(text: str) -> bytes:
    """Return the bytes of a base58 string. Raises ValueError for a letter outside the alphabet."""
    number = 0
    for letter in text:
        digit = _INDEX.get(letter)
        if digit is None:
            raise ValueError(f"{letter!r} is not a base58 letter")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
