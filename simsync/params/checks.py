"""The rules that arguments have to meet. Each check returns the value in its plain form or raises InvalidParams."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from simsync.errors import InvalidParams

U16 = 2**16 - 1
U32 = 2**32 - 1
U64 = 2**64 - 1

_BASE58 = {
    character: value for value, character in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}


def integer(argument: str, value: object, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidParams(argument, value, f"must be a whole number, not {type(value).__name__}")
    if not low <= value <= high:
        raise InvalidParams(argument, value, f"must be from {low} to {high}")
    return value


def optional_integer(argument: str, value: object, low: int, high: int) -> int | None:
    return None if value is None else integer(argument, value, low, high)


def flag(argument: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidParams(argument, value, "must be True or False")
    return value


def seconds(argument: str, value: object, low: float = 0.0) -> float:
    """A number of seconds, at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidParams(argument, value, "must be a number of seconds")
    if not low <= value < float("inf"):  # also refuses NaN
        raise InvalidParams(argument, value, f"must be at least {low:g} seconds")
    return float(value)


def address(argument: str, value: object) -> str:
    """A Solana address: base58 of 32 bytes. Objects that print as one (solders' ``Pubkey``) are taken as well."""
    text = value if isinstance(value, str) else str(value)
    number = 0
    for character in text:
        digit = _BASE58.get(character)
        if digit is None:
            raise InvalidParams(argument, value, f"is no base58 address: character {character!r}")
        number = number * 58 + digit
        if number >> 256:
            break
    zeros = len(text) - len(text.lstrip("1"))
    if not text or zeros + (number.bit_length() + 7) // 8 != 32:
        raise InvalidParams(argument, value, "is no address: base58 of exactly 32 bytes is needed")
    return text


def addresses(argument: str, values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidParams(argument, values, "must be a list of addresses")
    return tuple(address(f"{argument}[{index}]", value) for index, value in enumerate(values))


def base64_text(argument: str, value: object) -> str:
    """Standard padded base64. Bytes, and objects that have a byte form (solders' transactions), are encoded."""
    if isinstance(value, str):
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidParams(argument, value, f"is no standard, padded base64 ({error})") from error
        return value
    if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "__bytes__"):
        return base64.b64encode(bytes(value)).decode("ascii")
    raise InvalidParams(argument, value, "must be base64 text, bytes, or an object with a byte form")


def transactions(argument: str, values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidParams(argument, values, "must be a list of transactions")
    checked = []
    for index, value in enumerate(values):
        text = base64_text(f"{argument}[{index}]", value)
        if not text:
            raise InvalidParams(f"{argument}[{index}]", value, "is empty")
        checked.append(text)
    return tuple(checked)


def mapping(argument: str, value: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidParams(argument, value, "must be a mapping")
    return value


def items(argument: str, values: object) -> tuple[Any, ...]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InvalidParams(argument, values, "must be a list")
    return tuple(values)


def assign(instance: object, **values: object) -> None:
    """Set fields of a frozen dataclass to their checked form."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
