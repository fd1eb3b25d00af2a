"""A process without the extra ``[speed]``, whatever is installed."""

from __future__ import annotations

import sys
from typing import Any

SPEED = ("orjson", "msgspec", "zstandard")


def forbid(modules: tuple[str, ...]) -> None:
    """Importing them fails from here on."""
    loaded: dict[str, Any] = sys.modules
    for module in modules:
        loaded[module] = None
