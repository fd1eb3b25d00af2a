"""A continue that a lost connection left in doubt: each branch of the decision, against a scripted server."""

from __future__ import annotations

import socket

import pytest

import simsync

from .scripted_control import SESSION, Talk, answering_slots, scripted

OPTIONS = simsync.Options(backoff_initial=0.001, continue_grace=0.05, rpc_timeout=5.0, reconnect_attempts=5)
HUGE = b"x" * 12_000_000
"""More than the buffers of a loopback connection hold, so it is not wholly written while nobody reads."""


def run(url: str, request: simsync.Continue | None = None) -> list[simsync.Event]:
    with simsync.Client(url, "key", options=OPTIONS).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
        (sub,) = session.sub_sessions
        sub.send_continue(request or simsync.Continue(3), timeout=20)
        return list(sub.events(timeout=20))


def finish(talk: Talk, sequence: int) -> None:
    talk.event(sequence, "slotNotification", 9)
    talk.event(sequence + 1, "completed", {"summary": None})
    talk.goodbye()


def test_never_wholly_written_is_sent_again_without_asking() -> None:
    def stuck(talk: Talk) -> None:
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        talk.create(endpoint)
        talk.sock.recv(1024)  # the continue has begun; the rest is never read
        talk.drop()

    def working(talk: Talk) -> None:
        assert talk.attach()["last_sequences"] == {SESSION: 2}
        request = talk.expect("continueSessionV1")["request"]
        assert len(request["transactions"][0]) > len(HUGE)
        finish(talk, 3)

    with answering_slots([]) as (endpoint, called), scripted(stuck, working) as url:
        events = run(url, simsync.Continue(3, [HUGE]))
    assert isinstance(events[-1], simsync.Completed)
    assert called.empty()


def test_an_event_in_the_replay_proves_it_arrived() -> None:
    def losing(talk: Talk) -> None:
        talk.create(endpoint)
        talk.expect("continueSessionV1")
        talk.drop()

    def working(talk: Talk) -> None:
        talk.attach()
        talk.event(1, "slotNotification", 1)
        talk.event(2, "readyForContinue")
        talk.event(3, "slotNotification", 2)
        finish(talk, 4)  # fails if the continue comes again

    with answering_slots([]) as (endpoint, called), scripted(losing, working) as url:
        events = run(url)
    assert [event.slot for event in events if isinstance(event, simsync.Slot)] == [1, 2, 9]
    assert called.empty()


def test_a_slot_that_moved_proves_it_arrived() -> None:
    def losing(talk: Talk) -> None:
        talk.create(endpoint)
        talk.expect("continueSessionV1")
        talk.drop()

    def working(talk: Talk) -> None:
        talk.attach()
        assert called.get(timeout=20) == "getSlot"
        finish(talk, 3)  # fails if the continue comes again

    with answering_slots([2]) as (endpoint, called), scripted(losing, working) as url:
        events = run(url)
    assert isinstance(events[-1], simsync.Completed)
    assert called.empty()


def test_a_slot_that_did_not_move_means_it_is_sent_again() -> None:
    def losing(talk: Talk) -> None:
        talk.create(endpoint)
        talk.expect("continueSessionV1")
        talk.drop()

    def losing_again(talk: Talk) -> None:
        talk.attach()
        assert talk.expect("continueSessionV1")["request"]["advanceCount"] == 3
        talk.drop()

    def working(talk: Talk) -> None:
        talk.attach()
        assert talk.expect("continueSessionV1")["request"]["advanceCount"] == 3
        finish(talk, 3)

    with answering_slots([1, 1]) as (endpoint, called), scripted(losing, losing_again, working) as url:
        events = run(url)
    assert isinstance(events[-1], simsync.Completed)
    assert [called.get_nowait(), called.get_nowait()] == ["getSlot", "getSlot"]


def test_a_session_that_cannot_be_asked_fails_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/rpc"

    def losing(talk: Talk) -> None:
        talk.create(nobody)
        talk.expect("continueSessionV1")
        talk.drop()

    def working(talk: Talk) -> None:
        talk.attach()
        talk.goodbye()

    with scripted(losing, working) as url, pytest.raises(simsync.ContinueSendError, match="did not answer whether"):
        run(url)
