"""Runs without end, under faults without end: are the events exact, and does nothing grow?

    python -m benchmarks.soak --minutes 2

The simulator of :mod:`benchmarks.misbehaving_server` runs in a process of its own. The client makes one parallel
session of 32 sub-sessions after the other, each with transactions, account diffs and action results subscribed, in one
loop or with a thread for each sub-session, with callers that are slow at random and with buffers that are small at
random. After each run the events of every stream are compared with those of an undisturbed run, and threads and
descriptors are counted. Exits with 1 when an event is wrong, a thread or a descriptor is left, memory or the number of
Python's allocations has grown, or the server takes more than a gigabyte.

A message that is spoilt again after the reconnect is skipped, and the coverage of the sub-session says that it is not
complete. That is counted as admitted; events that are wrong while the coverage is complete are not forgiven.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import hashlib
import logging
import os
import random
import resource
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import simsync
from benchmarks.every_stream import (
    BUNDLE,
    FIRST,
    OPTIONS,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    described,
    quote,
)
from benchmarks.figures import table
from benchmarks.misbehaving_process import Server, resident, serving

PATIENCE = 120.0
"""Seconds without an event after which a run counts as hung."""
SETTLES_WITHIN = 10.0
"""Seconds after a run in which the ends of connections may still be open."""
SERVER = 1073.0
"""MB that the server may take: one gibibyte."""
GROWTH = 8.0
"""Megabytes by which the memory of the last quarter of the time may exceed that of the second."""
ALLOCATIONS = 2_000
"""The same for the allocations of Python: one object for each sub-session of each run is more after five minutes."""
ROWS = 8
HEADER = [
    "minute",
    "runs",
    "events",
    "faults",
    "reconnects",
    "memory MB",
    "peak MB",
    "allocations",
    "threads",
    "descriptors",
    "most threads",
    "server MB",
]


@dataclass(frozen=True)
class Left:
    """What there is after a run."""

    memory: float
    """In MB."""
    allocations: int
    """Blocks of memory that Python has allocated."""
    threads: int
    descriptors: int


@dataclass
class Soak:
    runs: int = 0
    events: int = 0
    reconnects: int = 0
    admitted: int = 0
    most_threads: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    allocations: list[float] = field(default_factory=list)
    server: float = 0.0
    """The most memory of the server after a run, in MB."""
    problems: list[str] = field(default_factory=list)

    def row(self, began: float, left: Left) -> list[str]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        return [
            f"{(time.monotonic() - began) / 60:.1f}",
            f"{self.runs:,}",
            f"{self.events:,}",
            f"{sum(self.faults.values()):,}",
            f"{self.reconnects:,}",
            f"{left.memory:.1f}",
            f"{peak:.1f}",
            f"{left.allocations:,}",
            str(left.threads),
            str(left.descriptors),
            str(self.most_threads),
            f"{self.server:.0f}",
        ]


class Streams:
    """A digest of each stream of one sub-session, so that a long run takes no memory."""

    def __init__(self) -> None:
        self.events = 0
        self._hashes: dict[str, hashlib._Hash] = {}

    def take(self, event: simsync.Event) -> None:
        kind, content = described(event)
        self.events += 1
        self._hashes.setdefault(kind, hashlib.sha256()).update(repr(content).encode())

    def digests(self) -> dict[str, str]:
        return {kind: found.hexdigest() for kind, found in self._hashes.items()}


Taken = dict[simsync.SubSession, Streams]


def dawdle(chance: random.Random, slowness: float) -> None:
    if chance.random() < slowness:
        time.sleep(chance.uniform(0.0, 0.02))


def one_loop(session: simsync.ParallelSession, taken: Taken, chance: random.Random) -> None:
    slowness = chance.choice([0.0, 0.0, 0.02])
    for sub, event in session.events(advance=3, timeout=PATIENCE):
        taken[sub].take(event)
        dawdle(chance, slowness)


def thread_each(session: simsync.ParallelSession, taken: Taken, chance: random.Random) -> None:
    own = {sub: random.Random(chance.random()) for sub in session.sub_sessions}

    def drive(sub: simsync.SubSession) -> None:
        slowness = own[sub].choice([0.0, 0.02, 0.2])
        for event in sub.events(advance=3, timeout=PATIENCE):
            taken[sub].take(event)
            dawdle(own[sub], slowness)

    for result in session.map(drive):
        result.get()


@dataclass(frozen=True)
class Received:
    """The digests of the streams of a sub-session, and whether its coverage says that they are complete."""

    digests: dict[str, str]
    complete: bool


def run(server: Server, sub_sessions: int, soak: Soak, chance: random.Random | None) -> list[Received]:
    """What each sub-session of one run has received. Without ``chance`` it is not disturbed."""
    options = replace(OPTIONS, continue_grace=0.5)
    if chance is not None:
        options = replace(options, buffer_events=chance.choice([8, 100, 50_000]))
    client = simsync.Client(server.url, server.api_key, options=options)
    create = simsync.CreateSession(FIRST, slot_count=sub_sessions * BUNDLE, actions=[quote()])
    with client.parallel(create, timeout=PATIENCE) as session:
        if chance is not None:
            server.misbehave()
        for sub in session.sub_sessions:
            sub.subscribe_transactions()
            sub.subscribe_account_diffs([SYSTEM_PROGRAM])
            sub.subscribe_account_diffs([TOKEN_PROGRAM])
            sub.subscribe_actions()
        soak.most_threads = max(soak.most_threads, threading.active_count())
        taken = {sub: Streams() for sub in session.sub_sessions}
        if chance is None:
            one_loop(session, taken, random.Random(0))
        else:
            chance.choice([one_loop, thread_each])(session, taken, chance)
        soak.reconnects += session.run_summary.reconnects
        soak.reconnects += sum(sub.data_reconnects for sub in session.sub_sessions)
    soak.faults.update(server.behave())
    soak.events += sum(streams.events for streams in taken.values())
    soak.runs += 1
    return [Received(streams.digests(), sub.coverage.complete) for sub, streams in taken.items()]


def give_back() -> None:
    """Collect garbage, and return free memory: what the C library keeps differs by many megabytes from run to run."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc
        trim(0)


