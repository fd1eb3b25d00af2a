"""The life of one continue: every way it can go, with and without a lost connection."""

from __future__ import annotations

import pytest

from simsync.events import (
    BacktestError,
    DiscoveryBatch,
    Event,
    Paused,
    ReadyForContinue,
    SessionError,
    Slot,
    Status,
    UnknownEvent,
)
from simsync.protocol.continue_cycle import ContinueCycle, CycleState

READY = ReadyForContinue()
PAUSED = Paused(5, 2, {})
REFUSED = SessionError(BacktestError("InvalidTransactionEncoding", {"index": 0}, {}))
DISCOVERY = DiscoveryBatch(9, 0, (), (), {})


def ready_cycle() -> ContinueCycle:
    cycle = ContinueCycle()
    cycle.observe(READY)
    return cycle


def sent_cycle() -> ContinueCycle:
    cycle = ready_cycle()
    cycle.submit(b"continue")
    assert cycle.take()
    return cycle


def test_of_the_slots_that_a_waiting_session_sends_only_the_first_is_looked_at() -> None:
    cycle = ready_cycle()
    assert cycle.watching
    cycle.observe(Slot(1))
    assert not cycle.watching
    assert cycle.observe(READY)  # slots came since it was ready, so this is another stop
    assert cycle.watching


def test_a_session_is_not_ready_before_it_says_so() -> None:
    cycle = ContinueCycle()
    cycle.observe(Status("startingRuntime"))
    cycle.observe(Slot(1))
    assert cycle.state is CycleState.STARTING
    cycle.observe(READY)
    assert cycle.is_ready


def test_a_continue_is_outstanding_until_the_engine_waits_again() -> None:
    cycle = ready_cycle()
    cycle.submit(b"continue")
    assert cycle.is_outstanding
    assert cycle.take()
    assert cycle.is_outstanding
    cycle.observe(Slot(2))
    assert cycle.state is CycleState.RUNNING
    assert cycle.is_outstanding
    cycle.observe(READY)
    assert cycle.is_ready
    assert not cycle.is_outstanding


def test_the_answer_may_come_before_any_slot() -> None:
    cycle = sent_cycle()
    cycle.observe(READY)
    assert cycle.is_ready


def test_a_continue_that_was_not_wholly_written_goes_back() -> None:
    cycle = sent_cycle()
    assert cycle.put_back()
    cycle.connection_lost()
    assert cycle.state is CycleState.QUEUED
    assert cycle.take()


def test_a_continue_that_events_have_proven_does_not_go_back() -> None:
    cycle = sent_cycle()
    cycle.observe(Slot(2))
    assert not cycle.put_back()
    assert cycle.state is CycleState.RUNNING


def test_a_written_continue_is_uncertain_when_the_connection_is_lost() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    assert cycle.state is CycleState.UNCERTAIN
    assert not cycle.take()


def test_an_event_of_the_replay_proves_that_it_arrived() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.observe(Slot(2))
    assert cycle.state is CycleState.RUNNING


UNHEARD_OF = SessionError(BacktestError("EngineOnHoliday", {}, {}))


@pytest.mark.parametrize("before", [[], [Status("decodedTransactions")]])
@pytest.mark.parametrize("lost", [False, True])
def test_an_error_straight_behind_a_continue_is_its_answer(lost: bool, before: list[Event]) -> None:
    """Whatever its name: nothing else may ever come. A ready that follows answers no later continue."""
    cycle = sent_cycle()
    for event in before:
        cycle.observe(event)
    if lost:
        cycle.connection_lost()
    assert cycle.watching
    cycle.observe(UNHEARD_OF)
    assert cycle.is_ready
    cycle.submit(b"next")
    cycle.take()
    cycle.observe(READY)
    assert not cycle.is_ready
    if lost:
        cycle.observe(Slot(2))  # a server that takes a session up again may say ready more than once
    cycle.observe(READY)
    assert cycle.is_ready


@pytest.mark.parametrize("first", [Slot(2), SessionError(BacktestError("SimulationError", {}, {}))])
def test_an_error_of_an_engine_at_work_is_no_answer(first: Event) -> None:
    cycle = sent_cycle()
    cycle.observe(Status("executingBlockTransactions"))
    cycle.observe(first)
    assert cycle.state is CycleState.RUNNING
    if isinstance(first, Slot):
        cycle.observe(UNHEARD_OF)
        assert cycle.state is CycleState.RUNNING


@pytest.mark.parametrize("event", [DISCOVERY, UnknownEvent("news", {}), Status("startingRuntime"), READY])
def test_events_that_come_by_themselves_prove_nothing(event: Event) -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.observe(event)
    assert cycle.state is CycleState.UNCERTAIN


def test_a_proof_may_come_while_the_session_is_being_asked() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.ask()
    cycle.observe(Slot(2))
    assert cycle.state is CycleState.RUNNING


def test_each_inquiry_has_its_own_number() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    first = cycle.ask()
    cycle.connection_lost()
    assert cycle.state is CycleState.UNCERTAIN
    assert cycle.ask() == first + 1


def test_a_running_continue_stays_proven_when_the_connection_is_lost() -> None:
    cycle = sent_cycle()
    cycle.observe(Slot(2))
    cycle.connection_lost()
    assert cycle.state is CycleState.RUNNING


@pytest.mark.parametrize("answer", [PAUSED, REFUSED])
def test_a_pause_and_a_refusal_let_the_next_continue_go(answer: Event) -> None:
    cycle = sent_cycle()
    cycle.observe(answer)
    assert cycle.is_ready


