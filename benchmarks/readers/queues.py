"""asyncio clients: one coroutine or callback receives and decodes, each sub-session has a queue and a task."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from benchmarks.readers.created import Created
from benchmarks.readers.run import Outcome


def queues(created: Created) -> dict[str, asyncio.Queue[Any]]:
    return {session_id: asyncio.Queue() for session_id in created.ids}


def consumers(created: Created, of: dict[str, asyncio.Queue[Any]]) -> Iterable[asyncio.Task[Outcome]]:
    return [
        asyncio.ensure_future(_consume(queue, created.starts[session_id], created.ends[session_id]))
        for session_id, queue in of.items()
    ]


async def _consume(queue: asyncio.Queue[Any], start: int, end: int) -> Outcome:
    last = start - 1
    received = misplaced = 0
    get = queue.get
    while True:
        event = await get()
        if event["method"] == "slotNotification":
            slot = event["params"]
            if slot != last + 1:
                misplaced += 1
            last = slot
            received += 1
        elif event["method"] == "completed":
            return received, misplaced, last != end
