"""The parallel control conversation, fed with messages and time; no thread, no socket, no clock."""

from __future__ import annotations

import json

import pytest

from simsync.errors import ContinueSendError, ProtocolError, RemoteError
from simsync.events import Completed, ReadyForContinue, SessionError, Slot, UnknownEvent
from simsync.options import Options
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.control import Phase
from simsync.protocol.outcome import GiveUp, Reconnect
from simsync.protocol.parallel import ParallelProtocol

from .conversation_peer import (
    CONTROL,
    A,
    B,
    all_created,
    attached,
    conversation,
    created,
    delivered,
    established,
    event,
    message,
)
from .taking import take_events, take_numbered

READY = ReadyForContinue()


def fatal_reason(machine: ParallelProtocol) -> str:
    assert isinstance(machine.outcome, GiveUp)
    return machine.outcome.reason


# Creating.


def test_the_first_message_creates() -> None:
    request = json.loads(conversation().connected(0.0))
    assert request["method"] == "createBacktestSession"
    assert request["params"]["parallel"] is True


def test_a_create_ends_with_the_ranges() -> None:
    machine = established()
    assert machine.phase is Phase.STEADY
    assert machine.control_session_id == CONTROL
    assert [(state.session_id, state.start_slot, state.end_slot) for state in machine.sessions.values()] == [
        (A, 1, 10),
        (B, 11, 20),
    ]


def test_events_during_the_create_are_kept_and_delivered_after_it() -> None:
    machine = conversation()
    machine.connected(0.0)
    assert machine.receive([created(A), event(A, 1, "slotNotification", 1)], 0.0) == []
    assert machine.receive([event(B, 1, "readyForContinue")], 0.0) == []  # before it was announced
    sessions = machine.receive([created(B), all_created()], 0.0)
    assert {state.session_id: take_events(state) for state in sessions} == {A: [Slot(1)], B: [READY]}


def test_the_order_of_the_sub_sessions_is_that_of_the_list() -> None:
    machine = conversation()
    machine.connected(0.0)
    machine.receive([created(B), created(A), all_created()], 0.0)
    assert list(machine.sessions) == [A, B]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (all_created(starts=(1,)), "too old"),
        (all_created(ends=()), "too old"),
        (all_created(starts=(1, "x")), "too old"),  # type: ignore[arg-type]
        (message("sessionsCreated", {"session_ids": [A, B]}), "too old"),
        (all_created(ids=(), starts=(), ends=()), "no sub-session"),
        (all_created(ids=(A, "backtest_x")), "not the same"),
        (all_created(ids=(A, A)), "not the same"),
        (all_created(ids=(A,), starts=(1,), ends=(10,)), "not the same"),
        (all_created(starts=(1, 21)), "the slots 21 to 20"),
        (all_created(starts=(-1, 11)), "the slots -1 to 10"),
        (message("error", {"bundleNotFound": {"start_slot": 1, "end_slot": 20}}), "BundleNotFound"),
        (message("error", {"internal": {"error": "out of luck"}}), "out of luck"),
    ],
)
def test_a_create_that_makes_no_sense_or_is_refused_is_fatal(last: bytes, reason: str) -> None:
    machine = conversation()
    machine.connected(0.0)
    machine.receive([created(A), created(B), last], 0.0)
    assert reason in fatal_reason(machine)


def test_a_failed_create_attempt_leaves_nothing_behind() -> None:
    machine = conversation()
    machine.connected(0.0)
    machine.receive([created("backtest_old"), event("backtest_old", 7, "readyForContinue")], 0.0)
    machine.lost()
    assert json.loads(machine.connected(1.0))["method"] == "createBacktestSession"
    machine.receive([created(A), created(B), all_created()], 1.0)
    assert list(machine.sessions) == [A, B]
    events = delivered(machine, [event(A, 1, "completed"), event(B, 1, "completed")])
    assert set(events) == {A, B}
    assert machine.all_ended


