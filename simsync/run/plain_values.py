"""What strategies record and return, as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simsync.params import checks


def plain_value(argument: str, value: object) -> Any:
    """A copy of a value with those of numpy and solders as JSON has them: numbers, booleans, addresses.

    Args:
        argument: The name of the value, for messages.
        value: The value.

    Returns:
        The copy. Of the values that JSON has itself, only lists and mappings are copied.

    Raises:
        InvalidParams: It holds something else.
        RecursionError: It contains itself.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {
            plain_value(f"{argument} key", key): plain_value(f"{argument}[{key!r}]", one) for key, one in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [plain_value(f"{argument}[{place}]", one) for place, one in enumerate(value)]
    return checks.plain(argument, value)
