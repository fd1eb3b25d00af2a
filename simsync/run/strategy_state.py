"""What a strategy takes with it besides its source: the values that a closure, a method or a callable object holds.

A value of any class is known by what pickle takes of it. What pickle does not take (a lock, a file) is known by its
class only, and so are the clients and sessions of simsync: their addresses and keys do not make another run.

Lists, dicts and sets that a strategy holds are left out, because it may collect its results in them: such a list is
empty at the start of one run and full at the start of the next.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import inspect
import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import Enum
from pathlib import PurePath
from types import ModuleType
from typing import Any

from simsync.params import checks

_COLLECTING = (list, dict, set, deque)
_DEEPEST = 100
"""Values inside each other that are looked at."""
_PROTOCOL = 2
"""The protocol of ``pickle`` in which a value is asked for its content."""


def state_of(function: object) -> dict[str, Any]:
    """The values that a callable holds, by name, as JSON values; empty for a plain function."""
    return _Description().state_of(function)


def described(value: object) -> Any:
    """A value as JSON: numbers, texts, lists and dicts as they are, anything else as its class and a hash."""
    return _Description().of(value)


class _Description:
    """Describes values that may hold each other, each once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, object]] = {}  # with the value: the id of one that is gone is used again
        self._depth = 0

    def state_of(self, function: object) -> dict[str, Any]:
        if isinstance(function, functools.partial):
            return self.state_of(function.func)
        if inspect.ismethod(function):
            owner = function.__self__
            return {**({} if inspect.isclass(owner) else {"self": self.of(owner)}), **self.state_of(function.__func__)}
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
            return self._held(found)
        return {} if inspect.isroutine(function) or inspect.isclass(function) else {"self": self.of(function)}

    def of(self, value: object) -> object:
        if value is None or isinstance(value, (bool, str)):
            return value
        if checks.is_integer(value):
            return int(value)  # type: ignore[call-overload]
        if isinstance(value, float):
            return float(value)
        if isinstance(value, Enum):
            return [type(value).__qualname__, value.name]
        if isinstance(value, (bytes, bytearray, memoryview)):
            return [type(value).__name__, hashlib.sha256(value).hexdigest()]
        if isinstance(value, PurePath):
            return ["path", str(value)]
        if isinstance(value, ModuleType):
            return value.__name__
        if inspect.isclass(value):
            return value.__qualname__
        known = self._known.get(id(value))
        if known is None:
            name = type(value).__qualname__
            self._known[id(value)] = value, name  # it may hold itself
            if self._depth == _DEEPEST:
                return name
            self._depth += 1
            try:
                known = value, self._inside(value)
            finally:
                self._depth -= 1
            self._known[id(value)] = known
        return known[1]

    def _inside(self, value: Any) -> object:
        if isinstance(value, (list, tuple)):
            return [self.of(one) for one in value]
        if isinstance(value, (set, frozenset)):
            return _sorted(self.of(one) for one in value)
        if isinstance(value, dict):
            if all(isinstance(key, str) for key in value):
                return {key: self.of(one) for key, one in value.items()}
            return _sorted([self.of(key), self.of(one)] for key, one in value.items())
        if inspect.isroutine(value):
            return [value.__qualname__, self.state_of(value)]
        return [type(value).__qualname__, hashlib.sha256(_text(self._content(value)).encode("utf-8")).hexdigest()]

    def _content(self, value: Any) -> object:
        rules = getattr(value, "__dataclass_params__", None)
        if rules is not None and rules.frozen:
            return {field.name: self.of(getattr(value, field.name)) for field in fields(value)}
        if type(value).__module__.partition(".")[0] == "simsync":
            return None
        try:
            registered = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(_PROTOCOL) if registered is None else registered(value)
        except Exception:  # noqa: BLE001 (what cannot be pickled can raise anything)
            if hasattr(value, "__bytes__"):  # keys and transactions of some versions of solders
                return bytes(value).hex()
            return self._held(getattr(value, "__dict__", {}))
        if isinstance(reduced, str):
            return reduced  # the name of a global
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        listed = [None if some is None else [self.of(one) for one in some] for some in (items, pairs)]
        return [self.of(make), self.of(arguments), self._state(state), listed]

    def _state(self, state: object) -> object:
        if isinstance(state, dict):
            return self._held(state)
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):  # of a class with slots
            return [self._state(state[0]), self._held(state[1])]
        return self.of(state)

    def _held(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        return {str(name): self.of(one) for name, one in values.items() if not isinstance(one, _COLLECTING)}


def _sorted(values: Iterable[object]) -> list[object]:
    return sorted(values, key=_text)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
