"""The base of the data-plane events, which are decoded when a field is read for the first time."""

from __future__ import annotations

from typing import Any, Callable, Generic, NamedTuple, TypeVar

from simsync.events.event import Event

Fields = TypeVar("Fields", bound=NamedTuple)


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
