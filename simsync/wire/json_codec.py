"""JSON text to Python values and back: orjson when it is installed, the standard library otherwise."""

from __future__ import annotations

import json
from typing import Any, Callable


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_scan_once: Callable[[str, int], tuple[Any, int]] = getattr(_decoder, "scan_once")  # noqa: B009 (absent from the type stubs)


def loads_with_standard_library(payload: bytes) -> Any:
    """Decode one JSON document of UTF-8 text. Raises ValueError.

    The scanner is called directly: ``json.loads`` spends more time around it than in it.
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


def loads_evenly(text: str, first: int, stride: int) -> list[Any]:
    """The documents that begin at ``first`` and each ``stride`` characters later, the last one at the end of the text.

    With the standard library, which takes text in any case. Raises ValueError when one does not end right before the
    other, but for what lies in front of the first.
    """
    try:
        found = [_scan_once(text, start) for start in range(first, len(text), stride)]
    except (StopIteration, RecursionError) as error:
        raise ValueError("not all of them are JSON") from error
    if [end for _, end in found] != list(range(stride, len(text) + 1, stride)):
        raise ValueError("a document does not end where it should")
    return [value for value, _ in found]


def dumps_with_standard_library(value: Any) -> bytes:
    """Encode compactly as UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


loads: Callable[[bytes], Any]
"""Decode one JSON document of UTF-8 text; raises ValueError."""

dumps: Callable[[Any], bytes]
"""Encode compactly as UTF-8; raises TypeError."""

try:
    import orjson
except ImportError:
    loads = loads_with_standard_library
    dumps = dumps_with_standard_library
else:
    loads = orjson.loads
    dumps = orjson.dumps
