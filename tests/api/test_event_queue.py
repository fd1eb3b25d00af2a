"""The queue of one session is a ``queue.Queue``, and what it says of itself is true."""

from __future__ import annotations

import queue
import threading
import weakref
from dataclasses import dataclass

import pytest

import simsync
from simsync.errors import ControlFailed
from simsync.events import Completed, Event, ReadyForContinue, Slot
from simsync.protocol.session_state import SessionState
from simsync.runtime.data_buffer import DataBuffer
from simsync.runtime.event_batch import DataBatch, EventBatch
from simsync.runtime.event_queue import Ended, EventQueue, ReadyQueues
from simsync.runtime.subscription_status import SubscriptionStatus

READY = ReadyForContinue()
DONE = Completed(None, None)


@dataclass
class Heavy(Event):
    """An event that can be watched until it is gone."""

    number: int


def event_queue() -> EventQueue:
    return EventQueue(SessionState("backtest_a"), ReadyQueues(), 60.0)


def batch(*events: Event) -> EventBatch:
    return EventBatch(list(events), 1, 1)


def test_each_session_has_a_standard_queue(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        queues = [sub.queue for sub in session.sub_sessions]
        assert all(isinstance(one, queue.Queue) for one in queues)
        assert len(set(queues)) == len(session.sub_sessions)
        sub = session.sub_sessions[0]
        assert sub.ensure_ready(timeout=20)
        waiting = sub.queue.qsize()
        assert waiting > 0
        assert not sub.queue.empty()
        taken = [sub.queue.get(timeout=20) for _ in range(waiting)]
        assert isinstance(taken[-1], ReadyForContinue)
        assert sub.queue.empty()
        with pytest.raises(queue.Empty):
            sub.queue.get_nowait()


def test_it_counts_events_and_not_batches() -> None:
    one = event_queue()
    assert one.empty()
    assert one.qsize() == 0
    one.put(batch(Slot(1), Slot(2), READY))
    assert one.qsize() == 3
    assert one.get() == Slot(1)
    assert one.qsize() == 2
    assert not one.empty()
    one.put(batch(Slot(3)))
    assert [one.get() for _ in range(3)] == [Slot(2), READY, Slot(3)]
    assert one.empty()


def test_it_never_refuses_and_never_blocks_the_reader() -> None:
    one = event_queue()
    for number in range(1_000):
        one.put(batch(Slot(number)), block=False)
        assert not one.full()
    assert one.qsize() == 1_000


def test_data_that_is_there_comes_first_and_counts() -> None:
    one = event_queue()
    one.subscriptions.append(SubscriptionStatus("all", lambda: []))
    buffer = DataBuffer(10, 1_000, lambda: None)
    one.put(batch(Slot(1), READY))
    one.put(DataBatch([Slot(7)], 10, buffer))
    assert one.qsize() == 3
    assert [one.get_nowait() for _ in range(3)] == [Slot(7), Slot(1), READY]
    assert one.empty()


def test_data_comes_before_control_events_that_came_later_and_in_order() -> None:
    one = event_queue()
    one.subscriptions.append(SubscriptionStatus("all", lambda: []))
    buffer = DataBuffer(10, 1_000, lambda: None)
    one.put(batch(Slot(1), READY))
    assert one.get() == Slot(1)
    one.put(batch(Slot(2)))
    one.put(DataBatch([Slot(7)], 10, buffer))
    one.put(DataBatch([Slot(8)], 10, buffer))
    one.put(batch(Slot(3)))
    # What came together with Slot(1) is one batch; the data comes before everything behind that.
    assert [one.get() for _ in range(5)] == [READY, Slot(7), Slot(8), Slot(2), Slot(3)]


def test_a_waiting_get_is_woken_by_a_put() -> None:
    one = event_queue()
    taken: list[Event] = []
    taker = threading.Thread(target=lambda: taken.append(one.get(timeout=20)))
    taker.start()
    one.put(batch(Slot(1)))
    taker.join(20)
    assert taken == [Slot(1)]


def test_get_times_out_as_the_standard_class_does() -> None:
    with pytest.raises(queue.Empty):
        event_queue().get(timeout=0.01)


def test_it_ends_with_completed_or_raises_what_ended_it() -> None:
    one = event_queue()
    one.put(batch(Slot(1), DONE))
    assert one.qsize() == 2
    assert [one.get(), one.get()] == [Slot(1), DONE]
    assert one.is_finished
    with pytest.raises(queue.Empty):
        one.get(timeout=20)  # at once: nothing will come any more
    other = event_queue()
    other.put(Ended(ControlFailed("the connection was lost")))
    with pytest.raises(ControlFailed, match="was lost"):
        other.get()


def test_the_numbers_travel_with_the_batches() -> None:
    one = event_queue()
    assert one.last_sequence is None
    one.put(EventBatch([Slot(1), Slot(2)], 5, 1))
    one.put(EventBatch([READY], 9, 1))
    reached: list[int | None] = []
    for _ in range(3):
        one.get()
        reached.append(one.last_sequence)
    assert reached == [5, 6, 9]


def test_data_is_not_kept_when_the_caller_has_taken_it() -> None:
    """Not even while the rest of its batch waits: the fields of many transactions keep the garbage collector busy."""
    one = event_queue()
    one.put(DataBatch([Heavy(1), Heavy(2), Heavy(3)], 30, DataBuffer(10, 1_000, lambda: None)))
    for number in (1, 2):
        event = one.get()
        assert event == Heavy(number)
        gone = weakref.ref(event)
        del event
        assert gone() is None
    assert one.qsize() == 1


def test_cancelling_drops_data_that_was_not_taken() -> None:
    one = event_queue()
    one.put(DataBatch([Slot(1), Slot(2), Slot(3)], 30, DataBuffer(10, 1_000, lambda: None)))
    loop = one.next_batch(None)
    assert loop is not None
    assert next(loop) == Slot(1)
    one.cancel(simsync.Cancelled("the session was closed"))
    assert list(loop) == []
    assert one.qsize() == 0


def test_cancelling_drops_what_was_not_taken_and_keeps_the_number() -> None:
    one = event_queue()
    one.put(EventBatch([Slot(1), Slot(2), READY], 5, 1))
    assert one.get() == Slot(1)
    one.cancel(simsync.Cancelled("the session was closed"))
    assert one.last_sequence == 5
    with pytest.raises(simsync.Cancelled):
        one.get()
