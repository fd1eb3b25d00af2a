"""Handing what the protocol has received to the queues of its sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simsync.protocol.session_state import SessionState
from simsync.runtime.event_queue import Ended, EventQueue, ReadyQueues


def deliver(changed: Iterable[SessionState], queues: Mapping[str, EventQueue], ready: ReadyQueues) -> None:
    """Move the events of these sessions into their queues, and end those of sessions that have failed.

    Call it while holding the lock of the connection.
    """
    told = []
    for state in dict.fromkeys(changed):
        queue = queues[state.session_id]
        told.append(queue)
        queue.collect()
        if state.failure is not None:
            queue.add(Ended(state.failure))
        if state.completed:
            for tell in queue.on_completed:
                tell()
    ready.announce(*told)
