"""How tasks take places in turn."""

from __future__ import annotations

import time

from simsync.runtime.places import Places
from simsync.runtime.task_loop import Task, TaskLoop, Wait

LONG = 1_000.0


class Asking(Task):
    """A task that wants a place. ``has_place`` is None while it waits."""

    def __init__(self, places: Places) -> None:
        super().__init__(TaskLoop("tasks"))
        self.times_woken = 0
        self.is_over = False
        self.has_place: bool | None = None
        self.waits: Wait | None = None
        self._asking = places.enter(self, lambda: self.is_over)
        self.look()

    def wake(self) -> None:
        self.times_woken += 1

    def look(self) -> None:
        try:
            self.waits = next(self._asking)
        except StopIteration as end:
            self.has_place = end.value


def test_places_are_taken_in_turn() -> None:
    places = Places(2, LONG)
    first, second, third, fourth = (Asking(places) for _each in range(4))
    assert [task.has_place for task in (first, second, third, fourth)] == [True, True, None, None]
    fourth.look()
    assert fourth.has_place is None
    places.leave(first)
    places.leave(first)  # a second time changes nothing
    assert third.times_woken
    third.look()
    assert third.has_place
    assert fourth.times_woken
    fourth.look()
    assert fourth.has_place is None


def test_a_task_that_is_over_waits_no_longer_and_lets_the_next_look() -> None:
    places = Places(1, LONG)
    holder, gone, behind = (Asking(places) for _each in range(3))
    gone.is_over = True
    gone.look()
    assert gone.has_place is False
    assert behind.times_woken
    places.leave(holder)
    behind.look()
    assert behind.has_place


def test_a_place_is_free_again_after_its_time() -> None:
    places = Places(1, 0.02)
    taken_at = time.monotonic()
    slow, waiting = Asking(places), Asking(places)
    assert slow.has_place
    assert waiting.waits is not None
    assert taken_at + 0.02 <= waiting.waits.deadline < taken_at + LONG
    while waiting.has_place is None:
        waiting.look()
    assert time.monotonic() >= taken_at + 0.02
    places.leave(slow)  # too late to matter
    assert Asking(places).has_place is None
