"""The instructions of a transaction in the shape of a ``getTransaction`` reply, with those that they called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simsync.events import Instruction
from simsync.params import base58
from simsync.wire.notifications import transaction_fields


def transaction_instructions(result: object) -> tuple[Instruction, ...]:
    """Read the instructions tolerantly: one that has another form keeps its place, with its JSON in ``parsed``."""
    keys = transaction_fields(result).account_keys
    called: dict[Any, list[Any]] = {}
    for group in _items(_part(_part(result, "meta"), "innerInstructions")):
        index = _part(group, "index")
        if isinstance(index, int):
            called.setdefault(index, []).extend(_items(_part(group, "instructions")))
    message = _part(_part(result, "transaction"), "message")
    return tuple(
        _instruction(raw, keys)._replace(inner=tuple(_instruction(inner, keys) for inner in called.get(index, ())))
        for index, raw in enumerate(_items(_part(message, "instructions")))
    )


def called_programs(result: object) -> tuple[str, ...]:
    """The programs that the instructions call, each once, in the order of the calls."""
    instructions = transaction_instructions(result)
    called = (one.program for instruction in instructions for one in (instruction, *instruction.inner))
    return tuple(dict.fromkeys(program for program in called if program))


def _part(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _instruction(raw: Any, keys: Sequence[str]) -> Instruction:
    try:
        if "programIdIndex" in raw:
            accounts = tuple(_key(keys, place) for place in raw["accounts"])
            return Instruction(_key(keys, raw["programIdIndex"]), accounts, base58.decode(raw["data"]))
        if "parsed" in raw:
            return Instruction(str(raw["programId"]), (), b"", parsed=raw["parsed"])
        accounts = tuple(str(account) for account in raw["accounts"])
        return Instruction(str(raw["programId"]), accounts, base58.decode(raw["data"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return Instruction("", (), b"", parsed=raw)


def _key(keys: Sequence[str], place: int) -> str:
    if place < 0:
        raise IndexError(place)
    return keys[place]
