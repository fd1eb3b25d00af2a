"""The control connection against servers that behave oddly: mute, slow, forgetful, hostile."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import replace

import pytest

import simsync
from tests.threads import join_readers

from .scripted_control import CONTROL, SESSION, Talk, scripted
from .wire_peer import BINARY, CLOSE, PING, PONG, TEXT, close_frame, encode

OPTIONS = simsync.Options(backoff_initial=0.001, close_timeout=1.0)


def start(url: str, options: simsync.Options = OPTIONS) -> simsync.ParallelSession:
    return simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=20)


def complete(talk: Talk, sequence: int = 3) -> None:
    talk.event(sequence, "completed", {"summary": None})
    talk.goodbye()


def run(url: str, options: simsync.Options = OPTIONS) -> tuple[list[simsync.Event], int]:
    with start(url, options) as session:
        return [event for _sub, event in session.events(timeout=20)], session.reconnects


def test_a_peer_that_says_nothing_any_more_is_dead() -> None:
    over = threading.Event()

    def mute(talk: Talk) -> None:
        talk.create()
        assert over.wait(20)

    def working(talk: Talk) -> None:
        talk.attach()
        over.set()
        complete(talk)

    with scripted(mute, working) as url:
        events, reconnects = run(url, replace(OPTIONS, ping_interval=0.05, dead_after=0.2))
    assert isinstance(events[-1], simsync.Completed)
    assert reconnects == 1


def test_pings_begin_at_once_and_go_on_while_creating() -> None:
    def patient(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        for _ in range(3):
            talk.expect_frame(PING)
        talk.finish_create()
        complete(talk)

    with scripted(patient) as url:
        events, _reconnects = run(url, replace(OPTIONS, ping_interval=0.02, dead_after=0.05))
    assert isinstance(events[-1], simsync.Completed)


@pytest.mark.parametrize("kind", ["parallel", "session"])
def test_a_create_that_is_not_answered_ends_in_its_time_although_pings_are(kind: str) -> None:
    over = threading.Event()

    def mute(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        while not over.is_set():
            talk.expect_frame(PING)
            talk.sock.sendall(encode(PONG, b""))

    def answering(talk: Talk) -> None:
        with contextlib.suppress(AssertionError, OSError):
            mute(talk)

    options = replace(OPTIONS, ping_interval=0.05, dead_after=20.0, create_timeout=0.5, reconnect_attempts=0)
    with scripted(answering) as url:
        with pytest.raises(simsync.ConnectError, match="did not answer in time while creating"):
            getattr(simsync.Client(url, "key", options=options), kind)(simsync.CreateSession(1, 9), timeout=20)
        over.set()


def test_pings_of_the_server_are_answered() -> None:
    def curious(talk: Talk) -> None:
        talk.create()
        talk.sock.sendall(encode(PING, b"are you there"))
        talk.expect_frame(PONG, b"are you there")
        complete(talk)

    with scripted(curious) as url:
        assert isinstance(run(url)[0][-1], simsync.Completed)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
def test_whatever_the_close_code_it_re_attaches(code: int) -> None:
    def closing(talk: Talk) -> None:
        talk.create()
        talk.sock.sendall(close_frame(code, b"later"))
        talk.expect_frame(CLOSE)

    def working(talk: Talk) -> None:
        talk.attach()
        complete(talk)

    with scripted(closing, working) as url:
        events, reconnects = run(url)
    assert isinstance(events[-1], simsync.Completed)
    assert reconnects == 1


@pytest.mark.parametrize(
    "junk",
    [
        encode(TEXT, b'{"method":7}'),
        encode(TEXT, b"[1, 2]"),
        encode(
            TEXT, b'{"method":"sessionEventV2","params":{"session_id":"backtest_zzz","seq_id":1,"event":"success"}}'
        ),
        encode(TEXT, b'{"method":"sessionEventV2","params":null}'),
    ],
)
def test_junk_is_skipped(junk: bytes) -> None:
    def rude(talk: Talk) -> None:
        talk.create()
        talk.sock.sendall(junk)
        complete(talk)

    with scripted(rude) as url:
        events, reconnects = run(url)
    assert isinstance(events[-1], simsync.Completed)
    assert reconnects == 0


@pytest.mark.parametrize(
    "junk",
    [
        encode(TEXT, b"<html>busy</html>"),
        encode(TEXT, b"[" * 100_000),
        encode(TEXT, b'{"method":"slotNotification"'),
        encode(TEXT, b"\xff\xfe"),
        encode(BINARY, b"\x00\x01\x02"),
    ],
)
def test_text_that_cannot_be_read_comes_again(junk: bytes) -> None:
    def rude(talk: Talk) -> None:
        talk.create()
        talk.sock.sendall(junk)
        talk.expect_end()

    def working(talk: Talk) -> None:
        assert talk.attach()["last_sequences"] == {SESSION: 2}
        complete(talk)

    with scripted(rude, working) as url:
        events, reconnects = run(url)
    assert isinstance(events[-1], simsync.Completed)
    assert reconnects == 1


def test_json_in_binary_frames_is_taken_too() -> None:
    def binary(talk: Talk) -> None:
        talk.create()
        params = {"session_id": SESSION, "seq_id": 3, "event": {"slotNotification": 2}}
        talk.sock.sendall(encode(BINARY, json.dumps({"method": "sessionEventV2", "params": params}).encode()))
        complete(talk, 4)

    with scripted(binary) as url:
        assert simsync.Slot(2) in run(url)[0]


def test_a_broken_frame_costs_the_connection_and_nothing_else() -> None:
    def broken(talk: Talk) -> None:
        talk.create()
        talk.event(3, "slotNotification", 2)
        talk.sock.sendall(encode(TEXT, b"rsv", rsv=4))
        talk.expect_end()

    def working(talk: Talk) -> None:
        assert talk.attach()["last_sequences"] == {SESSION: 3}
        complete(talk, 4)

    with scripted(broken, working) as url:
        events, reconnects = run(url)
    assert simsync.Slot(2) in events
    assert reconnects == 1


def test_a_re_attach_to_a_forgotten_session_fails_with_the_words_of_the_server() -> None:
    def losing(talk: Talk) -> None:
        talk.create()
        talk.drop()

    def forgetful(talk: Talk) -> None:
        talk.expect("attachParallelControlSessionV2")
        talk.send("error", {"sessionNotFound": {"session_id": CONTROL}})
        talk.expect_end()

    with scripted(losing, forgetful) as url, start(url) as session:
        with pytest.raises(simsync.ControlFailed, match="SessionNotFound") as raised:
            for _sub, event in session.events(timeout=20):
                assert not isinstance(event, simsync.Completed)
        assert isinstance(raised.value.__cause__, simsync.RemoteError)


def test_a_transient_refusal_of_the_re_attach_is_tried_again() -> None:
    def losing(talk: Talk) -> None:
        talk.create()
        talk.drop()

    def busy(talk: Talk) -> None:
        talk.expect("attachParallelControlSessionV2")
        talk.send("error", {"sessionOwnershipBusy": {"reason": "moving"}})
        talk.expect_end()

    def working(talk: Talk) -> None:
        talk.attach()
        complete(talk)

    with scripted(losing, busy, working) as url:
        assert isinstance(run(url)[0][-1], simsync.Completed)


def test_a_server_that_loses_the_session_after_the_last_event_does_no_harm() -> None:
    """Control has said everything; the caller gets it although re-attaching is refused."""

    def ending(talk: Talk) -> None:
        talk.create()
        talk.event(3, "completed", {"summary": None})
        talk.drop()

    def forgetful(talk: Talk) -> None:
        talk.expect("attachParallelControlSessionV2")
        talk.send("error", {"sessionNotFound": {"session_id": CONTROL}})
        talk.expect_end()

    with scripted(ending, forgetful) as url, start(url) as session:
        (sub,) = session.sub_sessions
        join_readers()
        assert isinstance(list(sub.events(timeout=20))[-1], simsync.Completed)
        assert sub.coverage.completed


def test_closing_a_session_of_a_mute_server_ends_in_time() -> None:
    over = threading.Event()

    def mute(talk: Talk) -> None:
        talk.create()
        assert over.wait(20)

    with scripted(mute) as url:
        session = start(url)
        began = time.monotonic()
        session.close()
        took = time.monotonic() - began
        over.set()
    assert took < OPTIONS.close_timeout + 1.0


def test_closing_while_reconnecting_is_quick() -> None:
    def losing(talk: Talk) -> None:
        talk.create()
        talk.drop()

    with scripted(losing) as url:
        session = start(url, replace(OPTIONS, backoff_initial=60.0, backoff_max=60.0))
        with pytest.raises(simsync.EventTimeout):
            for _sub, event in session.events(timeout=0.2):
                assert event is not None
        began = time.monotonic()
        session.close()
        assert time.monotonic() - began < 1.0


def test_a_connection_that_is_accepted_but_never_answered_times_out_and_can_be_cancelled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}"
        options = simsync.Options(connect_timeout=0.1, reconnect_attempts=1, backoff_initial=0.001)
        with pytest.raises(simsync.ConnectError, match="no connection in time"):
            simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9))
        token = simsync.CancelToken()
        timer = threading.Timer(0.1, token.cancel)
        timer.start()
        began = time.monotonic()
        with pytest.raises(simsync.Cancelled):
            simsync.Client(url, "key").parallel(simsync.CreateSession(1, 9), cancel=token)
        assert time.monotonic() - began < 5.0
        timer.join()


def test_a_redirect_is_not_followed_with_the_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        requests: list[bytes] = []

        def redirect() -> None:
            sock, _address = server.accept()
            with sock:
                requests.append(sock.recv(65536))
                sock.sendall(f"HTTP/1.1 302 Found\r\nLocation: {url}/elsewhere\r\nContent-Length: 0\r\n\r\n".encode())

        thread = threading.Thread(target=redirect, daemon=True)
        thread.start()
        with pytest.raises(simsync.HttpStatusError, match="redirects are not followed") as raised:
            simsync.Client(url, "key").parallel(simsync.CreateSession(1, 9))
        thread.join(20)
    assert raised.value.status == 302
    assert len(requests) == 1
