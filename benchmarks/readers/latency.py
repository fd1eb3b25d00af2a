"""simsync: how old an event is when the loop gets it, while another thread computes in pure Python."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.readers.loops import coverage_problems, open_session, start
from benchmarks.readers.run import Run, Stopwatch, percentiles, slot_problems
from benchmarks.stream import Stream

if TYPE_CHECKING:
    from simsync import SubSession

SHORT_INTERVAL = 0.0005
"""Seconds; what a program that computes next to its loop may set as the switch interval."""


def read_while_computing(stream: Stream) -> Run:
    """``p50``, ``p99`` and ``max`` in seconds, without the first tenth; ``offered``: events a second as sent."""
    from simsync import Completed, Slot

    watch = Stopwatch()
    with open_session(stream) as session, _computing():
        subs = session.sub_sessions
        arrived: dict[SubSession, list[int]] = {sub: [] for sub in subs}
        sent: dict[SubSession, list[int]] = {}
        misplaced = 0
        clock = time.monotonic_ns
        watch.start()
        start(session, stream)
        for sub, event in session.events():
            if type(event) is Slot:
                arrivals = arrived[sub]
                misplaced += event.slot != sub.start_slot + len(arrivals)
                arrivals.append(clock())
            elif type(event) is Completed:
                sent[sub] = event.agent_stats["sent"]
        received = sum(map(len, arrived.values()))
        problems = slot_problems(stream.events, [(received, misplaced, False)]) + coverage_problems(session)
        if problems:
            return watch.stop(stream.events, problems)
        pairs = sorted(pair for sub in subs for pair in zip(sent[sub], arrived[sub]))
        figures = percentiles([(seen - left) / 1e9 for left, seen in pairs[len(pairs) // 10 :]])
        figures["offered"] = (len(pairs) - 1) * 1e9 / (pairs[-1][0] - pairs[0][0])
        return watch.stop(stream.events, problems, figures)


def read_while_computing_with_short_turns(stream: Stream) -> Run:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SHORT_INTERVAL)
    try:
        return read_while_computing(stream)
    finally:
        sys.setswitchinterval(before)


@contextlib.contextmanager
def _computing() -> Iterator[None]:
    """Another thread is busy, and never waits for anything."""
    stopping = threading.Event()

    def compute() -> None:
        state = 1
        while not stopping.is_set():
            for _ in range(1_000):
                state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
