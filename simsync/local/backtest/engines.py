"""How many engines are alive: beyond a limit, those that were used least recently are parked as sets of accounts."""

from __future__ import annotations

import ctypes
import gc
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Callable

_YOUNG = 5_000
"""New objects after which the garbage collector looks at them: few enough to be still in the cache of the processor."""
_OLDER = 100
"""How often it does so before it also looks at those that were left."""


class Parkable(Protocol):
    """Something whose engine can be given up and made again."""

    def park(self) -> None: ...


class Engines:
    """The engines of a simulator, the least recently used first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._alive: OrderedDict[Parkable, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._alive)

    def opened(self, owner: Parkable) -> None:
        """Note that ``owner`` has an engine, and park others until there are few enough."""
        self._alive[owner] = None
        while len(self._alive) > self._most:
            oldest, _ = self._alive.popitem(last=False)
            oldest.park()

    def used(self, owner: Parkable) -> None:
        """Note that the engine of ``owner`` is in use."""
        self._alive.move_to_end(owner)

    def closed(self, owner: Parkable) -> None:
        """Note that the engine of ``owner`` is gone."""
        self._alive.pop(owner, None)


def _find_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return trim


_TRIM = _find_trim()


def give_back_memory() -> None:
    """Return freed memory to the system: glibc keeps it, and an engine is large. Elsewhere this does nothing."""
    if _TRIM is not None:
        _TRIM(0)


def spare_the_collector() -> None:
    """Let the garbage collector of a process that only simulates run rarely, and never look at what exists now.

    The ledger and the transactions that sessions keep are many objects without cycles.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER)
