"""What the server of the benchmarks says in one parallel session, as bytes that only have to be sent."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

FIRST_SLOT = 312_000_000

CHUNK = 256 * 1024
"""Bytes of one send at most. A chunk holds whole frames, so that a pong may go out between two of them."""

_SEED = 1
_TEXT = 0x81
_SLOT = (
    b'{"method":"sessionEventV2","params":{"session_id":"%s","seq_id":%d,'
    b'"event":{"method":"slotNotification","params":%d}}}'
)


@dataclass(frozen=True)
class Traffic:
    """``created`` answers the create request, each sub-session's first ready included. ``stream`` is everything after
    the continue: the slot events, then a ``completed`` of each sub-session."""

    created: bytes
    stream: list[bytes]


def frame(payload: bytes, first: int = _TEXT) -> bytes:
    """A WebSocket frame as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def message(method: str, params: Any = None) -> bytes:
    body = {"method": method} if params is None else {"method": method, "params": params}
    return json.dumps(body, separators=(",", ":")).encode()


def build(events: int, sessions: int) -> Traffic:
    """``events`` slot events, shuffled over the sub-sessions; within each the slots and the ``seq_id`` count up."""
    source = random.Random(_SEED)
    ids = [f"backtest_{_uuid7(source)}" for _ in range(sessions)]
    counts = [events // sessions + (number < events % sessions) for number in range(sessions)]
    starts = [FIRST_SLOT + sum(counts[:number]) for number in range(sessions)]
    created = [
        *(_created(session_id) for session_id in ids),
        message(
            "sessionsCreatedV2",
            {
                "control_session_id": f"parallel_{_uuid7(source)}",
                "session_ids": ids,
                "task_ids": [None] * sessions,
                "start_slots": starts,
                "end_slots": [start + count - 1 for start, count in zip(starts, counts)],
            },
        ),
        *(_event(session_id, 1, {"method": "readyForContinue"}) for session_id in ids),
    ]
    completed = {"method": "completed", "params": {"summary": None}}
    ends = [_event(session_id, count + 2, completed) for session_id, count in zip(ids, counts)]
    order = [number for number, count in enumerate(counts) for _ in range(count)]
    source.shuffle(order)
    frames = (frame(payload) for payload in (*_slots(order, ids, starts), *ends))
    return Traffic(b"".join(map(frame, created)), list(_chunks(frames)))


def _slots(order: list[int], ids: list[str], starts: list[int]) -> Iterator[bytes]:
    keys = [session_id.encode() for session_id in ids]
    sent = [0] * len(ids)
    for number in order:
        yield _SLOT % (keys[number], sent[number] + 2, starts[number] + sent[number])  # 1 was the first ready
        sent[number] += 1


def _chunks(frames: Iterable[bytes]) -> Iterator[bytes]:
    chunk = bytearray()
    for item in frames:
        if len(chunk) + len(item) > CHUNK:
            yield bytes(chunk)
            chunk.clear()
        chunk += item
    yield bytes(chunk)


def _created(session_id: str) -> bytes:
    params = {"session_id": session_id, "rpc_endpoint": f"/backtest/{session_id}", "task_id": None}
    return message("sessionCreated", params)


def _event(session_id: str, sequence: int, event: Any) -> bytes:
    return message("sessionEventV2", {"session_id": session_id, "seq_id": sequence, "event": event})


def _uuid7(source: random.Random) -> UUID:
    return UUID(int=source.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)
