"""Looking at the keys of JSON objects whatever their spelling, and at the spelling itself."""

from __future__ import annotations

import re
from typing import Any


def fold(name: str) -> str:
    """``session_id``, ``sessionId`` and ``SessionID`` are the same name."""
    return name.replace("_", "").lower()


def field(value: Any, *path: str) -> Any:
    """What stands at a path of keys, in any spelling; None where there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        wanted = fold(name)
        # A null under one spelling must not hide the value under another.
        value = next((one for key, one in value.items() if fold(key) == wanted and one is not None), None)
    return value


def text(value: Any, *path: str) -> str | None:
    """The same if it is a text."""
    found = field(value, *path)
    return found if isinstance(found, str) else None


def number(value: Any, *path: str) -> int | None:
    """The same if it is a whole number."""
    found = field(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def entries(value: Any, *path: str) -> list[Any]:
    """The same if it is a list, else an empty one."""
    found = field(value, *path)
    return found if isinstance(found, list) else []


def spelling(name: str) -> str | None:
    """``snake_case``, ``camelCase``, or None for one word."""
    if "_" in name:
        return "snake_case"
    return "camelCase" if re.search("[A-Z]", name) else None


def spellings(value: Any) -> set[str]:
    """Of the keys of one object."""
    found = {spelling(key) for key in value} if isinstance(value, dict) else set()
    return {one for one in found if one is not None}