def left(expected: Left | None = None) -> Left:
    """What there is now; waits a little until it is no more than expected."""
    give_up = time.monotonic() + SETTLES_WITHIN
    while True:
        give_back()
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  also counts its own
        found = Left(resident("self"), sys.getallocatedblocks(), threading.active_count(), descriptors)
        if expected is None or time.monotonic() > give_up:
            return found
        if found.threads <= expected.threads and found.descriptors <= expected.descriptors:
            return found
        time.sleep(0.01)


def soak_for(seconds: float, server: Server, sub_sessions: int, seed: int) -> Soak:
    soak = Soak()
    chance = random.Random(seed)
    expected = run(server, sub_sessions, soak, None)
    first = left(Left(0.0, 0, 1, 0))
    streams = sum(len(one.digests) for one in expected)
    print(f"undisturbed: {soak.events:,} events in {streams} streams", flush=True)
    print(table(HEADER, [soak.row(time.monotonic(), first)]), flush=True)
    began = time.monotonic()
    shown = 0
    while time.monotonic() - began < seconds and not soak.problems:
        number = soak.runs
        try:
            found = run(server, sub_sessions, soak, chance)
        except simsync.SimsyncError as error:
            soak.problems.append(f"run {number}: {type(error).__name__}: {error}")
            break
        differing = [mine for mine, theirs in zip(found, expected) if mine.digests != theirs.digests]
        wrong = sum(mine.complete for mine in differing)
        soak.admitted += len(differing) - wrong
        if wrong:
            soak.problems.append(f"run {number}: the events of {wrong} complete sub-sessions are wrong")
        after = left(first)
        if after.threads > first.threads or after.descriptors > first.descriptors:
            soak.problems.append(f"run {number} has left something: {after} instead of {first}")
        soak.memory.append(after.memory)
        soak.allocations.append(after.allocations)
        soak.server = max(soak.server, server.memory)
        due = int((time.monotonic() - began) / seconds * ROWS)
        if due > shown or soak.problems:
            shown = due
            print(table(HEADER, [soak.row(began, after)]).splitlines()[-1], flush=True)
    return soak


def growth(figures: list[float]) -> float:
    """From the second to the last quarter; the first one is for warming up."""
    quarter = len(figures) // 4
    if not quarter:
        return 0.0
    return statistics.median(figures[-quarter:]) - statistics.median(figures[quarter : 2 * quarter])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sub-sessions", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server-python", default=sys.executable, help="the interpreter that runs the simulator")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # thousands of reconnects
    with serving(arguments.sub_sessions, arguments.seed, arguments.server_python) as server:
        soak = soak_for(arguments.minutes * 60, server, arguments.sub_sessions, arguments.seed)
    grown, allocated = growth(soak.memory), growth(soak.allocations)
    print("faults:", ", ".join(f"{name} {count:,}" for name, count in sorted(soak.faults.items())))
    print(f"from the second to the last quarter of the time: {grown:+.1f} MB, {allocated:+,.0f} allocations")
    print(f"most memory of the server after a run: {soak.server:.0f} MB")
    if soak.server > SERVER:
        soak.problems.append(f"the server has taken {soak.server:.0f} MB")
    if grown > GROWTH:
        soak.problems.append(f"memory has grown by {grown:.1f} MB")
    if allocated > ALLOCATIONS:
        soak.problems.append(f"Python holds {allocated:,.0f} allocations more")
    for problem in soak.problems:
        print("WRONG:", problem)
    total = sum(soak.faults.values())
    print(f"sub-sessions whose coverage admits that a message was spoilt twice: {soak.admitted:,}")
    print(f"{soak.runs:,} runs, {soak.events:,} events, {total:,} faults, {len(soak.problems)} problems")
    return min(len(soak.problems), 1)


if __name__ == "__main__":
    sys.exit(main())
