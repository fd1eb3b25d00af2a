"""The JSON text of recordings: orjson reads and writes it where it is installed, else the standard library.

What is written is ASCII on one line, so that no tool takes a character of a log for the end of a record. The values
are the same with and without orjson. What orjson refuses, or does otherwise, is left to the standard library.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
"""Marks, when each digit is a zero, what may be an integer beyond 64 bits, which orjson reads as a float. A regular
expression would take ten times as long as orjson."""

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

orjson: Any
try:
    import orjson
except ImportError:  # the standard library does the same, more slowly
    orjson = None
else:
    # The standard library refuses dates and dataclasses, and what a program may write must not depend on its extras.
    _OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def loads(content: bytes) -> Any:
    """Decode one JSON document. Raises ValueError."""
    if orjson is not None and _LONG_NUMBER not in content.translate(_ZEROS):
        try:
            return orjson.loads(content)
        except ValueError:  # NaN and halves of surrogate pairs, which other tools write
            pass
    return json.loads(content)


def json_line(value: object) -> bytes:
    """A value as one line with its line break, in the form of :func:`json_text`."""
    if orjson is not None:
        try:
            line: bytes = orjson.dumps(value, None, _OPTIONS)
            if line.isascii():
                return line
        except TypeError:  # an integer beyond 64 bits, half of a surrogate pair, or no JSON
            pass
    return json_text(value).encode("ascii") + b"\n"


def json_text(value: object, *, strict: bool = False) -> str:
    """A value as JSON that every reader takes.

    Numbers that JSON does not have (NaN, Infinity) become null, and halves of surrogate pairs, which no text has, the
    replacement character.

    Args:
        value: The value.
        strict: Raise for such a number instead.

    Raises:
        ValueError: With ``strict``, or because the value contains itself.
        TypeError: The value holds what JSON does not know.
    """
    try:
        text = _encode(value)
    except ValueError:
        if strict:
            raise
        text = _encode(_finite(value))
    if "\\ud" not in text:
        return text
    # Pairs are whole in UTF-16, halves are not.
    plain = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-16-le", "surrogatepass")
    return _encode(json.loads(plain.decode("utf-16-le", "replace")))


def _finite(value: object) -> object:
    """A value with None for each number that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key) if isinstance(key, float) else key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value
