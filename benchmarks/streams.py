"""The streams that a run needs, by name, and how long each is."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import transactions
from benchmarks.runs import ServerCommand

CONTROL = "control events"
CONTROL_TENTH = "a tenth of the control events"
MANY_SESSIONS = "control events of 1,024 sub-sessions"
MOST_SESSIONS = "control events of 4,096 sub-sessions"
TRANSACTIONS = "transactions"
CLOSED_LOOP = "closed loop"
ONE_DRIVER = "closed loop, one driver"
CLOSED_LOOPS = {
    f"closed loop, {drivers} x {slots}": (drivers, slots) for slots in (1, 10) for drivers in (1, 8, 64, 256)
}
"""Drivers, and the blocks of each of their continues, which are answered with as many slot events and a ready."""
PACED = "2,000 events/s"
SWEPT = "ranges of a sweep"
NOTHING = ""


def data_folder() -> Path:
    return Path(os.environ.get("SIMSYNC_TEST_DATA", "../shared/data"))


def has_data() -> bool:
    return bool(transactions.files(data_folder()))


def server(name: str, events: int, sessions: int) -> ServerCommand:
    """All sizes follow from the ``events`` of the control plane: what is slower gets fewer."""

    def part(thousandths: int) -> int:
        return max(sessions, events * thousandths // 1_000)

    if name in CLOSED_LOOPS:
        drivers, slots = CLOSED_LOOPS[name]
        trips = max(1, part(80 if drivers > 1 else 20) // slots // drivers)
        return ServerCommand("closed-loop", drivers * trips * slots, drivers, slots)
    return {
        CONTROL: ServerCommand("flood", events, sessions),
        CONTROL_TENTH: ServerCommand("flood", part(100), sessions),
        MANY_SESSIONS: ServerCommand("flood", max(1_024, events), 1_024),
        MOST_SESSIONS: ServerCommand("flood", max(4_096, events), 4_096),
        TRANSACTIONS: ServerCommand("data-plane", part(80), data=str(data_folder())),
        CLOSED_LOOP: ServerCommand("closed-loop", part(120), sessions),
        ONE_DRIVER: ServerCommand("closed-loop", part(40)),
        PACED: ServerCommand("paced", part(12), sessions),
        SWEPT: ServerCommand("flood", part(25), 8),
    }[name]
