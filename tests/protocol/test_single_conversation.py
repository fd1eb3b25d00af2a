"""The control conversation of a single session, fed with messages and time; no thread, no socket, no clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simsync.errors import ProtocolError, RemoteError
from simsync.events import (
    Completed,
    Created,
    DiscoveryBatch,
    Event,
    Paused,
    ReadyForContinue,
    SessionError,
    Slot,
    Status,
)
from simsync.options import Options
from simsync.params import Continue, ContinueTo, CreateSession
from simsync.protocol.control import Phase
from simsync.protocol.outcome import GiveUp, Reconnect
from simsync.protocol.session_state import SessionState
from simsync.protocol.single import SingleProtocol
from simsync.runtime.event_queue import EventQueue, ReadyQueues
from simsync.wire import requests

from .taking import take_events, take_numbered

ID = "backtest_a"
READY = ReadyForContinue()
GRACE = Options().continue_grace


def message(method: str, params: Any = None, sequence: int | None = None) -> bytes:
    envelope: dict[str, Any] = {"method": method, "params": params}
    return json.dumps(envelope if sequence is None else {"seqId": sequence, **envelope}).encode()


def created(sequence: int | None = 1) -> bytes:
    return message("sessionCreated", {"session_id": ID, "rpc_endpoint": "/backtest/x", "task_id": "t"}, sequence)


def attached(sequence: int | None = None) -> bytes:
    return message("sessionAttached", {"session_id": ID, "rpc_endpoint": "/backtest/x"}, sequence)


def slot(number: int, sequence: int | None) -> bytes:
    return message("slotNotification", number, sequence)


def ready(sequence: int | None) -> bytes:
    return message("readyForContinue", None, sequence)


def established(options: Options | None = None, **create: Any) -> SingleProtocol:
    machine = SingleProtocol(options or Options(), CreateSession(1, 9, **create))
    machine.connected(0.0)
    machine.receive([created()], 0.0)
    return machine


def attaching(last_sequence: int | None, options: Options | None = None) -> SingleProtocol:
    machine = SingleProtocol(options or Options(), None, ID, last_sequence)
    machine.connected(0.0)
    return machine


def resumed(last_sequence: int | None, *replayed: bytes, options: Options | None = None) -> SingleProtocol:
    """Attached from another process, with what the server sends again."""
    machine = attaching(last_sequence, options)
    machine.receive([attached(), *replayed, message("success")], 0.0)
    return machine


def state_of(machine: SingleProtocol) -> SessionState:
    return machine.sessions[ID]


def delivered(machine: SingleProtocol, *payloads: bytes) -> list[Event]:
    events: list[Event] = []
    for payload in payloads:
        for state in machine.receive([payload], 1.0):
            events.extend(take_events(state))
    return events


# Creating.


def test_the_first_message_creates_a_session_that_is_not_parallel() -> None:
    request = json.loads(SingleProtocol(Options(), CreateSession(1, 9)).connected(0.0))
    assert request["method"] == "createBacktestSession"
    assert "parallel" not in request["params"]


# feature: create many sessions, with progress and task ids
def test_a_created_session_has_the_range_of_its_request() -> None:
    machine = established()
    state = state_of(machine)
    assert machine.phase is Phase.STEADY
    assert (state.start_slot, state.end_slot, state.range_known) == (1, 9, True)
    assert (state.rpc_endpoint, state.task_id) == ("/backtest/x", "t")
    assert machine.take_progress() == [Created(ID, "t")]


def test_a_status_before_the_session_is_there_is_progress_and_other_events_are_kept() -> None:
    machine = SingleProtocol(Options(), CreateSession(1, 9))
    machine.connected(0.0)
    assert machine.receive([message("status", {"status": "preparingBundle"}), slot(1, None)], 0.0) == []
    assert machine.take_progress() == [Status("preparingBundle")]
    assert delivered(machine, created(None)) == [Slot(1)]


def test_an_error_while_creating_is_final() -> None:
    machine = SingleProtocol(Options(), CreateSession(1, 9))
    machine.connected(0.0)
    machine.receive([message("error", {"bundleNotFound": {"start_slot": 1, "end_slot": 9}})], 0.0)
    assert isinstance(machine.outcome, GiveUp)
    assert "BundleNotFound" in machine.outcome.reason


def test_a_connection_lost_while_creating_creates_again() -> None:
    machine = SingleProtocol(Options(), CreateSession(1, 9))
    machine.connected(0.0)
    machine.lost()
    assert json.loads(machine.connected(1.0))["method"] == "createBacktestSession"


# Numbers.


def test_events_come_once_and_replays_are_dropped() -> None:
    machine = established()
    assert delivered(machine, slot(1, 2), ready(3), slot(1, 2), ready(3), slot(2, 4)) == [Slot(1), READY, Slot(2)]
    assert state_of(machine).replays_dropped == 2


def test_a_jump_is_counted_and_strict_sequence_makes_it_an_error() -> None:
    machine = established()
    delivered(machine, slot(1, 2), slot(2, 5))
    assert state_of(machine).sequence_gaps == 2
    strict = established(Options(strict_sequence=True))
    delivered(strict, slot(1, 2), slot(2, 5))
    assert isinstance(state_of(strict).failure, ProtocolError)


def test_a_session_without_numbers_works_but_does_not_survive_its_connection() -> None:
    machine = SingleProtocol(Options(), CreateSession(1, 9, disconnect_timeout=0))
    machine.connected(0.0)
    assert delivered(machine, created(None), slot(1, None), ready(None)) == [Slot(1), READY]
    assert not machine.survives_loss
    assert established().survives_loss


def test_which_event_has_which_number() -> None:
    machine = established()
    (state,) = machine.receive([slot(1, 2), message("success", None, 3), slot(2, 4), ready(7)], 1.0)
    assert take_numbered(state) == [(Slot(1), 2), (Slot(2), 4), (READY, 7)]


# Attaching again in the same process.


def test_a_lost_connection_attaches_with_the_cursor_and_resumes() -> None:
    machine = established()
    delivered(machine, slot(1, 2), ready(3))
    machine.lost()
    request = json.loads(machine.connected(1.0))
    assert request == {"method": "attachBacktestSession", "params": {"session_id": ID, "last_sequence": 3}}
    assert delivered(machine, attached(), ready(3), slot(2, 4)) == [Slot(2)]
    assert [json.loads(text) for text in machine.take_outgoing()] == [{"method": "resumeAttachedSession"}]
    assert machine.phase.value == "resuming"
    machine.receive([message("success")], 1.0)
    assert machine.phase is Phase.STEADY


def test_a_numbered_reply_is_no_gap_and_hides_no_event_with_a_lower_number() -> None:
    machine = established()
    delivered(machine, slot(1, 2))
    machine.lost()
    machine.connected(1.0)
    assert delivered(machine, attached(4), slot(2, 3), message("success", None, 5), slot(3, 6)) == [Slot(2), Slot(3)]
    assert state_of(machine).sequence_gaps == 0


def test_a_replay_from_before_a_numbered_reply_does_not_start_over() -> None:
    machine = established()
    machine.receive([ready(2)], 0.0)
    machine.lost()
    machine.connected(1.0)
    # The answer to the attach has number 3, so the next event seems to jump.
    (state,) = machine.receive([attached(3), message("success"), slot(1, 4)], 1.0)
    machine.receive([ready(2)], 1.0)
    assert state.failure is None
    assert take_events(state) == [READY, Slot(1)]


@pytest.mark.parametrize("strange", [message("novelty", {}, 3), attached(3), created(3)])
def test_a_numbered_message_that_is_no_event_is_no_gap(strange: bytes) -> None:
    machine = established(Options(strict_sequence=True))
    assert delivered(machine, slot(1, 2), strange, slot(2, 4)) == [Slot(1), Slot(2)]
    assert state_of(machine).sequence_gaps == 0
    assert state_of(machine).failure is None


def test_a_numbered_status_before_the_session_is_there_is_no_gap() -> None:
    machine = SingleProtocol(Options(strict_sequence=True), CreateSession(1, 9))
    machine.connected(0.0)
    found = message("discoveryBatch", {"slot": 9, "batchIndex": 1, "matched": [], "transactions": []}, 1)
    status = message("status", {"status": "preparingBundle"}, 2)
    assert [type(event) for event in delivered(machine, found, status, slot(1, 3), created(4), ready(5))] == [
        DiscoveryBatch,
        Slot,
        ReadyForContinue,
    ]
    assert state_of(machine).sequence_gaps == 0


def test_numbers_of_a_failed_create_do_not_hide_a_gap() -> None:
    machine = SingleProtocol(Options(), CreateSession(1, 9))
    machine.connected(0.0)
    machine.receive([message("novelty", {}, 3)], 0.0)
    machine.lost()
    machine.connected(1.0)
    delivered(machine, created(1), slot(1, 2), slot(2, 4))
    assert state_of(machine).sequence_gaps == 1


def test_numbers_may_begin_with_zero() -> None:
    machine = SingleProtocol(Options(), CreateSession(1, 9))
    machine.connected(0.0)
    machine.receive([created(None), slot(1, 0), ready(1)], 1.0)
    assert take_numbered(state_of(machine)) == [(Slot(1), 0), (READY, 1)]


def test_completed_inside_the_handshake_completes() -> None:
    machine = established()
    machine.lost()
    machine.connected(1.0)
    assert delivered(machine, message("completed", {"summary": None}, 2)) == [Completed(None, None)]
    assert machine.all_ended


@pytest.mark.parametrize(
    ("error", "outcome"), [("sessionNotFound", GiveUp), ({"sessionOwnershipBusy": {"reason": "moving"}}, Reconnect)]
)
def test_an_error_that_answers_the_attach(error: Any, outcome: type) -> None:
    machine = established()
    machine.lost()
    machine.connected(1.0)
    machine.receive([message("error", error)], 1.0)
    assert isinstance(machine.outcome, outcome)


def test_a_replayed_error_inside_the_handshake_is_an_event() -> None:
    machine = established()
    machine.lost()
    machine.connected(1.0)
    (event,) = delivered(machine, message("error", {"invalidTransactionFormat": {"index": 0, "error": "x"}}, 2))
    assert isinstance(event, SessionError)
    assert machine.outcome is None


@pytest.mark.parametrize("error", ["noMoreBlocks", {"simulationError": {"error": "bad"}}])
def test_an_error_that_was_delivered_before_does_not_refuse_the_attach(error: Any) -> None:
    machine = established()
    delivered(machine, message("error", {"simulationError": {"error": "bad"}}, 2), slot(1, 3))
    machine.lost()
    machine.connected(1.0)
    assert delivered(machine, message("error", error, 2), slot(1, 3), attached(), slot(2, 4)) == [Slot(2)]
    assert machine.outcome is None


# Errors of a session at work.


def test_an_error_is_an_event_and_a_terminal_one_ends_the_session() -> None:
    machine = established()
    (event,) = delivered(machine, message("error", {"simulationError": {"error": "bad"}}, 2))
    assert isinstance(event, SessionError)
    (last,) = delivered(machine, message("error", {"advanceSlotFailed": {"slot": 3, "error": "frozen"}}, 3))
    assert isinstance(last, SessionError)
    assert isinstance(state_of(machine).failure, RemoteError)
    assert machine.is_finished


# Attaching from another process.


def test_a_first_attach_asks_for_everything_and_later_ones_for_what_is_new() -> None:
    machine = SingleProtocol(Options(), None, ID, 57)
    assert json.loads(machine.connected(0.0))["params"] == {"session_id": ID}
    machine.receive([attached(), slot(3, 57), message("success")], 0.0)
    machine.lost()
    assert json.loads(machine.connected(1.0))["params"] == {"session_id": ID, "last_sequence": 57}


def test_a_replay_that_follows_the_success_is_waited_for() -> None:
    machine = resumed(5)
    assert not machine.is_settled
    assert machine.next_deadline == GRACE
    machine.receive([ready(5)], 0.1)
    machine.tick(GRACE)
    assert machine.is_settled
    assert state_of(machine).cycle.is_ready


def test_a_replay_that_never_comes_is_not_waited_for_for_ever() -> None:
    machine = resumed(5)
    machine.tick(GRACE)
    assert machine.is_settled


@pytest.mark.parametrize(
    "behind",
    [
        message("discoveryBatch", {"slot": 9, "batchIndex": 1, "matched": [], "transactions": []}, 6),
        message("status", {"status": "startingRuntime"}, 6),
        message("error", {"simulationError": {"error": "bad"}}, 6),
    ],
)
def test_an_engine_that_waits_is_found_behind_what_proves_nothing(behind: bytes) -> None:
    machine = resumed(6, slot(4, 4), ready(5), behind)
    assert not machine.is_settled
    machine.tick(GRACE)
    assert state_of(machine).cycle.is_ready


def test_a_status_inside_the_attach_is_no_proof_that_the_engine_goes_on() -> None:
    machine = resumed(5, ready(5), message("status", {"status": "startingRuntime"}))
    machine.tick(GRACE)
    assert state_of(machine).cycle.is_ready


def test_matches_that_were_announced_to_the_earlier_process_are_known() -> None:
    found = message("discoveryBatch", {"slot": 9, "batchIndex": 1, "matched": [], "transactions": []}, 3)
    nearest, passed = state_of(resumed(5, found, slot(4, 4), ready(5))).take_discovery()
    assert nearest is not None
    assert (nearest.slot, nearest.batch_index, passed) == (9, 1, 0)


def test_a_terminal_error_inside_the_attach_reaches_the_caller() -> None:
    machine = attaching(5)
    failure = message("error", {"advanceSlotFailed": {"slot": 3, "error": "frozen"}}, 7)
    machine.receive([attached(), slot(4, 6), failure], 0.0)
    assert not machine.is_finished
    (state,) = machine.receive([message("success")], 0.0)
    first, second = take_events(state)
    assert first == Slot(4)
    assert isinstance(second, SessionError)
    assert isinstance(state.failure, RemoteError)


def test_before_the_first_event_the_number_is_the_given_one() -> None:
    machine = attaching(5)
    (state,) = machine.receive([attached(), ready(5), slot(4, 6), message("success")], 0.0)
    assert EventQueue(state, ReadyQueues(), 1.0).last_sequence == 5
    assert take_numbered(state) == [(Slot(4), 6)]
    again = attaching(5)
    (state,) = again.receive([attached(), message("completed", {}, 5), message("success")], 0.0)
    assert state.completed
    assert [number for _event, number in take_numbered(state)] == [5]


def test_events_without_a_number_do_not_move_the_number() -> None:
    machine = established()
    unnumbered = message("error", {"simulationError": {"error": "bad"}})
    (state,) = machine.receive([slot(1, 2), unnumbered, slot(2, 3), ready(4)], 1.0)
    assert [number for _event, number in take_numbered(state)] == [2, 2, 3, 4]


def test_what_was_handled_does_not_come_again_and_nothing_else_is_missing() -> None:
    machine = attaching(5)
    machine.receive([attached(), slot(3, 5), slot(4, 6), ready(7)], 0.0)
    (state,) = machine.receive([message("success")], 0.0)
    assert take_numbered(state) == [(Slot(4), 6), (READY, 7)]
    assert state.sequence_gaps == 0


def test_events_that_the_server_has_lost_are_a_gap() -> None:
    assert state_of(resumed(5, slot(9, 9))).sequence_gaps == 3


@pytest.mark.parametrize("waiting", [ready(5), message("paused", {"slot": 4, "batchIndex": 2}, 5)])
def test_an_engine_that_waited_is_ready_once_nothing_else_has_come_for_a_while(waiting: bytes) -> None:
    machine = resumed(5, waiting)
    assert machine.phase is Phase.STEADY
    assert not machine.is_settled
    assert machine.next_deadline == GRACE
    assert machine.tick(GRACE - 0.1) == []
    assert not machine.is_settled
    assert machine.tick(GRACE) == []
    assert machine.is_settled
    assert state_of(machine).cycle.is_ready
    assert not state_of(machine).has_events


def test_an_engine_that_was_told_to_go_on_is_not_ready() -> None:
    machine = resumed(5, ready(5), slot(4, 6))
    machine.tick(GRACE)
    assert not state_of(machine).cycle.is_ready


def test_an_engine_that_was_executing_becomes_ready_by_its_event() -> None:
    machine = resumed(5, slot(3, 5))
    machine.tick(GRACE)
    assert machine.is_settled
    assert delivered(machine, slot(4, 6), ready(7)) == [Slot(4), READY]
    assert state_of(machine).cycle.is_ready


def test_a_ready_that_follows_a_handled_pause_does_not_say_that_nobody_has_continued() -> None:
    machine = resumed(5, message("paused", {"slot": 4, "batchIndex": 2}, 5), ready(6))
    assert not machine.is_settled
    machine.receive([slot(5, 7)], 0.1)
    machine.tick(GRACE)
    assert machine.is_settled
    assert not state_of(machine).cycle.is_ready


def test_a_ready_in_the_middle_of_what_comes_again_may_have_been_answered() -> None:
    machine = resumed(None, slot(3, 2), ready(3))
    assert not machine.is_settled
    machine.receive([slot(4, 4)], 0.1)
    machine.tick(GRACE)
    assert machine.is_settled
    assert not state_of(machine).cycle.is_ready
    machine.receive([ready(5)], GRACE + 0.1)
    assert state_of(machine).cycle.is_ready


def test_a_session_that_is_completed_when_it_is_attached_to_needs_no_settling() -> None:
    assert resumed(5, message("completed", {}, 6)).is_settled


def test_a_connection_that_is_lost_before_it_is_settled_loses_nothing() -> None:
    machine = resumed(5, ready(5))
    machine.lost()
    assert json.loads(machine.connected(1.0))["params"]["last_sequence"] == 5
    machine.receive([attached(), message("success")], 1.0)
    machine.tick(1.0 + GRACE)
    assert state_of(machine).cycle.is_ready


def test_the_range_of_an_attached_session_is_known_with_its_create_only() -> None:
    assert not state_of(resumed(None)).range_known
    machine = SingleProtocol(Options(), CreateSession(1, 9), ID, 3)
    assert (state_of(machine).start_slot, state_of(machine).end_slot) == (1, 9)


def test_an_endpoint_that_is_not_named_follows_the_session_id() -> None:
    machine = attaching(None)
    machine.receive([message("sessionAttached", {"session_id": ID})], 0.0)
    assert state_of(machine).rpc_endpoint == f"/backtest/{ID}"


def test_an_endpoint_that_is_known_stays_when_the_session_is_attached_again(caplog: pytest.LogCaptureFixture) -> None:
    machine = established()
    for named in (None, "/backtest/x"):
        machine.lost()
        machine.connected(1.0)
        machine.receive([message("sessionAttached", {"session_id": ID, "rpc_endpoint": named})], 1.0)
        assert state_of(machine).rpc_endpoint == "/backtest/x"
    assert not [line for line in caplog.messages if "another RPC" in line]
    machine.lost()
    machine.connected(2.0)
    machine.receive([message("sessionAttached", {"session_id": ID, "rpc_endpoint": "/backtest/y"})], 2.0)
    assert state_of(machine).rpc_endpoint == "/backtest/x"
    assert f"session {ID}: the server names another RPC now, '/backtest/y'; '/backtest/x' stays in use" in caplog.text


# Continues and the end.


def test_continues_of_a_single_session_name_no_session() -> None:
    assert json.loads(requests.continue_single(Continue(3))) == {"method": "continue", "params": {"advanceCount": 3}}
    assert json.loads(requests.continue_single(ContinueTo(4, 1)))["method"] == "continueTo"


@pytest.mark.parametrize("reply", [message("success"), message("completed", {}, 9)])
def test_either_reply_acknowledges_a_close(reply: bytes) -> None:
    machine = established()
    assert json.loads(machine.close_request()) == {"method": "closeBacktestSession"}
    assert not machine.close_acknowledged
    machine.receive([reply], 1.0)
    assert machine.close_acknowledged


def test_a_pause_says_where_the_session_stands() -> None:
    machine = established()
    assert delivered(machine, message("paused", {"slot": 4, "batchIndex": 2}, 2)) == [
        Paused(4, 2, {"slot": 4, "batchIndex": 2})
    ]
    assert state_of(machine).position == 4


def test_a_resume_that_is_not_answered_does_not_hold_the_session_up() -> None:
    machine = attaching(5)
    machine.receive([attached(), slot(4, 6), ready(7)], 0.0)
    assert machine.receive([], GRACE - 0.1) == []
    assert machine.tick(GRACE) == []
    assert machine.outcome is None
    assert machine.phase is Phase.STEADY
    assert [take_events(state) for state in machine.receive([], GRACE)] == [[Slot(4), READY]]


def test_an_answer_that_does_not_come_is_a_lost_connection() -> None:
    machine = attaching(5)
    machine.tick(Options().handshake_timeout)
    assert isinstance(machine.outcome, Reconnect)
