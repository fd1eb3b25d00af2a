"""What a strategy takes with it besides its source: the values that a closure, a method or a callable object holds.

Only values that cannot change are looked at. A list that a strategy collects its results in is empty at the start of
one run and full at the start of the next, and a counter in it does not make another run of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from types import ModuleType
from typing import Any

_DEPTH = 3
"""Functions and objects inside each other that are looked at; a function may hold itself."""


def state_of(function: object, depth: int = _DEPTH) -> dict[str, Any]:
    """The unchangeable values that a callable holds, by name, as JSON values; empty for a plain function."""
    if isinstance(function, functools.partial):
        return state_of(function.func, depth)
    if inspect.ismethod(function):
        owner = function.__self__
        return {**({} if inspect.isclass(owner) else _attributes(owner, depth)), **state_of(function.__func__, depth)}
    if inspect.isfunction(function):
        names, cells = function.__code__.co_freevars, function.__closure__ or ()
        found: dict[str, Any] = {}
        for name, cell in zip(names, cells):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                continue  # not assigned yet
        found.update(function.__kwdefaults__ or {})
        found.update((str(place), one) for place, one in enumerate(function.__defaults__ or ()))
        return _described(found, depth)
    return {} if inspect.isroutine(function) or inspect.isclass(function) else _attributes(function, depth)


def _attributes(one: object, depth: int) -> dict[str, Any]:
    # The clients and sessions of simsync hold addresses and keys, which do not make another run.
    own = type(one).__module__.partition(".")[0] != "simsync"
    return _described(getattr(one, "__dict__", {}), depth) if own else {}


def _described(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {str(name): _value(one, depth) for name, one in values.items() if not isinstance(one, (list, dict, set))}


def _value(value: object, depth: int) -> object:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (bytes, PurePath)):
        return str(value)
    if isinstance(value, (tuple, frozenset)):
        found = [_value(one, depth) for one in value]
        return sorted(found, key=repr) if isinstance(value, frozenset) else found
    if isinstance(value, ModuleType) or depth == 0:
        return type(value).__qualname__
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return [str(name), state_of(value, depth - 1)]
