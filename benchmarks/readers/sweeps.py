"""simsync: ``sweep`` over processes, with a strategy that computes for each event."""

from __future__ import annotations

import functools
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.readers.run import Outcome, Run, Stopwatch, slot_problems
from benchmarks.stream import Stream
from benchmarks.traffic import FIRST_SLOT
from benchmarks.without import SPEED, forbid

if TYPE_CHECKING:
    import simsync

RANGES = 8

_barrier: Any = None


def sweep_with_one_worker(stream: Stream) -> Run:
    return _sweep(stream, 1)


def sweep_with_two_workers(stream: Stream) -> Run:
    return _sweep(stream, 2)


def _sweep(stream: Stream, workers: int) -> Run:
    """The clock starts when the workers have started."""
    import simsync

    watch = Stopwatch()
    context = multiprocessing.get_context("spawn")
    forbidden = tuple(name for name in SPEED if sys.modules.get(name, "") is None)
    begin = (context.Barrier(workers), forbidden)
    ranges = [simsync.CreateSession(FIRST_SLOT, slot_count=stream.events)] * RANGES
    with ProcessPoolExecutor(workers, context, _begin, begin) as executor:
        for ready in [executor.submit(_be_ready) for _ in range(workers)]:
            ready.result()
        watch.start()
        make_client = functools.partial(_make_client, stream.url)
        results = list(simsync.sweep(_strategy, ranges, executor, client=make_client, parallel=True))
        events = stream.events * RANGES
        return watch.stop(events, slot_problems(events, [one for result in results for one in result.get()]))


def _begin(barrier: Any, forbidden: tuple[str, ...]) -> None:
    """In each worker, before anything else."""
    global _barrier
    _barrier = barrier
    forbid(forbidden)


def _be_ready() -> None:
    """Ends when every worker has begun, so that each has taken one."""
    import simsync  # noqa: F401 (what takes its time)

    _barrier.wait()


def _make_client(url: str) -> simsync.Client:
    import simsync

    return simsync.Client(url, "benchmark")


def _strategy(session: simsync.ParallelSession) -> list[Outcome]:
    """For each slot, the trade between two pools that earns most."""
    from simsync import Slot

    last = {sub: sub.start_slot - 1 for sub in session.sub_sessions}
    received = misplaced = 0
    session.sub_sessions[-1].send_continue(advance_count=1)
    for sub, event in session.events():
        if type(event) is Slot:
            misplaced += event.slot != last[sub] + 1
            last[sub] = event.slot
            received += 1
            best_trade(1_000_000_000 + event.slot, 2_000_000_000, 2_100_000_000 - event.slot)
    return [(received, misplaced, False), *((0, 0, last[sub] != sub.end_slot) for sub in last)]


def best_trade(a: int, b: int, c: int) -> int:
    """How much to put into a pool of ``a`` and ``b`` and sell in one of ``c`` and ``a``, by ternary search."""
    low, high = 0, a
    while high - low > 2:
        third = (high - low) // 3
        left, right = low + third, high - third
        bought, more = b * left // (a + left), b * right // (a + right)
        if a * bought // (c + bought) - left < a * more // (c + more) - right:
            low = left
        else:
            high = right
    return low