@pytest.mark.parametrize("answer", [PAUSED, REFUSED])
def test_a_ready_that_belongs_to_the_pause_does_not_answer_the_next_continue(answer: Event) -> None:
    cycle = sent_cycle()
    cycle.observe(answer)
    cycle.submit(b"next")
    cycle.take()
    cycle.observe(READY)
    assert cycle.is_outstanding
    cycle.observe(Slot(6))
    cycle.observe(READY)
    assert cycle.is_ready


def test_after_a_pause_without_a_ready_of_its_own_the_ready_answers() -> None:
    cycle = sent_cycle()
    cycle.observe(PAUSED)
    cycle.submit(b"next")
    cycle.take()
    cycle.observe(Slot(6))
    cycle.observe(READY)
    assert cycle.is_ready


def test_a_ready_before_the_next_continue_uses_the_pause_up() -> None:
    cycle = sent_cycle()
    cycle.observe(PAUSED)
    cycle.observe(READY)
    cycle.submit(b"next")
    cycle.take()
    cycle.observe(READY)
    assert cycle.is_ready


def test_nothing_is_sent_for_a_finished_session() -> None:
    cycle = ready_cycle()
    cycle.submit(b"continue")
    cycle.finish()
    assert not cycle.take()
    cycle.observe(READY)
    assert cycle.state is CycleState.FINISHED


def test_the_receiving_loop_is_asked_to_show_slots_only_where_they_matter() -> None:
    cycle = ContinueCycle()
    assert not cycle.watching
    cycle.observe(READY)
    assert cycle.watching
    cycle.submit(b"continue")
    cycle.take()
    assert cycle.watching
    cycle.observe(Slot(2))
    assert not cycle.watching
    cycle.observe(PAUSED)
    assert cycle.watching


def test_a_ready_that_repeats_that_the_engine_waits_is_not_for_the_caller() -> None:
    cycle = ContinueCycle()
    assert cycle.observe(READY)
    assert not cycle.observe(READY)
    cycle.connection_lost()
    assert not cycle.observe(READY)
    cycle.submit(b"continue")
    assert not cycle.observe(READY)
    cycle.take()
    assert not cycle.observe(READY)
    assert cycle.state is CycleState.SENT
    assert cycle.observe(Slot(2))
    assert cycle.observe(READY)
    assert not cycle.observe(READY)


def test_a_ready_behind_a_gap_is_for_the_caller() -> None:
    cycle = ready_cycle()
    cycle.connection_lost()
    cycle.events_are_missing()
    assert cycle.observe(READY)


def test_the_one_ready_behind_a_pause_is_for_the_caller() -> None:
    cycle = sent_cycle()
    assert cycle.observe(PAUSED)
    assert cycle.observe(READY)
    assert not cycle.observe(READY)


def test_a_ready_that_is_said_again_after_a_re_attach_answers_no_continue() -> None:
    cycle = ready_cycle()
    cycle.connection_lost()
    cycle.submit(b"continue")
    cycle.take()
    cycle.observe(READY)
    assert cycle.state is CycleState.SENT
    cycle.observe(Slot(2))
    cycle.observe(READY)
    assert cycle.is_ready


def test_a_ready_with_no_slot_before_it_does_not_answer_a_lost_continue_that_arrived() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.observe(READY)
    cycle.ask()
    cycle.arrived()
    assert cycle.state is CycleState.RUNNING
    cycle.observe(Slot(2))
    cycle.observe(READY)
    assert cycle.is_ready


def test_a_ready_behind_missing_events_counts_once_the_inquiry_says_that_the_continue_arrived() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.events_are_missing()
    cycle.observe(READY)
    assert cycle.state is CycleState.UNCERTAIN
    cycle.ask()
    cycle.arrived()
    assert cycle.is_ready


def test_a_ready_behind_missing_events_is_not_forgotten_with_the_next_connection() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.events_are_missing()
    cycle.observe(READY)
    cycle.connection_lost()
    cycle.ask()
    cycle.arrived()
    assert cycle.is_ready


def test_a_ready_may_be_said_again_after_each_of_several_re_attaches() -> None:
    cycle = ready_cycle()
    cycle.connection_lost()
    cycle.submit(b"continue")
    cycle.connection_lost()
    cycle.take()
    cycle.observe(READY)
    cycle.observe(READY)
    assert cycle.state is CycleState.SENT


def test_a_ready_that_is_said_again_behind_the_answer_does_not_answer_the_next_continue() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.ask()
    cycle.arrived()
    cycle.connection_lost()
    cycle.observe(Slot(2))
    cycle.observe(READY)
    cycle.submit(b"next")
    cycle.take()
    cycle.observe(READY)
    assert cycle.state is CycleState.SENT


def test_a_status_that_is_said_again_after_a_re_attach_is_no_proof_of_the_next_continue() -> None:
    cycle = ready_cycle()
    cycle.connection_lost()
    cycle.submit(b"continue")
    cycle.take()
    cycle.observe(Status("startingRuntime"))
    cycle.connection_lost()
    assert cycle.state is CycleState.UNCERTAIN


def test_nothing_is_said_again_behind_a_slot_of_the_same_connection() -> None:
    cycle = ready_cycle()
    cycle.connection_lost()
    cycle.submit(b"continue")
    cycle.take()
    cycle.observe(Slot(2))
    assert not cycle.watching
    cycle.observe(READY)
    cycle.submit(b"next")
    cycle.take()
    cycle.observe(READY)
    assert cycle.is_ready


def test_a_ready_behind_a_lost_continue_does_not_keep_it_from_being_sent_again() -> None:
    cycle = sent_cycle()
    cycle.connection_lost()
    cycle.observe(READY)
    cycle.ask()
    cycle.send_again()
    assert cycle.take()
