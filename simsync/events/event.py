"""The base classes of events, and the events that are passed on as the server sent them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Generic, NamedTuple, TypeVar

Fields = TypeVar("Fields", bound=NamedTuple)


class Event:
    """Root of everything that ``events()`` yields. Events can be compared, and be members of sets."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the event as a row: a dict that ``json.dumps`` accepts.

        Its first key is ``event``, the name of the class. The others are the attributes of the class by name, except
        for ``raw``; ``docs/reference/events.md`` lists them with their types.
        """
        return {"event": type(self).__name__, **self._row()}

    def _row(self) -> dict[str, Any]:
        """The content of :meth:`to_dict`."""
        return {}

    def _identity(self) -> Hashable:
        """What equal events have in common, as far as it can be hashed quickly."""
        return None

    def __hash__(self) -> int:
        return hash((type(self), self._identity()))

    if not TYPE_CHECKING:  # type checkers find these mistakes by themselves, if they do not see this

        def __getitem__(self, key: object) -> object:
            # Unpacking asks for item 0 of what is not iterable. A method __iter__ would make every event an iterable
            # for pandas, which then takes it for a row.
            if isinstance(key, int):
                raise TypeError(
                    f"cannot unpack a {type(self).__name__}: only a loop over all sub-sessions yields pairs; for a"
                    " single session write `for event in session.events(...)`"
                )
            raise TypeError(f"a {type(self).__name__} is not a dict: read its attributes, or event.to_dict()[{key!r}]")


class Reading(NamedTuple):
    """How the payload of a data-plane event is decoded: into its fields, and into JSON values."""

    fields: Callable[[bytes], Any]
    raw: Callable[[bytes], Any]


class DecodedEvent(Event, Generic[Fields]):
    """A data-plane event. Its slot is known; the rest is decoded once, on first use.

    Attributes:
        slot: Number of the slot in which it happened.
    """

    __slots__ = ("_fields", "_payload", "_raw", "_reading", "slot")

    _reading: Any  # Reading, or what a kind of event has in its place

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

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return self.slot


@dataclass
class UnknownEvent(Event):
    """A control event of a kind that simsync does not know.

    Delivered by the control connection.

    Attributes:
        kind: Name of the event on the wire.
        raw: Its payload as JSON values.
    """

    __slots__ = ("kind", "raw")

    kind: str
    raw: Any

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return self.kind

    def _row(self) -> dict[str, Any]:
        return {"kind": self.kind, "content": self.raw}


@dataclass
class Notification(Event):
    """A data-plane notification that has no event class of its own.

    Delivered by ``subscribe_logs()``, ``subscribe_reroutes()``, ``subscribe_replacements()``,
    ``subscribe_diagnostics()`` and ``subscribe()``.

    Attributes:
        method: Name of the notification on the wire, for example ``"logsNotification"``.
        result: Its content as JSON values.
    """

    __slots__ = ("method", "result")

    method: str
    result: Any

    __hash__ = Event.__hash__

    def _identity(self) -> Hashable:
        return self.method

    def _row(self) -> dict[str, Any]:
        return {"method": self.method, "content": self.result}
