"""Taking what a protocol has for the caller, with the queue that does it in the runtime."""

from __future__ import annotations

import queue
from typing import Optional

from simsync.events import Event
from simsync.protocol.session_state import SessionState
from simsync.runtime.event_queue import EventQueue, ReadyQueues

Numbered = tuple[Event, Optional[int]]
"""An event, and the sequence number that the session has reached with it."""


def take_from(events: EventQueue) -> list[Numbered]:
    """What has come for the session of this queue since the last call."""
    events.collect()
    taken: list[Numbered] = []
    while True:
        try:
            event = events.get_nowait()
        except queue.Empty:
            return taken
        taken.append((event, events.last_sequence))


def take_numbered(state: SessionState) -> list[Numbered]:
    return take_from(EventQueue(state, ReadyQueues(), 60.0))


def take_events(state: SessionState) -> list[Event]:
    return [event for event, _number in take_numbered(state)]
