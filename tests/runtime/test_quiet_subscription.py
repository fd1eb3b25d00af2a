"""A data connection that is lost while the engine is far ahead of its last event: what is a gap, and what is not."""

from __future__ import annotations

import contextlib
import threading
from typing import Callable

import pytest

import simsync

from .scripted_control import Talk, scripted
from .wire_peer import BINARY, PONG, TEXT, close_frame, encode

LAST = 250
ACCEPTED = encode(TEXT, b'{"jsonrpc":"2.0","id":1,"result":7}')
END = encode(TEXT, b'{"method":"slotNotification","params":{"subscription":7,"result":{"done":true}}}')
NOTIFICATION = b'{"method":"slotNotification","params":{"subscription":7,"result":{"slot":3}}}'


def run(lose: Callable[[Talk], None]) -> list[simsync.Event]:
    """The first data connection is lost as ``lose`` says, once the engine stands at slot 250; the second one ends."""
    far_ahead, back = threading.Event(), threading.Event()

    def first(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED)
        assert far_ahead.wait(20)
        lose(talk)

    def second(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED)
        talk.sock.sendall(END)
        back.set()
        talk.expect_end()

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"), end=LAST)
        talk.expect("continueSessionV1")
        for slot in range(2, LAST + 1):
            talk.event(slot + 1, "slotNotification", slot)
        assert back.wait(20)
        talk.event(LAST + 2, "completed", {"summary": None})
        talk.goodbye()

    options = simsync.Options(backoff_initial=0.001, drain_idle=20.0)
    events: list[simsync.Event] = []
    with scripted(first, second) as data_url, scripted(control) as url:
        with simsync.Client(url, "key", options=options).parallel(
            simsync.CreateSession(1, LAST), timeout=20
        ) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            sub.send_continue(simsync.Continue(LAST))
            for event in sub.events(timeout=20):
                events.append(event)
                if event == simsync.Slot(LAST):
                    far_ahead.set()
    return events


def run_behind(lose: Callable[[Talk], None]) -> list[simsync.Event]:
    """The same, but the caller takes nothing until the run is over, so the loss is noticed late."""
    lost = threading.Event()

    def first(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + encode(TEXT, NOTIFICATION) * 2)
        talk.expect_frame(PONG)  # the reader waits for room
        lose(talk)
        lost.set()

    def second(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + END)
        talk.expect_end()

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"), end=LAST)
        talk.expect("continueSessionV1")
        assert lost.wait(20)
        for slot in range(2, LAST + 1):
            talk.event(slot + 1, "slotNotification", slot)
        talk.event(LAST + 2, "completed", {"summary": None})
        talk.goodbye()

    options = simsync.Options(backoff_initial=0.001, drain_idle=20.0, buffer_events=1, ping_interval=0.03)
    with scripted(first, second) as data_url, scripted(control) as url:
        with simsync.Client(url, "key", options=options).parallel(
            simsync.CreateSession(1, LAST), timeout=20
        ) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            sub.send_continue(simsync.Continue(LAST))
            assert not sub.ensure_ready(timeout=20)
            return list(sub.events(timeout=20))


def reset(talk: Talk) -> None:
    talk.drop()


def end(talk: Talk) -> None:
    talk.sock.close()


def close(talk: Talk) -> None:
    with contextlib.suppress(ConnectionError):
        talk.sock.sendall(close_frame(1001))
        talk.expect_end()


def close_at_once(talk: Talk) -> None:
    talk.sock.sendall(close_frame(1001))


@pytest.mark.parametrize("lose", [reset, end, close])
def test_nothing_is_missing_when_all_that_had_come_was_read(lose: Callable[[Talk], None]) -> None:
    events = run(lose)
    assert isinstance(events[-1], simsync.Completed)


@pytest.mark.parametrize("lose", [reset, end, close_at_once])
def test_a_loss_that_was_noticed_late_is_a_gap(lose: Callable[[Talk], None]) -> None:
    with pytest.raises(simsync.SubscriptionFailed, match="slots 4 to 150 cannot be recovered"):
        run_behind(lose)


def test_what_came_together_with_a_broken_message_is_missing() -> None:
    pytest.importorskip("zstandard")

    def spoil(talk: Talk) -> None:
        talk.sock.sendall(encode(TEXT, NOTIFICATION) + encode(BINARY, b"\xff" * 16))
        talk.expect_end()

    with pytest.raises(simsync.SubscriptionFailed, match="slots 1 to 150 cannot be recovered"):
        run(spoil)
