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
from simsync.protocol.continue_cycle import ContinueCycle, Step
from simsync.protocol.session_state import SessionState
from simsync.sessions.results import StepResult

READY = ReadyForContinue()


def match(slot: int, batch_index: int | None) -> DiscoveryBatch:
    return DiscoveryBatch(slot, batch_index, (), (), {})


def state_with(*matches: DiscoveryBatch) -> SessionState:
    state = SessionState("backtest_a")
    for one in matches:
        state.note_position(one)
    return state


def test_the_nearest_match_comes_first_whatever_the_order_of_the_announcements() -> None:
    state = state_with(match(9, 1), match(5, 2), match(5, None), match(9, 0))
    taken = [state.take_discovery()[0] for _ in range(5)]
    assert [(one.slot, one.batch_index) if one else None for one in taken] == [(5, None), (5, 2), (9, 0), (9, 1), None]


def test_a_match_in_an_executed_slot_was_passed() -> None:
    state = state_with(match(3, 0), match(5, 0))
    state.highest_slot = 3
    nearest, passed = state.take_discovery()
    assert nearest is not None
    assert (nearest.slot, passed) == (5, 1)
    assert state.take_discovery() == (None, 0)


def test_the_batch_before_which_the_session_stands_is_not_ahead() -> None:
    state = state_with(match(5, 1), match(5, 2), match(5, 3))
    state.note_position(Paused(5, 2, {}))
    nearest, _passed = state.take_discovery()
    assert nearest == match(5, 3)


def test_what_was_passed_is_counted_once_whenever_it_is_noticed() -> None:
    state = state_with(match(1, 0), match(2, 0))
    state.highest_slot = 10
    state.note_position(match(12, 0))
    assert state.take_discovery() == (match(12, 0), 2)
    state.note_position(match(11, 0))
    state.note_position(Paused(12, 0, {}))
    assert state.take_discovery() == (None, 1)


def test_a_match_that_is_announced_twice_is_one() -> None:
    state = state_with(match(5, 1), match(5, 1))
    assert state.take_discovery() == (match(5, 1), 0)
    assert state.take_discovery() == (None, 0)


def result(step: Step) -> StepResult:
    return StepResult.of(step.events)


def sent(step: Step) -> ContinueCycle:
    cycle = ContinueCycle()
    cycle.observe(READY)
    cycle.submit(b"", step)
    cycle.take()
    return cycle


def test_a_step_holds_what_its_continue_caused() -> None:
    step = Step()
    cycle = sent(step)
    error = BacktestError("SimulationError", {}, {})
    for event in (Slot(4), Status("executedBlockTransactions"), SessionError(error), Slot(5)):
        cycle.observe(event)
        assert not step.done
    cycle.observe(READY)
    assert step.done
    assert (result(step).slots, result(step).statuses, result(step).errors) == (
        (4, 5),
        ("executedBlockTransactions",),
        (error,),
    )
    cycle.observe(Slot(6))
    assert result(step).slots == (4, 5)


def test_a_step_that_pauses_and_one_that_completes() -> None:
    step = Step()
    sent(step).observe(Paused(5, 1, {}))
    assert step.done
    assert result(step).paused == Paused(5, 1, {})
    step = Step()
    sent(step).finish(Completed(None, None))
    assert step.done
    assert result(step).completed


def test_a_session_that_fails_does_not_finish_the_step() -> None:
    step = Step()
    sent(step).finish()
    assert not step.done


def test_events_before_the_continue_was_sent_are_not_its_work() -> None:
    step = Step()
    cycle = ContinueCycle()
    cycle.observe(Paused(5, 1, {}))
    cycle.submit(b"", step)
    cycle.observe(READY)  # belongs to the pause
    assert not step.done
    cycle.take()
    cycle.observe(Slot(5))
    cycle.observe(READY)
    assert step.done
    assert result(step).slots == (5,)


def test_an_abandoned_step_gets_nothing_more() -> None:
    step = Step()
    cycle = sent(step)
    assert cycle.watching
    cycle.observe(Slot(3))
    cycle.abandon_step(step)
    assert not cycle.watching
    cycle.observe(Slot(4))
    assert result(step).slots == (3,)
    cycle.observe(READY)
    assert cycle.is_ready
