"""Which announced match comes next, and what one continue caused."""

from __future__ import annotations

from simsync.events import (
    BacktestError,
    Completed,
    DiscoveryBatch,
    Paused,
    ReadyForContinue,
    SessionError,
    Slot,
    Status,
)
from simsync.protocol.continue_cycle import ContinueCycle
from simsync.protocol.route import Route
from simsync.protocol.step import StepRecord

READY = ReadyForContinue()


def match(slot: int, batch_index: int | None) -> DiscoveryBatch:
    return DiscoveryBatch(slot, batch_index, (), (), {})


def route_with(*matches: DiscoveryBatch) -> Route:
    route = Route("backtest_a")
    for one in matches:
        route.note_place(one)
    return route


def test_the_nearest_match_comes_first_whatever_the_order_of_the_announcements() -> None:
    route = route_with(match(9, 1), match(5, 2), match(5, None), match(9, 0))
    taken = [route.take_discovery()[0] for _ in range(5)]
    assert [(one.slot, one.batch_index) if one else None for one in taken] == [(5, None), (5, 2), (9, 0), (9, 1), None]


def test_a_match_in_an_executed_slot_was_passed() -> None:
    route = route_with(match(3, 0), match(5, 0))
    route.highest_slot = 3
    nearest, passed = route.take_discovery()
    assert nearest is not None
    assert (nearest.slot, passed) == (5, 1)
    assert route.take_discovery() == (None, 0)


def test_the_batch_before_which_the_session_stands_is_not_ahead() -> None:
    route = route_with(match(5, 1), match(5, 2), match(5, 3))
    route.note_place(Paused(5, 2, {}))
    nearest, _passed = route.take_discovery()
    assert nearest == match(5, 3)


def test_what_was_passed_is_counted_once_whenever_it_is_noticed() -> None:
    route = route_with(match(1, 0), match(2, 0))
    route.highest_slot = 10
    route.note_place(match(12, 0))
    assert route.take_discovery() == (match(12, 0), 2)
    route.note_place(match(11, 0))
    route.note_place(Paused(12, 0, {}))
    assert route.take_discovery() == (None, 1)


def test_a_match_that_is_announced_twice_is_one() -> None:
    route = route_with(match(5, 1), match(5, 1))
    assert route.take_discovery() == (match(5, 1), 0)
    assert route.take_discovery() == (None, 0)


def sent(record: StepRecord) -> ContinueCycle:
    cycle = ContinueCycle()
    cycle.observe(READY)
    cycle.submit(b"", record)
    cycle.take()
    return cycle


def test_a_step_holds_what_its_continue_caused() -> None:
    record = StepRecord()
    cycle = sent(record)
    error = BacktestError("SimulationError", {}, {})
    for event in (Slot(4), Status("executedBlockTransactions"), SessionError(error), Slot(5)):
        cycle.observe(event)
        assert not record.done
    cycle.observe(READY)
    assert record.done
    assert (record.slots, record.statuses, record.errors) == ([4, 5], ["executedBlockTransactions"], [error])
    cycle.observe(Slot(6))
    assert record.slots == [4, 5]


def test_a_step_that_pauses_and_one_that_completes() -> None:
    record = StepRecord()
    sent(record).observe(Paused(5, 1, {}))
    assert record.done
    assert record.paused == Paused(5, 1, {})
    record = StepRecord()
    sent(record).finish(Completed(None, None))
    assert record.done
    assert record.completed == Completed(None, None)


def test_a_session_that_fails_does_not_finish_the_step() -> None:
    record = StepRecord()
    sent(record).finish()
    assert not record.done


def test_events_before_the_continue_was_sent_are_not_its_work() -> None:
    record = StepRecord()
    cycle = ContinueCycle()
    cycle.observe(Paused(5, 1, {}))
    cycle.submit(b"", record)
    cycle.observe(READY)  # belongs to the pause
    assert not record.done
    cycle.take()
    cycle.observe(Slot(5))
    cycle.observe(READY)
    assert record.done
    assert record.slots == [5]


def test_a_forgotten_record_gets_nothing_more() -> None:
    record = StepRecord()
    cycle = sent(record)
    assert cycle.watching
    cycle.observe(Slot(3))
    cycle.forget(record)
    assert not cycle.watching
    cycle.observe(Slot(4))
    assert record.slots == [3]
    cycle.observe(READY)
    assert cycle.is_ready
