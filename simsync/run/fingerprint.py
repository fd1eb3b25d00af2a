"""What a run is made of: everything that changes its results, so that two runs can be told apart.

The parts are written into the metadata of a recording. ``--resume`` continues a file only if all parts are equal.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Callable, Optional

from simsync.params import CreateSession
from simsync.run.strategy_state import described, state_of

_WITHOUT_EFFECT = frozenset({"capacity_wait_timeout", "disconnect_timeout", "send_summary", "slot_count", "end_slot"})
"""Fields of a create that do not change what is executed; the end of the range is added as a slot."""
_LONGEST = 200
"""Bytes of a value that is written as it is; a longer one is written as its hash."""


def parts_of_create(create: CreateSession) -> dict[str, Any]:
    """The fields of a create that change what is executed, as JSON values.

    Args:
        create: The range and its options.

    Returns:
        The range, and the fields that do not have their default: so a later field does not change older fingerprints.
    """
    values = create.to_dict(encode_json=True)
    changed = {
        field.name: _short(values[field.name])
        for field in fields(create)
        if field.name not in _WITHOUT_EFFECT and getattr(create, field.name) != _default(field)
    }
    return plain({**changed, "start_slot": create.start_slot, "end_slot": create.last_slot})


def parts_of_function(function: Callable[..., Any]) -> dict[str, Any]:
    """The name, the arguments and values that are bound, and a hash of the source of a strategy, as JSON values."""
    parts: dict[str, Any] = {"strategy": function_name(function), "strategy_source": source_hash(function)}
    if isinstance(function, functools.partial):
        parts["strategy_arguments"] = _short(described([function.args, function.keywords]))
    state = state_of(function)
    if state:
        parts["strategy_state"] = hash_of(_canonical(state))  # not as it is: it may hold a key
    return plain(parts)


def plain(parts: Mapping[str, object]) -> dict[str, Any]:
    """The parts as they are after they were written to a file and read again."""
    found: dict[str, Any] = json.loads(_canonical(parts))
    return found


def digest(parts: Mapping[str, object]) -> str:
    """The fingerprint: a hash over all parts."""
    return hash_of(_canonical(parts))


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, tuple[Any, Any]]:
    """The parts that differ between two runs.

    Args:
        before: The parts of the first run.
        after: The parts of the second run.

    Returns:
        Both values by the name of the part; None where a run has no such part.
    """
    names = dict.fromkeys((*before, *after))
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def parts_in(metadata: Mapping[str, object]) -> Optional[Mapping[str, Any]]:
    """The parts that a ``metadata`` record holds; None if it has no fingerprint, or one that does not fit its parts."""
    parts = metadata.get("options")
    if not isinstance(parts, Mapping) or metadata.get("fingerprint") != digest(parts):
        return None
    return parts


def function_name(function: Callable[..., Any]) -> str:
    """``module:function`` of a strategy."""
    found = _unwrapped(function)
    return f"{found.__module__}:{found.__qualname__}"


def source_hash(function: Callable[..., Any]) -> Optional[str]:
    """A hash over the file that defines a strategy; None if it has no source.

    Modules that this file imports are not part of it.
    """
    found = _unwrapped(function)
    try:
        path = inspect.getsourcefile(found)
        if path is not None:
            return hash_of(Path(path).read_bytes())
    except (TypeError, OSError):
        pass
    try:
        return hash_of(inspect.getsource(found).encode("utf-8"))  # of a notebook's cell
    except (TypeError, OSError):
        return None


def hash_of(data: bytes) -> str:
    """The SHA-256 of some bytes, as text."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _unwrapped(function: Any) -> Any:
    """The function or class in which a callable is defined."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if inspect.isroutine(function) or inspect.isclass(function) else type(function)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _short(value: object) -> object:
    """A value as it is, or its hash if it is long: overrides can hold megabytes of account data."""
    text = _canonical(value)
    return value if len(text) <= _LONGEST else hash_of(text)


def _canonical(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=described)
    return text.encode("utf-8")
