"""A lost continue where ``getSlot`` of a waiting engine names the next slot: nothing hangs, nothing runs twice."""

from __future__ import annotations

import json
import queue

import pytest

import simsync

from .scripted_control import SESSION, Talk, answering_slots, resumed, scripted
from .wire_peer import TEXT, encode

OPTIONS = simsync.Options(backoff_initial=0.001, continue_grace=0.05, rpc_timeout=5.0)
SIBLING = "backtest_b"


def lose_the_continue(talk: Talk) -> None:
    talk.expect("continueSessionV1")
    talk.drop()


def end(talk: Talk) -> None:
    """The last slot, and the end of the range."""
    talk.event(3, "slotNotification", 9)
    talk.event(4, "completed", {"summary": None})


@pytest.mark.parametrize("merged", [False, True])
def test_a_run_that_cannot_go_on_raises(merged: bool) -> None:
    """No session waits that could be asked first, so the slot seems to have moved; then it does not move any more."""
    with resumed([2, 2], OPTIONS, lose_the_continue, lambda _talk, _called: None) as (session, called):
        (sub,) = session.sub_sessions
        with pytest.raises(simsync.ContinueSendError, match=r"names slot 2.*above slot 1.*may have been lost"):
            list(session.events(advance=1, timeout=20) if merged else sub.events(advance=1, timeout=20))
    assert called.qsize() == 2


@pytest.mark.parametrize("merged", [False, True])
def test_a_slow_engine_whose_slot_moves_is_waited_for(merged: bool) -> None:
    def resuming(talk: Talk, called: queue.SimpleQueue[str]) -> None:
        for _ in range(3):
            called.get(timeout=20)
        end(talk)

    with resumed([2, 3, 4, 5, 6], OPTIONS, lose_the_continue, resuming) as (session, _called):
        (sub,) = session.sub_sessions
        events = list(session.events(advance=1, timeout=20) if merged else sub.events(advance=1, timeout=20))
    assert len(events) == 4


@pytest.mark.parametrize("merged", [False, True])
def test_a_sibling_that_waits_shows_that_the_continue_was_lost(merged: bool) -> None:
    def losing(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        for session_id, endpoint in ((SESSION, first), (SIBLING, second)):
            talk.send("sessionCreated", {"session_id": session_id, "rpc_endpoint": endpoint})
        ranges = {"start_slots": [1, 11], "end_slots": [9, 19]}
        ids = [SESSION, SIBLING]
        talk.send("sessionsCreatedV2", {"control_session_id": "parallel_c", "session_ids": ids, **ranges})
        for session_id, start in ((SESSION, 1), (SIBLING, 11)):
            talk.event(1, "slotNotification", start, session_id)
            talk.event(2, "readyForContinue", None, session_id)
        lose_the_continue(talk)

    def resuming(talk: Talk) -> None:
        talk.attach()
        assert talk.expect("continueSessionV1")["session_id"] == SESSION  # again
        talk.event(3, "slotNotification", 9)
        talk.event(4, "completed", {"summary": None})
        talk.event(3, "completed", {"summary": None}, SIBLING)
        talk.goodbye()

    with (
        answering_slots([2]) as (first, _),
        answering_slots([12]) as (second, asked),
        scripted(losing, resuming) as url,
    ):
        with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 19), timeout=20) as session:
            one, other = session.sub_sessions
            other.ensure_ready(20)
            if merged:
                one.ensure_ready(20)
                one.send_continue(timeout=20)
                seen = [event for sub, event in session.events(timeout=20) if sub is one]
            else:
                seen = list(one.events(advance=1, timeout=20))
    assert asked.qsize() == 1
    assert [type(event).__name__ for event in seen] == ["Slot", "ReadyForContinue", "Slot", "Completed"]


def tell(talk: Talk, sequence: int, method: str, params: object = None) -> None:
    """An event of a single session."""
    talk.sock.sendall(encode(TEXT, json.dumps({"method": method, "params": params, "seqId": sequence}).encode()))


def test_an_attached_session_shows_it_when_it_is_attached() -> None:
    """The engine waits behind slot 3, and its RPC names slot 4 then, and still does when the continue was lost."""

    def begin(talk: Talk) -> None:
        talk.expect("attachBacktestSession")
        talk.send("sessionAttached", {"session_id": SESSION, "rpc_endpoint": endpoint})
        talk.expect("resumeAttachedSession")
        talk.send("success")

    def losing(talk: Talk) -> None:
        begin(talk)
        tell(talk, 1, "slotNotification", 3)
        tell(talk, 2, "readyForContinue")
        talk.expect("continue")
        talk.drop()

    def resuming(talk: Talk) -> None:
        begin(talk)
        talk.expect("continue")  # again
        tell(talk, 3, "slotNotification", 9)
        tell(talk, 4, "completed", {"summary": None})
        talk.goodbye()

    with answering_slots([4, 4]) as (endpoint, called), scripted(losing, resuming) as url:
        with simsync.Client(url, "key", options=OPTIONS).attach(SESSION, 2, timeout=20) as session:
            events = list(session.events(advance=1, timeout=20))
    assert [type(event).__name__ for event in events] == ["Slot", "Completed"]
    assert called.qsize() == 2


def test_an_rpc_that_is_away_is_asked_as_long_as_an_outage_may_last() -> None:
    def resuming(talk: Talk, _called: queue.SimpleQueue[str]) -> None:
        talk.expect("continueSessionV1")  # again, as its slot has not moved
        end(talk)

    with resumed([None] * 8 + [1], OPTIONS, lose_the_continue, resuming) as (session, called):
        events = list(session.sub_sessions[0].events(advance=8, timeout=20))
    assert len(events) == 4
    assert called.qsize() == 9


def test_an_rpc_that_stays_away_fails_the_session() -> None:
    options = simsync.Options(backoff_initial=0.001, continue_grace=0.05, reconnect_attempts=5)
    with resumed([None] * 6, options, lose_the_continue, lambda _talk, _called: None) as (session, called):
        with pytest.raises(simsync.ContinueSendError, match="its RPC did not answer"):
            list(session.sub_sessions[0].events(advance=8, timeout=20))
    assert called.qsize() == 6


def test_an_answer_that_is_not_needed_any_more_is_not_waited_for() -> None:
    def resuming(talk: Talk, called: queue.SimpleQueue[str]) -> None:
        called.get(timeout=20)
        end(talk)  # it had arrived

    options = simsync.Options(backoff_initial=0.2, continue_grace=0.05)
    with resumed([None] * 20, options, lose_the_continue, resuming) as (session, called):
        assert len(list(session.sub_sessions[0].events(advance=8, timeout=20))) == 4
    assert called.qsize() <= 1
