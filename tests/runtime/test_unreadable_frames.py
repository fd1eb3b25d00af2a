"""A server, or something between, that sends frames which are no JSON: the run gets on, and coverage counts them."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

import simsync
from simsync.frames import CLOSE, SENT
from simsync.frames import TEXT as TEXT_FRAME

from .scripted_control import CONTROL, SESSION, Talk, scripted
from .wire_peer import BINARY, TEXT, encode

OPTIONS = simsync.Options(backoff_initial=0.001, continue_grace=0.05, reconnect_attempts=3)
JUNK = {"binary": encode(BINARY, b"\x80\x81\xff"), "text": encode(TEXT, b"<html>"), "broken": encode(TEXT, b"\xff{}")}


def run(url: str) -> tuple[list[simsync.Event], simsync.ParallelSession]:
    with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
        (sub,) = session.sub_sessions
        return list(sub.events(advance=1, timeout=20)), session


@pytest.mark.parametrize("junk", JUNK)
def test_one_that_comes_on_each_connection_is_no_livelock(junk: str) -> None:
    frame = JUNK[junk]

    def first(talk: Talk) -> None:
        with talk.at_once():  # before the caller can continue
            talk.create()
            talk.send_frame(frame)
        talk.expect_end()

    def second(talk: Talk) -> None:
        assert talk.attach()["last_sequences"] == {"backtest_a": 2}
        talk.sock.sendall(frame)
        talk.expect("continueSessionV1")
        talk.event(3, "slotNotification", 9)
        talk.event(4, "completed", {"summary": None})
        talk.goodbye()

    with scripted(first, second) as url:
        events, session = run(url)
    assert [type(event).__name__ for event in events] == ["Slot", "ReadyForContinue", "Slot", "Completed"]
    (coverage,) = session.coverage
    assert coverage.unreadable_frames == 1
    assert coverage.complete


def test_one_that_was_an_event_is_a_gap() -> None:
    def first(talk: Talk) -> None:
        talk.create()
        talk.expect("continueSessionV1")
        talk.sock.sendall(JUNK["text"])
        talk.expect_end()

    def second(talk: Talk) -> None:
        talk.attach()
        talk.sock.sendall(JUNK["text"])  # instead of event 3
        talk.event(4, "completed", {"summary": None})
        talk.goodbye()

    with scripted(first, second) as url:
        _events, session = run(url)
    (coverage,) = session.coverage
    assert (coverage.unreadable_frames, coverage.sequence_gaps, coverage.complete) == (1, 1, False)


@pytest.mark.parametrize("junk", JUNK)
def test_one_during_the_create_costs_no_second_create(junk: str) -> None:
    """The ready may have been in it, so the session is attached once."""
    frame = JUNK[junk]

    def first(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        with talk.at_once():  # the client may end the connection as soon as it has read the frame
            talk.send_frame(frame)
            talk.finish_create()
        talk.expect_end()

    def second(talk: Talk) -> None:
        talk.attach()
        talk.sock.sendall(frame)
        talk.event(1, "slotNotification", 1)
        talk.event(2, "readyForContinue")
        talk.expect("continueSessionV1")
        talk.event(3, "slotNotification", 9)
        talk.event(4, "completed", {"summary": None})
        talk.goodbye()

    with scripted(first, second) as url:
        events, session = run(url)
    assert isinstance(events[-1], simsync.Completed)
    assert session.coverage[0].unreadable_frames == 2


def test_a_continue_does_not_go_over_the_connection_that_one_has_ended() -> None:
    """The server might not read it any more. It waits for the next connection, where it is not in doubt."""
    is_created, both_are_written = threading.Event(), threading.Event()
    subs: list[simsync.SubSession] = []
    sent: list[tuple[int, str]] = []

    def watch(frame: simsync.Frame) -> None:
        if frame.direction == SENT and frame.kind == TEXT_FRAME:
            sent.append((frame.connection, json.loads(frame.payload)["method"]))
            if sent[-1][1] == "closeSessionV1":
                both_are_written.set()
        elif frame.kind == CLOSE and not both_are_written.is_set():
            # The reader has noticed it, and nobody has been told that the connection is down.
            first_sub, second_sub = subs
            first_sub.send_continue()
            second_sub.close()  # its message overtakes the continue, or goes together with it
            assert both_are_written.wait(20)

    def first(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        ids = [SESSION, "backtest_b"]
        for session_id in ids:
            talk.send("sessionCreated", {"session_id": session_id, "rpc_endpoint": f"/{session_id}"})
        ranges = {"start_slots": [1, 5], "end_slots": [4, 9]}
        talk.send("sessionsCreatedV2", {"control_session_id": CONTROL, "session_ids": ids, **ranges})
        talk.event(1, "slotNotification", 1)
        talk.event(2, "readyForContinue")
        assert is_created.wait(20)
        talk.send_frame(JUNK["text"])
        talk.expect_end()

    def second(talk: Talk) -> None:
        talk.attach()
        talk.expect("continueSessionV1")
        talk.event(3, "completed", {"summary": None})
        talk.goodbye()

    with scripted(first, second) as url:
        options = replace(OPTIONS, on_frame=watch)
        with simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            subs += session.sub_sessions
            assert subs[0].ensure_ready(timeout=20)
            is_created.set()
            assert isinstance(list(subs[0].events(timeout=20))[-1], simsync.Completed)
    (connection,) = {number for number, method in sent if method == "continueSessionV1"}
    assert (connection, "createBacktestSession") not in sent
