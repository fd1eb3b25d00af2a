"""The base classes of events, and the events that are passed on as the server sent them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Generic, NamedTuple, TypeVar

Fields = TypeVar("Fields", bound=NamedTuple)


class Event:
    """Root of everything that ``events()`` yields."""

    __slots__ = ()


class Reading(NamedTuple):
    """How the payload of a data-plane event is decoded: into its fields, and into JSON values."""

    fields: Callable[[bytes], Any]
    raw: Callable[[bytes], Any]


class DecodedEvent(Event, Generic[Fields]):
    """A data-plane event. Its slot is known; the rest is decoded once, on first use.

    Attributes:
        slot: Slot in which it happened.
    """

    __slots__ = ("_fields", "_payload", "_raw", "_reading", "slot")

    def __init__(self, slot: int, payload: bytes, reading: Reading) -> None:
        self.slot = slot
        self._payload = payload
        self._reading = reading
        self._raw: Any = None
        self._fields: Fields | None = None

    def _load(self) -> Fields:
        fields = self._fields
        if fields is None:
            fields = self._fields = self._reading.fields(self._payload)
        return fields

    @property
    def raw(self) -> Any:
        """The content of the notification as JSON values."""
        if self._raw is None:
            self._raw = self._reading.raw(self._payload)
        return self._raw

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.slot == other.slot and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]


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
