"""Reading the fields of JSON objects in any spelling, and telling the spellings apart."""

from __future__ import annotations

import re
from typing import Any


def fold(name: str) -> str:
    """``session_id``, ``sessionId`` and ``SessionID`` become the same name."""
    return name.replace("_", "").lower()


def folded(names: str) -> frozenset[str]:
    """The folded names of a text with names between spaces."""
    return frozenset(map(fold, names.split()))


def field(value: object, *path: str) -> Any:
    """The value at a path of keys, in any spelling; None if there is none."""
    for name in path:
        if not isinstance(value, dict):
            return None
        wanted = fold(name)
        # A null under one spelling must not hide the value under another.
        value = next((one for key, one in value.items() if fold(key) == wanted and one is not None), None)
    return value


def text(value: object, *path: str) -> str | None:
    """The value at a path if it is a string."""
    found = field(value, *path)
    return found if isinstance(found, str) else None


def number(value: object, *path: str) -> int | None:
    """The value at a path if it is an integer."""
    found = field(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def entries(value: object, *path: str) -> list[Any]:
    """The value at a path if it is a list, else an empty list."""
    found = field(value, *path)
    return found if isinstance(found, list) else []


def spelling(name: str) -> str | None:
    """``snake_case`` or ``camelCase``; None for a single word."""
    if "_" in name:
        return "snake_case"
    return "camelCase" if re.search("[A-Z]", name) else None


def spellings(value: object) -> set[str]:
    """The spellings of the keys of one object."""
    return {found for key in value if (found := spelling(key))} if isinstance(value, dict) else set()