def test_each_message_of_a_create_renews_its_deadline() -> None:
    machine = conversation(Options(create_timeout=10.0))
    machine.connected(0.0)
    machine.receive([created(A)], 9.0)
    machine.tick(15.0)
    assert machine.outcome is None
    machine.tick(19.0)
    assert isinstance(machine.outcome, Reconnect)


def test_unknown_messages_do_not_cost_the_connection_while_creating() -> None:
    machine = conversation()
    machine.connected(0.0)
    machine.receive([message("sessionFlavour", {"x": 1}), message("status", {"status": "preparingBundle"})], 0.0)
    assert machine.outcome is None
    assert machine.skipped.total == 1


@pytest.mark.parametrize("junk", [b"<html>", b"\xff\xfe{}"])
def test_a_frame_that_cannot_be_read_costs_one_connection_per_position(junk: bytes) -> None:
    steady = established()
    for position in (1, 2):
        delivered(steady, [event(A, position, "slotNotification", position)])
        steady.receive([junk], 0.0)
        assert isinstance(steady.outcome, Reconnect)
        for _ in range(3):
            steady.lost()
            steady.connected(0.0)
            steady.receive([junk, attached(), junk], 0.0)
            assert steady.outcome is None
            assert steady.phase is Phase.STEADY
    assert steady.skipped.total == 14
    assert steady.unreadable.skipped == 12


def test_a_frame_that_cannot_be_read_while_creating_costs_no_second_create() -> None:
    """Events that came before may be missing: one attach brings them."""
    machine = conversation()
    machine.connected(0.0)
    machine.receive([b"<html>", created(A), created(B)], 0.0)
    assert machine.outcome is None
    machine.receive([all_created()], 0.0)
    assert isinstance(machine.outcome, Reconnect)
    machine.lost()
    assert json.loads(machine.connected(1.0))["method"] == "attachParallelControlSessionV2"
    machine.receive([attached(), b"<html>"], 1.0)
    assert machine.outcome is None
    assert machine.unreadable.skipped == 2


def test_an_answer_to_the_create_that_cannot_be_read_ends_the_attempt_for_good() -> None:
    machine = conversation(Options(create_timeout=5.0))
    machine.connected(0.0)
    machine.receive([created(A), b"<html>"], 0.0)
    machine.tick(6.0)
    assert "its answer was among the frames that are not JSON" in fatal_reason(machine)


def test_text_that_is_no_json_is_skipped_where_nothing_could_be_attached_again() -> None:
    steady = established()
    steady.survives_loss = False
    steady.receive([b"<html>"], 0.0)
    assert steady.outcome is None


# Re-attaching.


def test_a_re_attach_sends_the_cursors_of_sessions_that_were_heard_of() -> None:
    machine = established()
    delivered(machine, [event(A, 4, "readyForContinue"), event(A, 5, "slotNotification", 2)])
    machine.lost()
    request = json.loads(machine.connected(2.0))
    assert request == {
        "method": "attachParallelControlSessionV2",
        "params": {"control_session_id": CONTROL, "last_sequences": {A: 5}},
    }
    assert machine.phase is Phase.ATTACHING


@pytest.mark.parametrize("replay_first", [False, True])
def test_what_is_replayed_is_delivered_once(replay_first: bool) -> None:
    machine = established()
    before = [event(A, 1, "readyForContinue"), event(A, 2, "slotNotification", 2)]
    missed = [event(A, 3, "slotNotification", 3), event(B, 1, "readyForContinue")]
    assert delivered(machine, before) == {A: [READY, Slot(2)]}
    machine.lost()
    machine.connected(2.0)
    replay = before + missed
    events = delivered(machine, [*replay, attached()] if replay_first else [attached(), *replay])
    assert events == {A: [Slot(3)], B: [READY]}
    assert machine.phase is Phase.STEADY
    assert machine.sessions[A].replays_dropped == 2


