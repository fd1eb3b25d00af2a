"""The rules for arguments. Each check returns the value in its plain form, or raises InvalidParams."""

from __future__ import annotations

import base64
import binascii
import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat, SupportsIndex, Union

from simsync.errors import InvalidParams
from simsync.params import base58

Number = Union[SupportsFloat, SupportsIndex]
"""What a number of seconds may be for type checkers: ``int``, ``float``, and the numbers of numpy and pandas."""

U16 = 2**16 - 1
U32 = 2**32 - 1
U64 = 2**64 - 1
_I64_LOW = -(2**63)

LONGEST = 1e9
"""Longest timeout in seconds: longer than any run, and short enough for every system call that waits."""

_DEEPEST = 64
"""Levels of nesting in a value that is sent unchanged."""

_NUMPY_BOOL = ("bool", "bool_")
"""The name of numpy's boolean, by version."""
_QUOTES = ('""', "''", "``", "“”", "‘’", "„“", "«»")
_QUOTATION_MARKS = frozenset("".join(_QUOTES))
_QUOTES_ADVICE = "files of variables, such as those of docker --env-file, are taken literally"

_LONGEST_ADDRESS, _LONGEST_SIGNATURE = 44, 88
"""Characters of the longest base58 text of 32 and 64 bytes."""
_ADDRESS_SIZE, _SIGNATURE_SIZE = 32, 64


def integer(argument: str, value: object, low: int, high: int) -> int:
    """An integer from ``low`` to ``high``, both included, as an ``int``: numpy's and pandas' are accepted too."""
    whole = any_integer(argument, value)
    if not low <= whole <= high:
        raise InvalidParams(argument, value, f"must be from {low} to {high}")
    return whole


def any_integer(argument: str, value: object) -> int:
    """An integer of any size, such as a seed."""
    whole = _whole(value)
    if whole is None:
        raise InvalidParams(argument, value, f"must be an integer, not {type(value).__name__}")
    return whole


def integers(argument: str, values: object, low: int, high: int) -> tuple[int, ...]:
    """A list of integers."""
    return tuple(
        integer(f"{argument}[{index}]", value, low, high) for index, value in enumerate(items(argument, values))
    )


def is_integer(value: object) -> bool:
    """True for what :func:`integer` takes, whatever its size."""
    return _whole(value) is not None


