"""Announced discovery batches that the engine has not reached yet."""

from __future__ import annotations

import heapq

from simsync.events import DiscoveryBatch

Place = tuple[int, int]
"""Slot and batch. A slot boundary comes before the first batch."""

BEFORE_EVERYTHING = -2
"""Before the first slot, batch or sequence number. Not even the number 0 follows it directly."""


class Discoveries:
    """The matches ahead, nearest first, and how many the engine passed without a pause. They may come in any order."""

    __slots__ = ("_batches", "_passed", "_places")

    def __init__(self) -> None:
        self._batches: dict[Place, DiscoveryBatch] = {}
        self._places: list[Place] = []  # the keys, as a heap
        self._passed = 0

    def add(self, discovery: DiscoveryBatch, highest_slot: int) -> None:
        self._drop_executed(highest_slot)
        place = (discovery.slot, batch_order(discovery.batch_index))
        if place not in self._batches:
            self._batches[place] = discovery
            heapq.heappush(self._places, place)

    def take(self, highest_slot: int, stands_at: Place) -> tuple[DiscoveryBatch | None, int]:
        """The nearest match after ``stands_at``, and how many were passed since the last call."""
        self._drop_executed(highest_slot)
        while self._places and self._places[0] <= stands_at:
            self._passed += self._places[0] < stands_at  # the match at the very place was not passed
            self._pop()
        passed, self._passed = self._passed, 0
        return (self._pop() if self._places else None), passed

    def _pop(self) -> DiscoveryBatch:
        return self._batches.pop(heapq.heappop(self._places))

    def _drop_executed(self, highest_slot: int) -> None:
        while self._places and self._places[0][0] <= highest_slot:
            self._pop()
            self._passed += 1


def batch_order(batch_index: int | None) -> int:
    """A batch index as a number that sorts; a slot boundary comes first."""
    return BEFORE_EVERYTHING if batch_index is None else batch_index