@pytest.mark.parametrize("answer", [[attached()], []], ids=["answered", "not answered"])
def test_the_last_completed_may_come_inside_the_handshake(answer: list[bytes]) -> None:
    machine = established()
    delivered(machine, [event(A, 1, "completed")])
    machine.lost()
    machine.connected(2.0)
    delivered(machine, [event(B, 1, "completed"), *answer])
    assert machine.all_ended
    machine.release(A)
    machine.release(B)
    assert machine.is_finished


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"sessionNotFound": {"session_id": CONTROL}}, GiveUp),
        ({"sessionOwnershipBusy": {"reason": "moving"}}, Reconnect),
        ("somethingElse", Reconnect),
    ],
)
def test_a_refused_re_attach_is_tried_again_unless_it_is_hopeless(error: object, kind: type) -> None:
    machine = established()
    machine.lost()
    machine.connected(2.0)
    machine.receive([message("error", error)], 2.0)
    assert isinstance(machine.outcome, kind)


def test_junk_does_not_renew_the_deadline_of_a_re_attach() -> None:
    machine = established(Options(handshake_timeout=10.0))
    machine.lost()
    machine.connected(2.0)
    machine.receive([message("status", {"status": "thinking"})], 11.0)
    machine.tick(12.0)
    assert isinstance(machine.outcome, Reconnect)


# Events.


def test_events_go_to_their_session_in_order() -> None:
    machine = established()
    events = delivered(
        machine,
        [
            event(A, 1, "readyForContinue"),
            event(B, 1, "slotNotification", 11),
            event(A, 2, "slotNotification", 2),
            event(B, 2, "slotNotification", 12),
        ],
    )
    assert events == {A: [READY, Slot(2)], B: [Slot(11), Slot(12)]}


def test_acknowledgements_and_simulation_errors_move_the_cursor_and_nothing_else() -> None:
    machine = established()
    events = delivered(
        machine,
        [event(A, 1, "success"), event(A, 2, "error", {"simulationError": {"error": "odd"}})],
    )
    assert events == {}
    assert machine.sessions[A].cursor == 2


def test_a_jump_in_the_sequence_is_counted() -> None:
    machine = established()
    events = delivered(machine, [event(A, 5, "readyForContinue"), event(A, 9, "slotNotification", 2)])
    assert events == {A: [READY, Slot(2)]}
    assert machine.sessions[A].sequence_gaps == 3
    assert machine.sessions[A].failure is None


def test_numbers_may_begin_with_zero() -> None:
    machine = established()
    machine.receive([event(A, 0, "slotNotification", 1), event(A, 1, "readyForContinue")], 1.0)
    assert take_numbered(machine.sessions[A]) == [(Slot(1), 0), (READY, 1)]
    assert machine.sessions[A].sequence_gaps == 0


def test_behind_a_jump_a_ready_answers_a_continue_although_no_slot_came() -> None:
    machine = continued()
    ((state, inquiry),) = machine.tick(100.0)
    delivered(machine, [event(A, 4, "readyForContinue")], now=100.0)
    assert not machine.answer_inquiry(state, inquiry, slot=2)
    assert state.cycle.is_ready


def test_a_jump_fails_the_session_when_sequences_are_strict() -> None:
    machine = established(Options(strict_sequence=True))
    delivered(machine, [event(A, 5, "readyForContinue"), event(A, 9, "slotNotification", 2)])
    assert isinstance(machine.sessions[A].failure, ProtocolError)
    assert machine.sessions[B].failure is None


def test_a_terminal_error_ends_its_session_only() -> None:
    machine = established()
    events = delivered(machine, [event(A, 1, "error", {"advanceSlotFailed": {"slot": 3, "error": "frozen"}})])
    assert isinstance(events[A][0], SessionError)
    assert isinstance(machine.sessions[A].failure, RemoteError)
    assert machine.outcome is None
    assert delivered(machine, [event(A, 2, "slotNotification", 4), event(B, 1, "readyForContinue")]) == {B: [READY]}


