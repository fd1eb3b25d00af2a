"""The rules that arguments have to meet. Each check returns the value in its plain form or raises InvalidParams."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from simsync.errors import InvalidParams
from simsync.params import base58

U16 = 2**16 - 1
U32 = 2**32 - 1
U64 = 2**64 - 1
_I64_LOW = -(2**63)

LONGEST = 1e9
"""Seconds. Longer than any run, and short enough for every way of waiting."""

_DEEPEST = 64
"""Levels of nesting in a value that is sent as it is."""

_LONGEST_ADDRESS, _LONGEST_SIGNATURE = 44, 88
"""Characters; no longer base58 text stands for 32 and 64 bytes."""


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


def slot_range(start_slot: object, end_slot: object) -> None:
    """Two slots, both included."""
    start = integer("start_slot", start_slot, 0, U64)
    if integer("end_slot", end_slot, 0, U64) < start:
        raise InvalidParams("end_slot", end_slot, f"must not lie before start_slot={start_slot}")


def seconds(argument: str, value: object, low: float = 0.0) -> float:
    """A number of seconds from ``low`` to :data:`LONGEST`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidParams(argument, value, "must be a number of seconds")
    if not low <= value <= LONGEST:  # also refuses NaN
        raise InvalidParams(argument, value, f"must be from {low:g} to {LONGEST:g} seconds")
    return float(value)


def address(argument: str, value: object) -> str:
    """A Solana address: base58 of 32 bytes. Objects that print as one (solders' ``Pubkey``) are taken as well."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise InvalidParams(argument, value, "must be base58 text, not bytes")
    return _base58_text(argument, value, "address", 32, _LONGEST_ADDRESS)


def signature(argument: str, value: object) -> str:
    """Base58 of 64 bytes. Objects that print as such (solders' ``Signature``) are taken as well."""
    return _base58_text(argument, value, "signature", 64, _LONGEST_SIGNATURE)


def _base58_text(argument: str, value: object, what: str, size: int, longest: int) -> str:
    text = value if isinstance(value, str) else str(value)
    try:
        data = base58.decode(text[: longest + 1])
    except ValueError as error:
        raise InvalidParams(argument, value, f"is no base58 {what}: {error}") from error
    if len(data) != size:
        raise InvalidParams(argument, value, f"is no {what}: base58 of exactly {size} bytes is needed")
    return text


def optional_address(argument: str, value: object) -> str | None:
    return None if value is None else address(argument, value)


def address_bytes(argument: str, value: object) -> bytes:
    """The 32 bytes of an address."""
    return base58.decode(address(argument, value))


def addresses(argument: str, values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidParams(argument, values, "must be a list of addresses")
    return tuple(address(f"{argument}[{index}]", value) for index, value in enumerate(values))


def base64_text(argument: str, value: object) -> str:
    """Standard padded base64. Bytes, and objects that have a byte form (solders' transactions), are encoded."""
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidParams(argument, value, f"is no standard, padded base64 ({error})") from error
        if base64.b64encode(data).decode("ascii") != value:  # the decoder lets wrong padding and stray bits pass
            raise InvalidParams(argument, value, "is no standard, padded base64 (wrong padding)")
        return value
    if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "__bytes__"):
        return base64.b64encode(bytes(value)).decode("ascii")
    raise InvalidParams(argument, value, "must be base64 text, bytes, or an object with a byte form")


def binary(argument: str, value: object) -> bytes:
    """The bytes of what :func:`base64_text` takes."""
    return base64.b64decode(base64_text(argument, value))


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


def plain(argument: str, value: object) -> Any:
    """A copy of a value that is sent as it is: None, bool, int, float, text, and lists and mappings of those."""
    return _plain(argument, value, _DEEPEST)


def plain_mapping(argument: str, value: object) -> dict[str, Any]:
    """A copy of a mapping that is sent as it is."""
    checked: dict[str, Any] = plain(argument, mapping(argument, value))
    return checked


def _plain(argument: str, value: object, levels: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(argument, value)
    if isinstance(value, int):
        return integer(argument, int(value), _I64_LOW, U64)
    if isinstance(value, float):
        if not float("-inf") < value < float("inf"):
            raise InvalidParams(argument, value, "cannot be sent: JSON has no such number")
        return float(value)
    if not levels:
        raise InvalidParams(argument, type(value).__name__, f"is nested more than {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        return {
            text(f"{argument} key", key): _plain(f"{argument}[{key!r}]", item, levels - 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(f"{argument}[{index}]", item, levels - 1) for index, item in enumerate(value)]
    raise InvalidParams(argument, value, f"cannot be sent: JSON has no {type(value).__name__}")


def text(argument: str, value: object) -> str:
    """Text that has a UTF-8 form."""
    if not isinstance(value, str):
        raise InvalidParams(argument, value, "must be text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidParams(argument, value, f"is no valid Unicode ({error.reason})") from error
    return value


def api_key(value: object) -> str:
    """Plain text that fits into a header; never shown."""
    if not isinstance(value, str) or not value.isprintable() or not value.isascii() or value != value.strip():
        raise InvalidParams("api_key", "(hidden)", "must be plain text without line breaks or outer spaces")
    return value


def assign(instance: object, **values: object) -> None:
    """Set fields of a frozen dataclass to their checked form."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
