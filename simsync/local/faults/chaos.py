"""Chaos: faults without end, drawn from a seed. Each fault that occurred draws the next one.

A client with default options can recover from everything that is drawn: it can reconnect at once, repeated events have
their old numbers, and stalls end by themselves. Because a client waits longer before each further attempt to reconnect,
drops become rarer over time, and so do the other faults.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from typing import ClassVar, NamedTuple

from simsync.local.faults.control import (
    ControlMessage,
    DelayControl,
    DropControlAfter,
    DropControlBefore,
    ReplayControl,
)
from simsync.local.faults.data import DataMessage, DelayData, DropDataAt
from simsync.local.faults.fault import FOREVER, Fault, NumberedOccasion

_CLOSEST = 12
"""Two faults are at most this many messages apart, or a quarter of the messages so far if that is more."""
_FIRST_DROP = 20
_RARER = 4
"""The number of a drop is at least this many times that of the drop before it."""
_LONGEST_STALL = 0.05
"""Seconds."""
_LONGEST_REPLAY = 8
"""Messages."""
_CONTROL_DROPS = (DropControlBefore.name, DropControlAfter.name)
# Notifications have no numbers, so a repeated one could not be told from two equal ones.
_CONTROL_OTHERS = (DelayControl.name, ReplayControl.name)


class Drawn(NamedTuple):
    """What was drawn: a kind of fault by name, its message, and the length of a stall or a replay."""

    name: str
    number: int
    seconds: float
    messages: int


class Draws:
    """The draws for one plane, ``control`` or ``data``. The same seed gives the same draws."""

    def __init__(self, seed: int, plane: str) -> None:
        self._random = random.Random(f"{seed} {plane}")
        self._control = plane == "control"
        self._drop_from = self._random.randint(1, _FIRST_DROP)

    def after(self, number: int) -> Drawn:
        """Draw the fault that follows the one on message ``number``."""
        draw = self._random
        following = number + draw.randint(1, max(_CLOSEST, number // 4))
        name = self._name(following)
        return Drawn(name, following, draw.uniform(0, _LONGEST_STALL), draw.randint(1, _LONGEST_REPLAY))

    def _name(self, number: int) -> str:
        if number >= self._drop_from:
            self._drop_from = number * _RARER
            return self._random.choice(_CONTROL_DROPS) if self._control else DropDataAt.name
        return self._random.choice(_CONTROL_OTHERS) if self._control else DelayData.name


class _Chaos(Fault[NumberedOccasion]):
    """The chaos of one plane."""

    plane: ClassVar[str]

    def __init__(self, seed: int) -> None:
        super().__init__(FOREVER)
        self._draws = Draws(seed, self.plane)
        self._draw(0)

    @property
    def place(self) -> int:
        return self._next.number

    def quiet(self, sent: int, sent_on_socket: int) -> int:
        return max(0, self._next.number - 1 - sent)

    def due(self, occasion: NumberedOccasion) -> bool:
        return occasion.number >= self._next.number

    def apply(self, occasion: NumberedOccasion) -> None:
        fault = self._fault(occasion)
        fault.apply(occasion)
        self.name = fault.name

    @abstractmethod
    def _fault(self, occasion: NumberedOccasion) -> Fault[NumberedOccasion]:
        """Return the fault that was drawn, or a milder one where it would lose something for good."""

    def occurs_again(self) -> bool:
        self._draw(self._next.number)
        return True

    def _draw(self, number: int) -> None:
        self._next = self._draws.after(number)
        self.name = self._next.name


class ControlChaos(_Chaos[ControlMessage]):
    """The chaos of the control sockets."""

    plane = "control"

    def due(self, occasion: ControlMessage) -> bool:
        # A replay waits until there is something to replay, so any fault may come late; none is skipped.
        return super().due(occasion) and (self._next.name != ReplayControl.name or occasion.repeatable)

    def _fault(self, occasion: ControlMessage) -> Fault[ControlMessage]:
        name, number, seconds, messages = self._next
        if name == ReplayControl.name:
            return ReplayControl(number, messages)
        if name == DelayControl.name or not occasion.survives:
            # Where a drop would lose something for good, the socket stalls instead.
            return DelayControl(number, seconds)
        return (DropControlBefore if name == DropControlBefore.name else DropControlAfter)(number)


class DataChaos(_Chaos[DataMessage]):
    """The chaos of the data sockets."""

    plane = "data"

    def _fault(self, occasion: DataMessage) -> Fault[DataMessage]:
        name, number, seconds, _messages = self._next
        drops = name == DropDataAt.name and occasion.survives
        return DropDataAt(number) if drops else DelayData(number, seconds)
