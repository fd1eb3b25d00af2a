"""What a session says to its client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

if TYPE_CHECKING:
    from simsync.local.summary import Summary


class SlotExecuted(NamedTuple):
    """The slot is done."""

    slot: int


class Ready(NamedTuple):
    """The session waits for a continue."""


class Paused(NamedTuple):
    """The session stands before the batch ``batch_index`` of ``slot``, or before the slot itself if that is None."""

    slot: int
    batch_index: int | None


class StatusChanged(NamedTuple):
    """What the session is doing, in the words of the protocol."""

    status: str


class Completed(NamedTuple):
    """The last slot is done. ``summary`` is None unless it was asked for."""

    summary: Summary | None


class Refused(NamedTuple):
    """A request could not be carried out; ``name`` and ``fields`` are those of the protocol's errors."""

    name: str
    fields: dict[str, Any]


class Discovered(NamedTuple):
    """The batch ``batch_index`` of ``slot`` will run one of ``programs``.

    ``indices`` are the places of the matching transactions in the block, ``transactions`` their bytes, if known.
    """

    slot: int
    batch_index: int
    programs: tuple[str, ...]
    transactions: tuple[bytes, ...]
    indices: tuple[int, ...]


class Acknowledged(NamedTuple):
    """The session was closed on request."""


Event = Union[SlotExecuted, Ready, Paused, StatusChanged, Completed, Refused, Discovered, Acknowledged]
Step = Optional[Event]
"""An event, or None where the session may be interrupted for other work."""
