"""Where a plain mapping may stand in the place of one of our objects: it is sent as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Callable

from simsync.errors import InvalidParams
from simsync.params import checks


def checked(argument: str, value: object, check: Callable[[str, object], Any]) -> Any:
    """A mapping has to be plain; everything else has to pass ``check``."""
    return checks.plain(argument, value) if isinstance(value, Mapping) else check(argument, value)


def checked_each(argument: str, values: object, check: Callable[[str, object], Any]) -> tuple[Any, ...]:
    return tuple(
        checked(f"{argument}[{index}]", value, check) for index, value in enumerate(checks.items(argument, values))
    )


def must_be(kind: type) -> Callable[[str, object], Any]:
    """The check for an object of one kind."""

    def check(argument: str, value: object) -> object:
        if not isinstance(value, kind):
            raise InvalidParams(argument, value, f"must be a {kind.__name__}(...) or a mapping")
        return value

    return check


def restored(kind: Any, value: Any) -> Any:
    """Undo ``to_dict`` of ``kind``. A mapping of another form stays what it is."""
    names = {member.name for member in fields(kind)}
    return kind.from_dict(dict(value)) if isinstance(value, Mapping) and set(value) == names else value


def restored_each(kind: Any) -> Callable[[Sequence[Any]], list[Any]]:
    return lambda values: [restored(kind, value) for value in values]
