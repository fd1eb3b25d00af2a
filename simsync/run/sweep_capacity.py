"""How many ranges of a sweep may be in flight: bounded by the workers of the executor and by the bytes of results."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from typing import Optional

_PER_WORKER = 2
"""Ranges in flight for each worker: the one that it runs, and the next one."""
_UNKNOWN_WORKERS = 8
"""Workers of an executor that does not say how many it has."""
_INTERVAL = 5.0
"""Seconds between two looks at the number of workers; a cluster can grow and shrink."""


class InFlight:
    """Decides whether another range may be submitted.

    Args:
        executor: The executor of the caller; None for threads of the sweep's own.
        workers: How many threads the sweep has.
        fixed: The number that the caller asks for; None to follow the executor.
        max_bytes: Bytes that results may have before they are taken.
    """

    def __init__(self, executor: Optional[Executor], workers: int, fixed: Optional[int], max_bytes: int) -> None:
        self._executor, self._workers, self._fixed, self._max_bytes = executor, workers, fixed, max_bytes
        self._largest = 0
        self._count = 0
        self._counted_at = float("-inf")

    def saw(self, size: int) -> None:
        """Remember the size of a result: those that are still running are expected to become as large."""
        self._largest = max(self._largest, size)

    def allows(self, in_flight: int, held: int) -> bool:
        """Decide.

        Args:
            in_flight: Ranges that were submitted and whose results were not taken.
            held: Bytes of the results among them.
        """
        if not in_flight:
            return True  # one at a time, however large its result is
        return in_flight < self._most() and held + self._largest * (in_flight + 1) <= self._max_bytes

    def _most(self) -> int:
        if self._fixed is not None:
            return self._fixed
        if time.monotonic() - self._counted_at > _INTERVAL:
            self._count = max(
                1, _PER_WORKER * (self._workers if self._executor is None else workers_of(self._executor))
            )
            self._counted_at = time.monotonic()
        return self._count


def workers_of(executor: object) -> int:
    """How many calls an executor runs at the same time: of :mod:`concurrent.futures` and of Dask."""
    count = getattr(executor, "_max_workers", None)
    if isinstance(count, int):
        return count
    threads = getattr(getattr(executor, "_client", None), "nthreads", None)
    if callable(threads):
        found = threads()
        if isinstance(found, dict):
            return sum(value for value in found.values() if isinstance(value, int))
    return _UNKNOWN_WORKERS
