"""How data connections end: which closes are the end of the streams, and which are lost connections."""

from __future__ import annotations

import threading

import pytest

import simsync

from .scripted_control import Talk, scripted
from .test_quiet_subscription import ACCEPTED, END
from .wire_peer import BINARY, TEXT, close_frame, encode

OPTIONS = simsync.Options(backoff_initial=0.001, drain_idle=20.0, replay_slots=10)
LAST = 9


def notification(slot: int) -> bytes:
    text = '{"method":"slotNotification","params":{"subscription":7,"result":{"slot":%d,"parent":0,"root":0}}}'
    return encode(TEXT, (text % slot).encode())


def slots_of(*data: object, completed: threading.Event | None = None) -> list[int]:
    """The slots of the notifications of a run whose data connections follow these scripts."""

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"), end=LAST)
        talk.expect("continueSessionV1")
        if completed is not None:
            assert completed.wait(20)
        talk.event(3, "slotNotification", LAST)
        talk.event(4, "completed", {"summary": None})
        talk.goodbye()

    with scripted(*data) as data_url, scripted(control) as url:  # type: ignore[arg-type]
        with simsync.Client(url, "key", options=OPTIONS).parallel(
            simsync.CreateSession(1, LAST), timeout=20
        ) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            events = list(sub.events(advance=8, timeout=20))
            assert isinstance(events[-1], simsync.Completed)
            return [event.result["slot"] for event in events if isinstance(event, simsync.Notification)]


def test_a_clean_close_before_the_acknowledgement_ends_nothing() -> None:
    completed = threading.Event()

    def first(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + notification(2))
        completed.set()
        talk.drop()

    def second(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(close_frame(1000))
        talk.expect_end()

    def third(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + notification(2) + notification(5) + END)
        talk.expect_end()

    assert slots_of(first, second, third, completed=completed) == [2, 5]


def test_a_clean_close_before_completed_is_tried_once_more() -> None:
    completed = threading.Event()

    def first(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + notification(2) + close_frame(1000))
        talk.expect_end()

    def second(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + notification(2))
        completed.set()
        talk.sock.sendall(notification(6) + END)
        talk.expect_end()

    assert slots_of(first, second, completed=completed) == [2, 6]


def test_a_stream_that_is_always_broken_goes_on_without_compression() -> None:
    pytest.importorskip("zstandard")
    asked: list[object] = []

    def broken(talk: Talk) -> None:
        asked.append(talk.expect("slotSubscribe")[-1].get("compression"))
        talk.sock.sendall(ACCEPTED + encode(BINARY, b"\xff" * 16))
        talk.expect_end()

    def plain(talk: Talk) -> None:
        asked.append(talk.expect("slotSubscribe")[-1].get("compression"))
        talk.sock.sendall(ACCEPTED + encode(BINARY, notification(3)[2:]) + END)
        talk.expect_end()

    assert slots_of(broken, broken, plain) == [3]
    assert asked == ["zstd", "zstd", None]


def test_plain_json_in_binary_frames_is_heard_although_compression_was_asked_for() -> None:
    pytest.importorskip("zstandard")

    def plain(talk: Talk) -> None:
        assert talk.expect("slotSubscribe")[-1]["compression"] == "zstd"
        talk.sock.sendall(b"".join(encode(BINARY, text[2:]) for text in (ACCEPTED, notification(3), END)))
        talk.expect_end()

    assert slots_of(plain) == [3]
