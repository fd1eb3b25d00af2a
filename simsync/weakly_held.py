"""Objects that are forgotten when nothing else refers to them."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

T = TypeVar("T")


class WeaklyHeld(Generic[T]):
    """Any thread may use it at any time.

    A :class:`weakref.WeakSet` cannot be listed while another thread adds an object or lets go of one: it may raise
    RuntimeError. Here each access to the dictionary is one call in C. An empty one is small: each subscription has one.
    """

    __slots__ = ("__weakref__", "_references")

    def __init__(self) -> None:
        self._references: dict[weakref.ref[T], None] = {}

    def add(self, item: T) -> None:
        itself = weakref.ref(self)

        def forget(reference: weakref.ref[T]) -> None:
            holder = itself()
            if holder is not None:
                holder._references.pop(reference, None)

        self._references[weakref.ref(item, forget)] = None

    def all(self) -> list[T]:
        found = [reference() for reference in list(self._references)]
        return [item for item in found if item is not None]
