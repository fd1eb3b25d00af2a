"""The root of all events, and the events that are passed on as the server sent them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Event:
    """Root of everything that ``events()`` yields."""

    __slots__ = ()


@dataclass
class UnknownEvent(Event):
    """A control event of a kind that simsync does not know.

    Attributes:
        kind: Name of the event on the wire.
        raw: Its payload as JSON values.
    """

    __slots__ = ("kind", "raw")

    kind: str
    raw: Any


@dataclass
class Notification(Event):
    """A data-plane notification that has no event class of its own.

    Attributes:
        method: Name of the notification on the wire, for example ``"logsNotification"``.
        result: Its content as JSON values.
    """

    __slots__ = ("method", "result")

    method: str
    result: Any
