"""Several threads that take from one iterator, one queue or one list of weakly held objects."""

from __future__ import annotations

import contextlib
import operator
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Callable

import pytest

from simsync.errors import ControlClosed
from simsync.events import Event, Slot
from simsync.protocol.session_state import SessionState
from simsync.runtime.event_batch import EventBatch
from simsync.runtime.event_queue import Ended, EventQueue, ReadyQueues
from simsync.runtime.shared_iterator import LockedIterator, shared, undisturbed
from simsync.weakly_held import WeaklyHeld

THREADS = 4


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads change after each few instructions. Without a GIL they run at once anyway."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[], None], threads: int = THREADS) -> None:
    """Do ``work`` in several threads. Raises what one of them raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)

    started = [threading.Thread(target=run) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    if errors:
        raise errors[0]


class Slow(list[int]):
    """Its iterator refuses a thread that asks while another one is being answered, and gives it time to ask."""

    refused = threading.Event()
    MOMENT = 0.1

    def __iter__(self) -> Iterator[int]:
        for item in super().__iter__():
            self.refused.wait(self.MOMENT)
            yield item


def test_a_thread_that_asks_meanwhile_waits() -> None:
    items = Slow(range(THREADS))
    iterator = LockedIterator(iter(items))
    taken: list[int] = []

    def take() -> None:
        try:
            taken.append(next(iterator))
        except ValueError:  # "generator already executing"
            items.refused.set()
            raise

    at_once(take)
    assert sorted(taken) == list(range(THREADS))


@pytest.mark.parametrize("kind", [shared, LockedIterator])
def test_threads_share_the_items(kind: Callable[[Iterator[int]], Iterator[int]], hasty: None) -> None:
    iterator = kind(iter(list(range(50_000))))
    taken: list[list[int]] = []
    at_once(lambda: taken.append(list(iterator)))
    assert sorted(item for items in taken for item in items) == list(range(50_000))


@pytest.mark.parametrize("kind", [shared, LockedIterator])
def test_it_counts_what_is_left_and_can_be_cut_short(kind: Callable[[Iterator[int]], Iterator[int]]) -> None:
    items = [1, 2, 3]
    iterator = kind(iter(items))
    assert operator.length_hint(iterator) == 3
    assert next(iterator) == 1
    assert operator.length_hint(iterator) == 2
    with undisturbed(iterator):
        del items[1:]
    assert operator.length_hint(iterator) == 0
    assert list(iterator) == []


def test_each_event_goes_to_one_of_the_threads_and_none_is_told_too_early_that_there_is_none(hasty: None) -> None:
    one = EventQueue(SessionState("backtest_a"), ReadyQueues(), 60.0)
    batches = [[Slot(number) for number in range(start, start + 3)] for start in range(0, 6_000, 3)]
    taken: list[Slot] = []

    def take() -> None:
        with contextlib.suppress(ControlClosed):
            while True:
                event = one.get(timeout=20)
                assert isinstance(event, Slot)
                taken.append(event)

    def put() -> None:
        for events in batches:
            one.put(EventBatch(list(events), events[0].slot, 1))
        one.put(Ended(ControlClosed("everything was put")))

    putting = threading.Thread(target=put)
    putting.start()
    at_once(take)
    putting.join(20)
    assert sorted(taken, key=lambda event: event.slot) == [event for events in batches for event in events]


class Taken(list[Event]):
    """Its iterator has an event until it is asked for it: another thread takes it just then."""

    def __iter__(self) -> Iterator[Event]:
        return TakenIterator()


class TakenIterator(Iterator[Event]):
    left = 1

    def __length_hint__(self) -> int:
        return self.left

    def __next__(self) -> Event:
        self.left = 0
        raise StopIteration


def test_get_goes_on_when_another_thread_was_faster() -> None:
    one = EventQueue(SessionState("backtest_a"), ReadyQueues(), 60.0)
    one.put(EventBatch(Taken([Slot(1)]), 1, 1))
    one.put(EventBatch([Slot(2)], 2, 1))
    assert one.get(timeout=20) == Slot(2)
    with pytest.raises(queue.Empty):
        one.get(timeout=0.0)


class Thing:
    pass


def test_weakly_held_objects_are_listed_while_others_come_and_go(hasty: None) -> None:
    held: WeaklyHeld[Thing] = WeaklyHeld()
    kept = [Thing()]
    held.add(kept[0])
    over = threading.Event()
    all_are_there = threading.Barrier(3)

    def come_and_go() -> None:
        all_are_there.wait(20)
        while not over.is_set():
            things = [Thing() for _ in range(200)]
            for thing in things:
                held.add(thing)

    def look() -> None:
        all_are_there.wait(20)
        try:
            for _ in range(1_000):
                assert kept[0] in held.all()
        finally:
            over.set()

    works: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    for work in (look, come_and_go, come_and_go):
        works.put(work)
    at_once(lambda: works.get()(), 3)
    assert held.all() == kept
    kept.clear()
    assert held.all() == []
