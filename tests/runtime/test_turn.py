"""Whose turn the next continue is, in a loop over one session and in a loop over all of them.

One rule: the engine is ready and the caller has been handed every control event. It is asked when the caller wants more
events and after each wake-up, so it does not matter what makes the engine ready, or when.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import simsync

from .scripted_control import SESSION, Talk, answering_slots, scripted
from .test_quiet_subscription import ACCEPTED, END
from .wire_peer import TEXT, encode

OPTIONS = simsync.Options(backoff_initial=0.001, continue_grace=0.05, rpc_timeout=5.0)


def events_of(session: simsync.ParallelSession, merged: bool) -> Iterator[simsync.Event]:
    if merged:
        return (event for _sub, event in session.events(advance=1, timeout=20))
    (sub,) = session.sub_sessions
    return iter(sub.events(advance=1, timeout=20))


def run(url: str, merged: bool, options: simsync.Options = OPTIONS) -> list[simsync.Event]:
    with simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
        return list(events_of(session, merged))


def finish(talk: Talk, sequence: int) -> None:
    talk.expect("continueSessionV1")
    talk.event(sequence, "slotNotification", 9)
    talk.event(sequence + 1, "completed", {"summary": None})
    talk.goodbye()


@pytest.mark.parametrize("merged", [False, True])
def test_an_inquiry_that_finds_the_engine_ready_lets_the_next_continue_go(merged: bool) -> None:
    """The slots of a lost continue are missing, its ready came, and only its slot proves that it arrived."""

    def losing(talk: Talk) -> None:
        talk.create(endpoint)
        talk.expect("continueSessionV1")
        talk.drop()

    def resuming(talk: Talk) -> None:
        talk.attach()
        talk.event(9, "readyForContinue")
        finish(talk, 10)

    with answering_slots([5]) as (endpoint, called), scripted(losing, resuming) as url:
        events = run(url, merged)
    assert isinstance(events[-1], simsync.Completed)
    assert called.qsize() == 1


@pytest.mark.parametrize("merged", [False, True])
def test_a_subscription_that_comes_up_lets_the_continue_go(merged: bool) -> None:
    """No event comes: the loop asks again because the subscription woke it."""
    acknowledge = threading.Event()

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"))
        finish(talk, 3)

    def data(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        assert acknowledge.wait(20)
        talk.sock.sendall(ACCEPTED + END)
        talk.expect_end()

    with scripted(data) as data_url, scripted(control) as url:
        with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            events = events_of(session, merged)
            seen: list[simsync.Event] = []
            while not isinstance(seen[-1] if seen else None, simsync.ReadyForContinue):
                seen.append(next(events))
            acknowledge.set()
            assert isinstance(list(events)[-1], simsync.Completed)


@pytest.mark.parametrize("merged", [False, True])
def test_the_body_sees_every_event_before_the_engine_moves(merged: bool) -> None:
    """An event behind a ready, received together with it, is handed out before the continue goes."""

    def control(talk: Talk) -> None:
        talk.create()
        talk.expect("continueSessionV1")
        events = (("slotNotification", 2), ("readyForContinue", None), ("status", {"status": "behindTheReady"}))
        talk.sock.sendall(
            b"".join(encode(TEXT, session_event(number, *event)) for number, event in enumerate(events, 3))
        )
        finish(talk, 6)

    with scripted(control) as url:
        with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            (sub,) = session.sub_sessions
            statuses = [sub.status for event in events_of(session, merged) if isinstance(event, simsync.Status)]
    assert statuses == ["ready"]


def session_event(number: int, kind: str, params: Any) -> bytes:
    event = {"method": kind, "params": params}
    params = {"session_id": SESSION, "seq_id": number, "event": event}
    return json.dumps({"method": "sessionEventV2", "params": params}).encode()


@pytest.mark.parametrize("merged", [False, True])
def test_a_continue_of_the_body_is_the_only_one(merged: bool) -> None:
    advanced: list[Any] = []

    def control(talk: Talk) -> None:
        talk.create()
        advanced.append(talk.expect("continueSessionV1")["request"]["advanceCount"])
        talk.event(3, "slotNotification", 7)
        talk.event(4, "readyForContinue")
        advanced.append(talk.expect("continueSessionV1")["request"]["advanceCount"])
        talk.event(5, "slotNotification", 9)
        talk.event(6, "completed", {"summary": None})
        talk.goodbye()

    with scripted(control) as url:
        with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            (sub,) = session.sub_sessions
            sent = False
            for event in events_of(session, merged):
                if isinstance(event, simsync.ReadyForContinue) and not sent:
                    sub.send_continue(advance_count=6)
                    sent = True
    assert advanced == [6, 1]


def test_a_loop_that_was_left_at_a_ready_continues_when_it_is_entered_again() -> None:
    def control(talk: Talk) -> None:
        talk.create()
        finish(talk, 3)

    with scripted(control) as url:
        with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            (sub,) = session.sub_sessions
            assert sub.session_id == SESSION
            for event in sub.events(advance=1, timeout=20):
                if isinstance(event, simsync.ReadyForContinue):
                    break
            assert sub.status == "ready"
            assert isinstance(list(sub.events(advance=1, timeout=20))[-1], simsync.Completed)
