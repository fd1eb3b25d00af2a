"""Messages of a server, and a parallel conversation that has come so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from simsync.events import Event
from simsync.options import Options
from simsync.params import CreateSession
from simsync.protocol.parallel import ParallelProtocol

from .taking import take_events

A, B = "backtest_a", "backtest_b"
CONTROL = "parallel_c"


def message(method: str, params: Any = None) -> bytes:
    return json.dumps({"method": method, "params": params}).encode()


def created(session_id: str) -> bytes:
    return message("sessionCreated", {"session_id": session_id, "rpc_endpoint": f"/backtest/{session_id}"})


def all_created(ids: Sequence[str] = (A, B), starts: Sequence[int] = (1, 11), ends: Sequence[int] = (10, 20)) -> bytes:
    return message(
        "sessionsCreatedV2",
        {
            "control_session_id": CONTROL,
            "session_ids": list(ids),
            "task_ids": [None] * len(ids),
            "start_slots": list(starts),
            "end_slots": list(ends),
        },
    )


def attached() -> bytes:
    return message("parallelSessionAttachedV2", {"control_session_id": CONTROL, "session_ids": [A, B], "task_ids": []})


def event(session_id: str, sequence: int, kind: str, params: Any = None) -> bytes:
    inner = {"method": kind, "params": params}
    return message("sessionEventV2", {"session_id": session_id, "seq_id": sequence, "event": inner})


def conversation(options: Options | None = None) -> ParallelProtocol:
    return ParallelProtocol(CreateSession(1, 20), options or Options())


def established(options: Options | None = None) -> ParallelProtocol:
    machine = conversation(options)
    machine.connected(0.0)
    machine.receive([created(A), created(B), all_created()], 0.0)
    return machine


def delivered(machine: ParallelProtocol, payloads: Sequence[bytes], now: float = 1.0) -> dict[str, list[Event]]:
    """Feed the payloads one by one, and in each case take what is to be delivered."""
    events: dict[str, list[Event]] = {}
    for payload in payloads:
        for state in machine.receive([payload], now):
            events.setdefault(state.session_id, []).extend(take_events(state))
    return events
