"""Plain mappings in place of request objects: they are sent unchanged, for options that simsync does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Callable

from simsync.errors import InvalidParams
from simsync.params import checks


def object_or_mapping(argument: str, value: object, check: Callable[[str, object], Any]) -> Any:
    """Check one value: a mapping must hold JSON values only, anything else must pass ``check``."""
    return checks.plain(argument, value) if isinstance(value, Mapping) else check(argument, value)


def objects_or_mappings(argument: str, values: object, check: Callable[[str, object], Any]) -> tuple[Any, ...]:
    """Check each value of a list with :func:`object_or_mapping`."""
    return tuple(
        object_or_mapping(f"{argument}[{index}]", value, check)
        for index, value in enumerate(checks.items(argument, values))
    )


def instance_of(kind: type) -> Callable[[str, object], Any]:
    """Return the check for instances of a class."""

    def check(argument: str, value: object) -> object:
        if not isinstance(value, kind):
            raise InvalidParams(argument, value, f"must be a {kind.__name__}(...) or a mapping")
        return value

    return check


def object_from_json(kind: Any, value: object) -> Any:
    """Return the object of which ``value`` is the ``to_dict()``; a mapping with other keys is returned unchanged."""
    names = {member.name for member in fields(kind)}
    return kind.from_dict(dict(value)) if isinstance(value, Mapping) and set(value) == names else value


def objects_from_json(kind: object) -> Callable[[Sequence[Any]], list[Any]]:
    """Return the decoder for a list of objects or mappings."""
    return lambda values: [object_from_json(kind, value) for value in values]
