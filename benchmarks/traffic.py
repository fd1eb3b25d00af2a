"""What the servers of the benchmarks say on a control connection, as bytes that only have to be sent."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

FIRST_SLOT = 312_000_000

CHUNK = 256 * 1024
"""Bytes of one send at most. A chunk holds whole frames, so that a pong may go out between two of them."""

TEXT = 0x81
BINARY = 0x82

_SEED = 1
_SLOT = (
    b'{"method":"sessionEventV2","params":{"session_id":"%s","seq_id":%d,'
    b'"event":{"method":"slotNotification","params":%d}}}'
)
_READY = b'{"method":"sessionEventV2","params":{"session_id":"%s","seq_id":%d,"event":{"method":"readyForContinue"}}}'


def frame(payload: bytes, first: int = TEXT) -> bytes:
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


def chunks(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The frames, joined up to :data:`CHUNK` bytes."""
    chunk = bytearray()
    for item in frames:
        if len(chunk) + len(item) > CHUNK:
            yield bytes(chunk)
            chunk.clear()
        chunk += item
    yield bytes(chunk)


class Plan:
    """The sub-sessions of a parallel session and their frames, the same in every process that asks.

    ``events`` slots are dealt out to ``sessions`` sub-sessions: ``counts`` says how many to each, ``starts`` with which
    slot each begins. ``seq_id`` 1 is the first ready of each.
    """

    def __init__(self, events: int, sessions: int) -> None:
        self._source = random.Random(_SEED)
        self.events = events
        self.ids = [f"backtest_{_uuid7(self._source)}" for _ in range(sessions)]
        self.counts = [events // sessions + (number < events % sessions) for number in range(sessions)]
        self.starts = [FIRST_SLOT + sum(self.counts[:number]) for number in range(sessions)]
        self._control_id = f"parallel_{_uuid7(self._source)}"
        self._keys = [session_id.encode() for session_id in self.ids]

    def created(self) -> bytes:
        """The answer to the create request, each sub-session's first ready included."""
        listed = {
            "control_session_id": self._control_id,
            "session_ids": self.ids,
            "task_ids": [None] * len(self.ids),
            "start_slots": self.starts,
            "end_slots": [start + count - 1 for start, count in zip(self.starts, self.counts)],
        }
        announced = [
            {"session_id": session_id, "rpc_endpoint": f"/backtest/{session_id}", "task_id": None}
            for session_id in self.ids
        ]
        frames = [frame(message("sessionCreated", one)) for one in announced]
        frames.append(frame(message("sessionsCreatedV2", listed)))
        frames += (self.ready(number, 1) for number in range(len(self.ids)))
        return b"".join(frames)

    def ready(self, number: int, sequence: int) -> bytes:
        return frame(_READY % (self._keys[number], sequence))

    def answers(self, number: int, trips: int, slots: int) -> Iterator[bytes]:
        """What each continue of a closed loop is answered with. ``slots``: how many slot events before its end."""
        key = self._keys[number]
        for trip in range(trips):
            first, start = 2 + trip * (slots + 1), self.starts[number] + trip * slots
            moved = [frame(_SLOT % (key, first + step, start + step)) for step in range(slots)]
            end = self.completed if trip == trips - 1 else self.ready
            yield b"".join([*moved, end(number, first + slots)])

    def completed(self, number: int, sequence: int, agent_stats: Any = None) -> bytes:
        params = {"summary": None, "agent_stats": agent_stats}
        event = {"method": "completed", "params": params}
        body = {"session_id": self.ids[number], "seq_id": sequence, "event": event}
        return frame(message("sessionEventV2", body))

    def slots(self) -> Iterator[tuple[int, bytes]]:
        """Every slot event with its sub-session, shuffled; within each, the slots and ``seq_id`` count up."""
        order = [number for number, count in enumerate(self.counts) for _ in range(count)]
        random.Random(_SEED).shuffle(order)
        sent = [0] * len(self.ids)
        for number in order:
            payload = _SLOT % (self._keys[number], sent[number] + 2, self.starts[number] + sent[number])
            yield number, frame(payload)
            sent[number] += 1

    def stream(self) -> list[bytes]:
        """All that follows a continue: the slot events, then a ``completed`` of each sub-session."""
        ends = (self.completed(number, count + 2) for number, count in enumerate(self.counts))
        return list(chunks(part for parts in ((item for _, item in self.slots()), ends) for part in parts))


def _uuid7(source: random.Random) -> UUID:
    return UUID(int=source.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)