def test_an_error_of_no_session_ends_everything_only_if_it_is_terminal() -> None:
    machine = established()
    machine.receive([message("error", {"internal": {"error": "hiccup"}})], 1.0)
    assert machine.outcome is None
    machine.receive([message("error", "sessionOwnerMismatch")], 1.0)
    assert "SessionOwnerMismatch" in fatal_reason(machine)


def test_a_number_below_all_numbers_is_no_repetition() -> None:
    machine = established()
    delivered(machine, [event(A, -1, "readyForContinue"), event(A, 1, "readyForContinue")])
    assert machine.sessions[A].sequence_gaps == 1


def test_an_event_that_the_first_one_overtook_is_missing() -> None:
    machine = established()
    delivered(machine, [event(A, 2, "slotNotification", 1), event(A, 1, "readyForContinue")])
    assert machine.sessions[A].sequence_gaps == 1
    delivered(machine, [event(A, 1, "readyForContinue"), event(A, 2, "slotNotification", 1)])
    assert machine.sessions[A].sequence_gaps == 1


@pytest.mark.parametrize(
    "new",
    [
        event(A, 2, "slotNotification", 6),
        event(A, 2, "paused", {"slot": 6}),
        event(A, 2, "completed", {"summary": None}),
    ],
)
def test_numbers_that_start_over_behind_an_attach_fail_their_session(new: bytes) -> None:
    machine = established()
    delivered(machine, [event(A, number, "slotNotification", number) for number in range(1, 6)])
    machine.lost()
    machine.connected(2.0)
    delivered(
        machine, [attached(), event(A, 1, "status", {"status": "again"}), event(A, 2, "slotNotification", 2)], 2.0
    )
    assert machine.sessions[A].failure is None
    (state,) = machine.receive([new], 2.0)
    assert isinstance(state.failure, ProtocolError)
    assert "event 2 is new, but comes after event 5: the server started the numbers over" in str(state.failure)
    assert machine.sessions[B].failure is None


def test_unknown_kinds_reach_the_caller_raw() -> None:
    machine = established()
    events = delivered(machine, [event(A, 1, "weather", {"sky": "blue"})])
    assert events == {A: [UnknownEvent("weather", {"sky": "blue"})]}


def test_unknown_sessions_are_counted_not_created() -> None:
    machine = established()
    assert delivered(machine, [event("backtest_x", 1, "readyForContinue")]) == {}
    assert list(machine.sessions) == [A, B]
    assert machine.skipped.total == 1


def test_nothing_is_delivered_after_completed() -> None:
    machine = established()
    events = delivered(machine, [event(A, 1, "completed"), event(A, 2, "slotNotification", 3)])
    assert [type(item) for item in events[A]] == [Completed]
    assert machine.skipped.total == 1


def test_slots_are_counted_by_the_highest_seen() -> None:
    machine = established()
    numbers = [1, 1, 2, 4]
    delivered(machine, [event(A, index, "slotNotification", slot) for index, slot in enumerate(numbers, start=1)])
    state = machine.sessions[A]
    assert (state.highest_slot, state.slots_seen) == (4, 3)


def test_events_before_a_fatal_error_are_still_delivered() -> None:
    machine = established()
    payloads = [
        event(A, 1, "slotNotification", 1),
        message("error", "noMoreBlocks"),
        event(A, 2, "slotNotification", 2),
    ]
    (state,) = machine.receive(payloads, 1.0)
    assert take_events(state) == [Slot(1)]
    assert isinstance(machine.outcome, GiveUp)


# Continues and lost connections.


def continued(options: Options | None = None) -> ParallelProtocol:
    """A continue of A was written, then the connection was lost and re-attached at time 10."""
    machine = established(options)
    delivered(machine, [event(A, 1, "slotNotification", 1), event(A, 2, "readyForContinue")])
    machine.sessions[A].cycle.submit(b"continue")
    machine.sessions[A].cycle.take()
    machine.lost()
    machine.connected(9.0)
    delivered(machine, [attached()], now=10.0)
    return machine


