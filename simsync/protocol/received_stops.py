"""Under which numbers an engine has stopped: what tells a replay from numbers that started over after an attach."""

from __future__ import annotations

from typing import Optional

from simsync.events import Event, Paused, ReadyForContinue, SessionError, Slot

KEPT = 32
"""Stops that are remembered. A replay begins near the cursor, so older ones are not asked for."""

_Kind = tuple[type, Optional[int]]
_READY: _Kind = (ReadyForContinue, None)


class ReceivedStops:
    """The last numbers that were a stop (ready, pause or error), with their kinds.

    A number that was received and is not one of them was something else, mostly a slot.
    """

    __slots__ = ("_began", "_kinds", "_known_from")

    def __init__(self) -> None:
        self._kinds: dict[int, _Kind] = {}
        self._began: int | None = None
        self._known_from = 0

    def jumped(self, sequence: int) -> None:
        """The number does not follow the one before, so what those in between were is not known."""
        if self._began is None:
            self._began = sequence
        self._known_from = sequence

    def note(self, sequence: int, event: Event) -> None:
        """Remember an event if it is a stop. Slots never are."""
        kind = _kind(event)
        if kind is None:
            return
        self._kinds[sequence] = kind
        if len(self._kinds) > KEPT:
            oldest = next(iter(self._kinds))
            del self._kinds[oldest]
            self._known_from = max(self._known_from, oldest + 1)

    def was_error(self, sequence: int) -> bool:
        return self._kinds.get(sequence) == (SessionError, None)

    # guess: numbers that start over after an attach
    def contradicts(self, sequence: int, event: Event | None) -> bool:
        """After an attach: an event with an old number is not what was received with it, so it is not a replay."""
        if isinstance(event, Slot):
            return sequence in self._kinds
        kind = _kind(event)
        if kind is None:
            return False
        if self._began is not None and sequence < self._began:
            return True  # the first connection has sent everything, and this was not there
        return sequence >= self._known_from and self._kinds.get(sequence) != kind


def _kind(event: Event | None) -> _Kind | None:
    if isinstance(event, ReadyForContinue):
        return _READY
    if isinstance(event, Paused):
        return Paused, event.slot
    if isinstance(event, SessionError):
        return type(event), None
    return None