def _whole(value: object) -> int | None:
    """The number that an integer of any kind is, None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__") or _is_bool_of_numpy(value):
        return None
    try:
        return int(operator.index(value))  # Python 3.9 leaves a subclass of int as it is
    except TypeError:  # numpy: an array of several numbers
        return None


def _is_bool_of_numpy(value: object) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__ in _NUMPY_BOOL


def _is_number(value: object) -> bool:
    """True for a real number of any kind; Python and numpy register theirs. False for a boolean."""
    return not isinstance(value, bool) and isinstance(value, numbers.Real)


def optional_integer(argument: str, value: object, low: int, high: int) -> int | None:
    """An integer, or None."""
    return None if value is None else integer(argument, value, low, high)


def flag(argument: str, value: object) -> bool:
    """True or False, also those of numpy, as a ``bool``."""
    if not isinstance(value, bool) and not _is_bool_of_numpy(value):
        raise InvalidParams(argument, value, "must be True or False")
    return bool(value)


def slot_range(start_slot: object, end_slot: object) -> tuple[int, int]:
    """Two slots that are not in reverse order."""
    start, end = integer("start_slot", start_slot, 0, U64), integer("end_slot", end_slot, 0, U64)
    if end < start:
        raise InvalidParams("end_slot", end_slot, f"must be >= start_slot ({start})")
    return start, end


def seconds(argument: str, value: object, low: float = 0.0) -> float:
    """A number of seconds from ``low`` to :data:`LONGEST`."""
    number: Any = value if _is_number(value) else _whole(value)
    if number is None:
        raise InvalidParams(argument, value, "must be a number of seconds")
    if not low <= number <= LONGEST:  # also refuses NaN
        raise InvalidParams(argument, value, f"must be from {low:g} to {LONGEST:g} seconds")
    return float(number)


def optional_seconds(argument: str, value: object) -> float | None:
    """A number of seconds, or None."""
    return None if value is None else seconds(argument, value)


def address(argument: str, value: object) -> str:
    """A Solana address: base58 of 32 bytes. Objects that print as one (solders' ``Pubkey``) are accepted too."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise InvalidParams(argument, value, "must be base58 text, not bytes")
    return _base58_text(argument, value, "a Solana address", _ADDRESS_SIZE, _LONGEST_ADDRESS)


def signature(argument: str, value: object) -> str:
    """A signature: base58 of 64 bytes. Objects that print as one (solders' ``Signature``) are accepted too."""
    return _base58_text(argument, value, "a signature", _SIGNATURE_SIZE, _LONGEST_SIGNATURE)


def _base58_text(argument: str, value: object, what: str, size: int, longest: int) -> str:
    text = str(value)  # also turns subclasses of text, such as numpy's, into plain text
    try:
        data = base58.decode(text[: longest + 1])
    except ValueError as error:
        raise InvalidParams(argument, value, f"is not {what}: {error}") from error
    if len(data) != size:
        raise InvalidParams(argument, value, f"is not {what} (base58 of {size} bytes)")
    return text


def address_bytes(argument: str, value: object) -> bytes:
    """The 32 bytes of an address."""
    return base58.decode(address(argument, value))


def addresses(argument: str, values: Iterable[object]) -> tuple[str, ...]:
    """A list of addresses."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidParams(argument, values, "must be a list of addresses")
    return tuple(address(f"{argument}[{index}]", value) for index, value in enumerate(values))


def base64_text(argument: str, value: object) -> str:
    """Standard, padded base64. Bytes, and objects with a byte form (solders' transactions), are encoded."""
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidParams(argument, value, f"is not standard, padded base64 ({error})") from error
        if base64.b64encode(data).decode("ascii") != value:  # the decoder accepts wrong padding and stray bits
            raise InvalidParams(argument, value, "is not standard, padded base64 (wrong padding)")
        return value
    if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "__bytes__"):
        return base64.b64encode(bytes(value)).decode("ascii")
    raise InvalidParams(argument, value, "must be base64 text, bytes, or an object with a byte form")


def binary(argument: str, value: object) -> bytes:
    """The bytes of what :func:`base64_text` accepts."""
    return base64.b64decode(base64_text(argument, value))


def transactions(argument: str, values: object) -> tuple[str, ...]:
    """A list of transactions, as base64."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidParams(argument, values, "must be a list of transactions")
    return tuple(transaction(f"{argument}[{index}]", value) for index, value in enumerate(values))


def transaction(argument: str, value: object) -> str:
    """A transaction, as base64."""
    text = base64_text(argument, value)
    if not text:
        raise InvalidParams(argument, value, "must not be empty")
    return text


def mapping(argument: str, value: object) -> Mapping[Any, Any]:
    """Any mapping."""
    if not isinstance(value, Mapping):
        raise InvalidParams(argument, value, "must be a mapping")
    return value


def items(argument: str, values: object) -> tuple[Any, ...]:
    """The items of an iterable that is neither text nor a mapping."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InvalidParams(argument, values, "must be a list")
    return tuple(values)


def plain(argument: str, value: object) -> Any:
    """A copy of a JSON value: None, bool, int, float, text, and lists and mappings of those.

    Objects that print as an address or a signature become that text.
    """
    return _plain(argument, value, _DEEPEST)


def plain_mapping(argument: str, value: object) -> dict[str, Any]:
    """A copy of a mapping of JSON values."""
    checked: dict[str, Any] = plain(argument, mapping(argument, value))
    return checked


def _plain(argument: str, value: object, levels: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if _is_bool_of_numpy(value):
        return bool(value)
    if isinstance(value, str):
        return text(argument, value)
    whole = _whole(value)
    if whole is not None:
        return integer(argument, whole, _I64_LOW, U64)
    if isinstance(value, numbers.Real):
        number = float(value)
        if not math.isfinite(number):
            raise InvalidParams(argument, value, "cannot be sent: JSON has neither NaN nor infinity")
        return number
    if not levels:
        raise InvalidParams(argument, type(value).__name__, f"is nested deeper than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        return {
            text(f"{argument} key", key): _plain(f"{argument}[{key!r}]", item, levels - 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(f"{argument}[{index}]", item, levels - 1) for index, item in enumerate(value)]
    key = _printed_key(value)
    if key is not None:
        return key
    raise InvalidParams(argument, value, f"cannot be sent: {type(value).__name__} is not a JSON type")


def _printed_key(value: object) -> str | None:
    """The text of an object that prints as an address or a signature, such as solders' ``Pubkey``."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return None
    printed = str(value)
    try:
        data = base58.decode(printed[: _LONGEST_SIGNATURE + 1])
    except ValueError:
        return None
    return printed if len(data) in (_ADDRESS_SIZE, _SIGNATURE_SIZE) else None


def text(argument: str, value: object) -> str:
    """Text that can be encoded as UTF-8."""
    if not isinstance(value, str):
        raise InvalidParams(argument, value, "must be text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidParams(argument, value, f"is not valid Unicode ({error.reason})") from error
    return str(value)


def is_in_quotes(value: str) -> bool:
    """Return True if a text begins and ends with quotation marks, which are hardly meant to be a part of it."""
    text = value.strip()
    return len(text) > 1 and text[0] + text[-1] in _QUOTES


def api_key(value: object) -> str:
    """Text that fits into an HTTP header; the message does not contain it."""
    if isinstance(value, str) and is_in_quotes(value):
        raise InvalidParams("api_key", "(hidden)", f"is in quotes: remove them ({_QUOTES_ADVICE})")
    if isinstance(value, str) and value.strip() and {value.strip()[0], value.strip()[-1]} & _QUOTATION_MARKS:
        raise InvalidParams("api_key", "(hidden)", f"has a quotation mark at one end: remove it ({_QUOTES_ADVICE})")
    if not isinstance(value, str) or not value.isprintable() or not value.isascii() or value != value.strip():
        raise InvalidParams("api_key", "(hidden)", "must be printable ASCII without leading or trailing spaces")
    return str(value)


def assign(instance: object, **values: object) -> None:
    """Set fields of a frozen dataclass to their checked form, in ``__post_init__``."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