def test_an_event_of_the_replay_settles_a_continue() -> None:
    machine = continued()
    delivered(machine, [event(A, 3, "slotNotification", 2)], now=10.5)
    assert machine.tick(100.0) == []
    assert machine.sessions[A].cycle.state is CycleState.RUNNING


def test_without_a_proof_the_session_is_asked_when_the_grace_is_over() -> None:
    machine = continued(Options(continue_grace=5.0))
    assert machine.next_deadline == 15.0
    assert machine.tick(14.9) == []
    assert [(state.session_id, inquiry) for state, inquiry in machine.tick(15.0)] == [(A, 1)]
    assert machine.next_deadline is None


def test_a_session_that_moved_has_got_its_continue() -> None:
    machine = continued()
    ((state, inquiry),) = machine.tick(100.0)
    assert not machine.answer_inquiry(state, inquiry, slot=2)
    assert state.cycle.state is CycleState.RUNNING


def test_a_session_that_did_not_move_gets_its_continue_again() -> None:
    machine = continued()
    ((state, inquiry),) = machine.tick(100.0)
    assert machine.answer_inquiry(state, inquiry, slot=1)
    assert state.cycle.state is CycleState.QUEUED
    assert state.cycle.resent == 1


def test_a_session_paused_inside_a_slot_has_not_moved_by_that() -> None:
    machine = established()
    delivered(machine, [event(A, 1, "slotNotification", 4), event(A, 2, "paused", {"slot": 5, "batchIndex": 1})])
    state = machine.sessions[A]
    state.cycle.submit(b"continue")
    state.cycle.take()
    machine.lost()
    machine.connected(9.0)
    delivered(machine, [attached()], now=10.0)
    ((_route, inquiry),) = machine.tick(100.0)
    assert machine.answer_inquiry(state, inquiry, slot=5)


def test_sending_again_can_be_refused() -> None:
    machine = continued(Options(resend_continue=False))
    ((state, inquiry),) = machine.tick(100.0)
    assert not machine.answer_inquiry(state, inquiry, slot=1)
    assert [failed.session_id for failed in machine.receive([], 100.0)] == [A]
    assert isinstance(state.failure, ContinueSendError)


def test_a_session_that_cannot_be_asked_fails_instead_of_hanging() -> None:
    machine = continued()
    ((state, inquiry),) = machine.tick(100.0)
    assert not machine.answer_inquiry(state, inquiry, slot=None)
    assert isinstance(state.failure, ContinueSendError)


def test_a_late_answer_is_no_answer() -> None:
    machine = continued()
    ((state, inquiry),) = machine.tick(100.0)
    machine.lost()
    machine.connected(101.0)
    delivered(machine, [attached()], now=102.0)
    ((_route, second),) = machine.tick(200.0)
    assert not machine.answer_inquiry(state, inquiry, slot=1)
    assert state.cycle.state is CycleState.ASKING
    assert machine.answer_inquiry(state, second, slot=1)


# The end.


def test_it_is_finished_when_every_caller_has_let_go_or_failed() -> None:
    machine = established()
    assert not machine.is_finished
    delivered(machine, [event(A, 1, "completed")])
    assert not machine.is_finished
    machine.release(A)
    assert not machine.is_finished
    delivered(machine, [event(B, 1, "error", "noMoreBlocks")])
    assert machine.is_finished


def test_a_released_session_is_deaf() -> None:
    machine = established()
    machine.release(A)
    assert delivered(machine, [event(A, 1, "slotNotification", 1)]) == {}


def test_errors_while_closing_are_not_failures() -> None:
    machine = established()
    assert json.loads(machine.close_request())["method"] == "closeBacktestSession"
    machine.receive([message("error", "sessionNotFound"), message("success")], 1.0)
    assert machine.outcome is None
    assert machine.close_acknowledged
