"""Chaos: faults without end, drawn from a seed. Each fault that occurred draws the next one.

A client with default options can recover from everything that is drawn: it can reconnect at once, repeated events have
their old numbers, and stalls end by themselves. Because a client waits longer before each further attempt to reconnect,
drops become rarer over time, and so do the other faults.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from simsync.local.faults.control import (
    ControlMessage,
    DelayControl,
    DropControlAfter,
    DropControlBefore,
    ReplayControl,
)
from simsync.local.faults.data import DataMessage, DelayData, DropDataAt
from simsync.local.faults.fault import FOREVER, Fault

_CLOSEST = 12
"""Largest number of messages between two faults, until a quarter of all messages is more."""
_FIRST_DROP = 20
_RARER = 4
"""Between the start and a drop there are at least this many times the messages of the drop before."""
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


class ControlChaos(Fault[ControlMessage]):
    """The chaos of the control sockets."""

    def __init__(self, seed: int) -> None:
        super().__init__(FOREVER)
        self._draws = Draws(seed, "control")
        self._draw(0)

    @property
    def place(self) -> int:
        return self._next.number

    def due(self, occasion: ControlMessage) -> bool:
        # A replay waits until there is something to replay, so any fault may come late; none is skipped.
        return occasion.number >= self._next.number and (self._next.name != ReplayControl.name or occasion.repeatable)

    def apply(self, occasion: ControlMessage) -> None:
        name, number, seconds, messages = self._next
        fault: Fault[ControlMessage]
        if name == ReplayControl.name:
            fault = ReplayControl(number, messages)
        elif name == DelayControl.name or not occasion.survives:
            # Where a drop would lose something for good, the socket stalls instead.
            fault = DelayControl(number, seconds)
        else:
            fault = (DropControlBefore if name == DropControlBefore.name else DropControlAfter)(number)
        fault.apply(occasion)
        self.name = fault.name

    def occurs_again(self) -> bool:
        self._draw(self._next.number)
        return True

    def _draw(self, number: int) -> None:
        self._next = self._draws.after(number)
        self.name = self._next.name


class DataChaos(Fault[DataMessage]):
    """The chaos of the data sockets."""

    def __init__(self, seed: int) -> None:
        super().__init__(FOREVER)
        self._draws = Draws(seed, "data")
        self._draw(0)

    @property
    def place(self) -> int:
        return self._next.number

    def quiet(self, sent: int, sent_on_socket: int) -> int:
        return max(0, self._next.number - 1 - sent)

    def due(self, occasion: DataMessage) -> bool:
        return occasion.number >= self._next.number

    def apply(self, occasion: DataMessage) -> None:
        name, number, seconds, _messages = self._next
        drops = name == DropDataAt.name and occasion.survives
        fault: Fault[DataMessage] = DropDataAt(number) if drops else DelayData(number, seconds)
        fault.apply(occasion)
        self.name = fault.name

    def occurs_again(self) -> bool:
        self._draw(self._next.number)
        return True

    def _draw(self, number: int) -> None:
        self._next = self._draws.after(number)
        self.name = self._next.name
