"""One reception: what it took, and whether it was right."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Outcome = tuple[int, int, bool]
"""Of one sub-session: slots received, how many of them were not the next, whether the last one is missing."""


@dataclass
class Run:
    """Times in seconds; ``peak_rss`` in bytes, of the whole process. ``count``: how many events (transactions, trips)
    the ``seconds`` were for. ``figures``: what else was measured. ``problems`` is empty if everything came once and in
    order."""

    setup: float
    seconds: float
    cpu: float
    peak_rss: int
    count: int
    problems: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        """``rate`` (per second), or one of the figures."""
        return self.count / self.seconds if name == "rate" else self.figures[name]

    @property
    def processor_time(self) -> float:
        """Seconds for each event."""
        return self.cpu / self.count


class Stopwatch:
    """Started twice: at the beginning, and when the stream begins."""

    def __init__(self) -> None:
        self._made = time.perf_counter()

    def start(self) -> None:
        self._cpu = time.process_time()
        self._started = time.perf_counter()

    def stop(self, count: int, problems: list[str], figures: dict[str, float] | None = None) -> Run:
        """``count``: how many should have come."""
        stopped = time.perf_counter()
        cpu = time.process_time() - self._cpu
        setup = self._started - self._made
        return Run(setup, stopped - self._started, cpu, peak_rss(), count, problems, figures or {})


def peak_rss() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux that may still be the peak of the process that started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def slot_problems(events: int, outcomes: Iterable[Outcome]) -> list[str]:
    """What is wrong with the slots of all sub-sessions, of which there should be ``events``."""
    received = misplaced = unfinished = 0
    for count, wrong, open_end in outcomes:
        received += count
        misplaced += wrong
        unfinished += open_end
    problems = []
    if received != events:
        problems.append(f"{received} slot events instead of {events}")
    if misplaced:
        problems.append(f"{misplaced} slot events were not the next of their sub-session")
    if unfinished:
        problems.append(f"{unfinished} sub-sessions did not come to their last slot")
    return problems


def transaction_problems(expected: int, received: int, crc: int | None, signatures: int) -> list[str]:
    """``crc`` of the signatures in the order in which they came; None when nobody looked at them."""
    problems = []
    if received != expected:
        problems.append(f"{received} transactions instead of {expected}")
    if crc is not None and crc != signatures:
        problems.append("the signatures are not those that were sent, in their order")
    return problems


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """``p50``, ``p99`` and ``max``, in seconds."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {"p50": ordered[last // 2], "p99": ordered[round(last * 0.99)], "max": ordered[last]}


def warm(trips: list[float]) -> list[float]:
    """Without the first ones."""
    return trips[len(trips) // 40 :]


def trip_problems(expected: int, drivers: Iterable[Sequence[float]]) -> list[str]:
    """Each answer is asked for and comes once: what can be wrong is their number."""
    trips = sum(map(len, drivers))
    return [] if trips == expected else [f"{trips} trips instead of {expected}"]
