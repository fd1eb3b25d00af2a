"""How the simulator writes and reads values: JSON, base58, RFC 3339 times and ids."""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

from solders.pubkey import Pubkey
from solders.signature import Signature

orjson: Any
try:
    import orjson
except ImportError:  # the standard library does the same, more slowly
    orjson = None

zstandard: Any
"""The package, or None where it is not installed."""
try:
    import zstandard
except ImportError:
    zstandard = None

MS_PER_DAY = 86_400_000

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_INDEX = {letter: value for value, letter in enumerate(_ALPHABET)}
_LETTERS = 43
"""Letters of base58 that always fit into the 32 bytes of a key."""
_KEY_LIMIT = 58**_LETTERS
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 100
_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))?", re.ASCII
)


def dump_json(value: object) -> bytes:
    """Return ``value`` as compact UTF-8 JSON. Raises TypeError for what JSON cannot hold."""
    if orjson is not None:
        encoded: bytes = orjson.dumps(value)
        return encoded
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def load_json(text: str | bytes) -> Any:
    """Return the value of a JSON document. Raises ValueError for anything else.

    What it returns can be written as JSON again, unless it is nested deeply.
    """
    if orjson is not None:
        return orjson.loads(text)
    if isinstance(text, bytes):
        # The standard library would take other encodings, and half of a surrogate pair.
        text = text.decode()
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if "\\u" in text:
        # It may name half of a surrogate pair.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a number of JSON")
    return number


def brief(value: object) -> str:
    """Return a value that a client sent for the text of an error. It is short, however long or deep the value is."""
    return _BRIEF.repr(value)


def encode_base58(data: bytes) -> str:
    """Return ``data`` in base58, as Solana shows instruction data."""
    # solders is much faster than Python, but writes only keys and signatures. Each leading zero byte is a leading 1.
    if len(data) <= Pubkey.LENGTH:
        missing = Pubkey.LENGTH - len(data)
        return str(Pubkey.from_bytes(bytes(missing) + data))[missing:]
    if len(data) <= Signature.LENGTH:
        missing = Signature.LENGTH - len(data)
        return str(Signature.from_bytes(bytes(missing) + data))[missing:]
    zeros = len(data) - len(data.lstrip(b"\0"))
    number = int.from_bytes(data, "big")
    text = ""
    while number >= _KEY_LIMIT:
        number, rest = divmod(number, _KEY_LIMIT)
        text = _letters_of(rest).rjust(_LETTERS, "1") + text
    return "1" * zeros + _letters_of(number) + text


def _letters_of(number: int) -> str:
    """Return a number that fits into a key in base58."""
    return str(Pubkey.from_bytes(number.to_bytes(32, "big"))).lstrip("1")


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


def read_time(text: str) -> int:
    """Return the unix milliseconds of a time, or of the start (UTC) of a date. Raises ValueError with a reason."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("is neither an RFC 3339 time like 2026-07-01T00:00:00Z nor a date like 2026-07-01")
    date, time, fraction, zone = found.groups()
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    moment = datetime.fromisoformat(f"{date}T{time or '00:00:00'}{offset}")
    return (moment - _EPOCH) // _MS + int(f"{fraction or ''}000"[:3])


def time_text(milliseconds: int) -> str:
    """Return unix milliseconds as text in UTC, with a fraction only where there is one. Raises OverflowError."""
    moment = (_EPOCH + milliseconds * _MS).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds") + "Z"


def _uuid7() -> uuid.UUID:
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def session_id() -> str:
    """Return the id of a new session."""
    return f"backtest_{_uuid7()}"


def control_session_id() -> str:
    """Return the id of a new parallel session."""
    return f"parallel_{_uuid7()}"


def build_request_id() -> str:
    """Return the id of a new bundle build."""
    return f"build_{_uuid7()}"
