"""What all faults have in common.

Each thing that the simulator is about to do is an *occasion*: a small object with the facts and with the plan, which at
first says that everything goes well. A fault that is :meth:`~Fault.due` on an occasion changes the plan with
:meth:`~Fault.apply`. The simulator then carries out the plan.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, SupportsIndex, TypeVar

from simsync.params import checks

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREVER = 2**62
"""As ``times``: until the next reset. As a number of messages: more than are ever sent."""

Occasion = TypeVar("Occasion")


class _Numbered(Protocol):
    number: int


NumberedOccasion = TypeVar("NumberedOccasion", bound=_Numbered)


class Fault(ABC, Generic[Occasion]):
    """One fault that may still occur ``times`` times."""

    name: str
    """What ``Faults.fired`` shows."""
    shown_once: ClassVar[bool] = False
    """``Faults.fired`` shows it only the first time."""

    def __init__(self, times: SupportsIndex = 1) -> None:
        self.times = checks.integer("times", times, 1, FOREVER)
        self.occurred = False

    @property
    def place(self) -> int | None:
        """The number of the message on which it occurs; None if it is not bound to one."""
        return None

    def quiet(self, sent: int, sent_on_socket: int) -> int:
        """Return how many more messages it certainly lets pass; these can be sent in one batch.

        ``sent`` messages have left on all sockets so far, ``sent_on_socket`` on the one in question.
        """
        return 0

    @abstractmethod
    def due(self, occasion: Occasion) -> bool:
        """Does it occur on this occasion?"""

    @abstractmethod
    def apply(self, occasion: Occasion) -> None:
        """Change the plan of the occasion."""

    def occurs_again(self) -> bool:
        """Note that it has occurred; return False if that was the last time."""
        self.occurred = True
        self.times -= 1
        return self.times > 0


class NumberedFault(Fault[NumberedOccasion]):
    """A fault on the message with a number."""

    def __init__(self, number: SupportsIndex) -> None:
        super().__init__()
        self.number = checks.integer("number", number, 1, FOREVER)

    @property
    def place(self) -> int | None:
        return self.number

    def quiet(self, sent: int, sent_on_socket: int) -> int:
        return self.number - 1 - sent if self.number > sent else FOREVER

    def due(self, occasion: NumberedOccasion) -> bool:
        return occasion.number == self.number


class Pending(Protocol):
    """A list of faults, whatever their occasion."""

    def pending(self) -> list[tuple[str, int | None]]:
        """Return name and place of each fault."""
        ...

    def clear(self) -> None: ...


class FaultList(Generic[Occasion]):
    """The faults of one kind of occasion that may still occur. The caller holds the lock."""

    def __init__(self, fired: list[str]) -> None:
        self._fired = fired
        self._faults: list[Fault[Occasion]] = []

    def __iter__(self) -> Iterator[Fault[Occasion]]:
        return iter(self._faults)

    def add(self, fault: Fault[Occasion]) -> None:
        self._faults.append(fault)

    def pending(self) -> list[tuple[str, int | None]]:
        return [(fault.name, fault.place) for fault in self._faults]

    def clear(self) -> None:
        self._faults.clear()

    def meet(self, occasion: Occasion) -> Occasion:
        """Let each fault that is due change the plan of the occasion, and return the occasion."""
        for fault in list(self._faults):
            if not fault.due(occasion):
                continue
            fault.apply(occasion)
            if not (fault.shown_once and fault.occurred):
                self._fired.append(fault.name)
            if not fault.occurs_again():
                self._faults.remove(fault)
        return occasion
