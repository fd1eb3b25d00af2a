"""Strategies that other processes can import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy

import simsync
from simsync.run.sweep import SweepSession


class Stubborn(Exception):
    """Can be pickled, but not restored."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def failing(session: SweepSession) -> dict[str, int]:
    """Fails in every third range."""
    if isinstance(session, simsync.BacktestSession) and (session.start_slot or 0) % 12 == 8:
        raise ValueError(f"no luck at {session.start_slot}")
    return slots(session)


def slots(session: SweepSession) -> dict[str, int]:
    """Which slots were executed, and by which process."""
    found = [event.slot for event in events(session) if isinstance(event, simsync.Slot)]
    return {"first": min(found), "last": max(found), "count": len(found), "process": os.getpid()}


def counted(session: SweepSession) -> dict[str, object]:
    """The same for the same range, and not quite JSON."""
    return {"first": slots(session)["first"], "pair": (1, 2)}


def large(session: SweepSession) -> bytes:
    return bytes(1_000_000)


def events(session: SweepSession) -> Any:
    if isinstance(session, simsync.ParallelSession):
        return (event for _sub, event in session.events(advance=2))
    return session.events(advance=2)


def spread(session: SweepSession, *, spread: object) -> str:
    return str(spread)


def of_numpy(session: SweepSession) -> dict[str, object]:
    return {"slots": numpy.int64(slots(session)["count"]), "share": [numpy.float32(0.5), numpy.bool_(True)]}


def unsendable(session: SweepSession) -> object:
    return lambda: slots(session)


def not_a_number(session: SweepSession) -> float:
    return float("nan")


def half_a_pair(session: SweepSession) -> str:
    return "\ud800"


def stubborn(session: SweepSession) -> None:
    raise Stubborn("one", "other")


def die(session: SweepSession) -> None:
    os._exit(9)


def die_once(session: SweepSession) -> dict[str, int]:
    """The first call kills its process."""
    mark = Path(os.environ["SWEEP_TEST_MARK"])
    found = slots(session)
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return found
    os._exit(9)


def client() -> simsync.Client:
    return simsync.Client()
