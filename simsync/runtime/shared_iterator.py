"""Iterators that threads may share: each item goes to one of them."""

from __future__ import annotations

import contextlib
import operator
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T")

_HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Python runs one thread at a time. If it does when this is imported, it does until the process ends."""


class LockedIterator(Iterator[T]):
    """Without a GIL, an iterator in C may give one item to several threads that ask at the same time."""

    __slots__ = ("_iterator", "lock")

    def __init__(self, iterator: Iterator[T]) -> None:
        self._iterator = iterator
        self.lock = threading.Lock()

    def __next__(self) -> T:
        with self.lock:
            return next(self._iterator)

    def __length_hint__(self) -> int:
        return operator.length_hint(self._iterator)


def shared(iterator: Iterator[T]) -> Iterator[T]:
    """The iterator itself, if it is in C and Python runs one thread at a time."""
    return iterator if _HAS_GIL else LockedIterator(iterator)


_UNDISTURBED = contextlib.nullcontext()


def undisturbed(iterator: Iterator[Any]) -> AbstractContextManager[object]:
    """Nobody takes an item from a :func:`shared` iterator meanwhile."""
    return iterator.lock if isinstance(iterator, LockedIterator) else _UNDISTURBED
