"""Reads the keys of JSON objects in any spelling.

Keys that name fields are compared without case and underscores, because the vendor's source and documentation disagree
about them. Keys that are data (addresses, mints, outcome names) must never pass through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def fold(name: str) -> str:
    """The form in which names are compared: ``session_id``, ``sessionId`` and ``SessionID`` are the same name."""
    return name.replace("_", "").lower()


# guess: keys and method names on receipt
# guess: keys of maps of data
class FoldedFields:
    """The fields of a JSON object in any spelling. A missing field is the same as null."""

    __slots__ = ("_values",)

    def __init__(self, source: Mapping[str, object]) -> None:
        # A null under one spelling must not hide the value under another.
        self._values = {fold(key): value for key, value in source.items() if value is not None}

    def get(self, name: str) -> Any:
        """The field ``name`` (in snake_case), or None."""
        return self._values.get(name.replace("_", ""))

    def text(self, name: str) -> str | None:
        value = self.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def list(self, name: str) -> list[Any]:
        """A missing list is empty."""
        value = self.get(name)
        return value if isinstance(value, list) else []


def snake_case(name: str) -> str:
    """``startSlot`` → ``start_slot``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def camel_case(name: str) -> str:
    """``start_slot`` → ``startSlot``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


# guess: options that are not given: null or omitted
def without_none(fields: Mapping[str, object]) -> dict[str, Any]:
    """The fields that are set. Whether the server accepts null for an absent option is not documented."""
    return {key: value for key, value in fields.items() if value is not None}
