"""Encodes and decodes JSON, with orjson if it is installed, otherwise with the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Callable


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_scan_once: Callable[[str, int], tuple[Any, int]] = getattr(_decoder, "scan_once")  # noqa: B009 (absent from the type stubs)


def loads_with_standard_library(payload: bytes) -> Any:
    """Decode one JSON document in UTF-8. Raises ValueError.

    The scanner is called directly, because ``json.loads`` spends more time around it than in it.
    """
    text = payload.decode("utf-8")
    try:
        value, end = _scan_once(text, 0)
    except StopIteration:
        end = -1
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if end == len(text):
        return value
    try:
        return _decoder.decode(text)  # white space around the document
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def loads_all(payloads: Iterable[bytes]) -> list[Any]:
    """Decode one JSON document per payload. Raises ValueError if one is not JSON or has white space around it."""
    if loads is not loads_with_standard_library:
        return [loads(payload) for payload in payloads]
    # The same as loads_with_standard_library, without a function call for each payload.
    texts = [payload.decode("utf-8") for payload in payloads]
    try:
        found = [_scan_once(text, 0) for text in texts]
    except (StopIteration, RecursionError) as error:
        raise ValueError("a payload is not JSON") from error
    if [end for _, end in found] != [len(text) for text in texts]:
        raise ValueError("a payload has white space or text around its document")
    return [value for value, _ in found]


def dumps_with_standard_library(value: object) -> bytes:
    """Encode as compact JSON in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def dumps_sorted_with_standard_library(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode("utf-8")


loads: Callable[[bytes], Any]
"""Decode one JSON document in UTF-8. Raises ValueError."""

dumps: Callable[[Any], bytes]
"""Encode as compact JSON in UTF-8. Raises TypeError."""

dumps_sorted: Callable[[Any], bytes]
"""The same with the keys of each object in order, so that equal values have equal texts."""

try:
    import orjson
except ImportError:
    loads = loads_with_standard_library
    dumps = dumps_with_standard_library
    dumps_sorted = dumps_sorted_with_standard_library
else:
    loads = orjson.loads
    dumps = orjson.dumps

    def dumps_sorted(value: object) -> bytes:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
