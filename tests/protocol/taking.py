"""Taking what a protocol has for the caller, as the event queue does."""

from __future__ import annotations

from simsync.events import Event
from simsync.protocol.session_state import NOTHING_SEEN, SessionState

Numbered = tuple[Event, "int | None"]
"""An event, and the sequence number that the session has reached with it."""


def take_numbered(state: SessionState, reached: int | None = None) -> list[Numbered]:
    """``reached``: the number before these events."""
    if reached is None and state.handled_before != NOTHING_SEEN:
        reached = state.handled_before
    taken: list[Numbered] = []
    for batch in state.take_batches():
        batch.previous = reached
        assert batch.last_sequence == reached
        for event in batch.iterator:
            reached = batch.last_sequence
            taken.append((event, reached))
    return taken


def take_events(state: SessionState) -> list[Event]:
    return [event for event, _number in take_numbered(state)]
