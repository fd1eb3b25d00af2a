"""Base58, the text form of Solana addresses and signatures."""

from __future__ import annotations

from simsync.errors import InvalidParams

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}


def decode(text: str) -> bytes:
    """Return the bytes of a base58 text. Raises ValueError for a character that is not in the alphabet."""
    if not isinstance(text, str):
        raise InvalidParams("text", text, "must be base58 text")
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            raise ValueError(f"{character!r} is not a base58 character")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def encode(data: bytes | bytearray | memoryview) -> str:
    """Return the base58 text of bytes."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InvalidParams("data", data, "must be bytes")
    data = bytes(data)
    number = int.from_bytes(data, "big")
    characters = []
    while number:
        number, digit = divmod(number, 58)
        characters.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(characters))
