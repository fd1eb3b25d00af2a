"""A data connection that is closed cleanly before ``completed``: only the server's 404 says that it was the end."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

import simsync

from .scripted_control import Talk, scripted
from .test_data_ends import LAST, notification
from .test_quiet_subscription import ACCEPTED, END
from .wire_peer import SAFETY_NET, accept, close_frame


def close_early(talk: Talk, continued: threading.Event) -> None:
    talk.expect("slotSubscribe")
    talk.sock.sendall(ACCEPTED)
    assert continued.wait(SAFETY_NET)
    talk.sock.sendall(notification(2) + close_frame(1000))
    talk.expect_end()


def go_on(talk: Talk) -> None:
    talk.expect("slotSubscribe")
    talk.sock.sendall(ACCEPTED + notification(2) + notification(6) + END)
    talk.expect_end()


@contextlib.contextmanager
def closing_early(continued: threading.Event, *statuses: int) -> Iterator[str]:
    """After the close the next connections are refused with these statuses, then one is served; or none is accepted."""

    def serve() -> None:
        with accept(listener) as sock:
            close_early(Talk(sock), continued)
        for status in statuses:
            with listener.accept()[0] as sock:
                while b"\r\n\r\n" not in sock.recv(1 << 16):
                    pass
                line = f"HTTP/1.1 {status} {http.client.responses[status]}\r\nContent-Length: 0\r\n\r\n"
                sock.sendall(line.encode())
        if statuses and statuses[-1] == 503:
            with accept(listener) as sock:
                go_on(Talk(sock))
        listener.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SAFETY_NET)
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield address
        thread.join(SAFETY_NET)
        assert not thread.is_alive()


def run(*statuses: int, attempts: int = 20) -> tuple[list[int], simsync.Coverage]:
    """The slots that came. ``completed`` comes between the close and the end of the first attempt to connect again."""
    continued, refused, completed = threading.Event(), threading.Event(), threading.Event()

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"), end=LAST)
        talk.expect("continueSessionV1")
        continued.set()
        assert refused.wait(SAFETY_NET)
        with talk.at_once():
            talk.event(3, "slotNotification", LAST)
            talk.event(4, "completed", {"summary": None})
        talk.goodbye()

    def on_frame(frame: simsync.Frame) -> None:
        if frame.plane == "data" and frame.kind == "refused":
            refused.set()
            assert completed.wait(SAFETY_NET)

    options = simsync.Options(backoff_initial=0.001, drain_idle=20.0, reconnect_attempts=attempts, on_frame=on_frame)
    with closing_early(continued, *statuses) as data_url, scripted(control) as url:
        client = simsync.Client(url, "key", options=options)
        with client.parallel(simsync.CreateSession(1, LAST), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            slots: list[int] = []
            for event in sub.events(advance=8, timeout=20):
                if isinstance(event, simsync.Notification):
                    slots.append(event.result["slot"])
                if isinstance(event, simsync.Slot) and event.slot == LAST:
                    assert sub.completion is not None
                    completed.set()
            return slots, sub.coverage


def test_404_says_that_it_was_the_end() -> None:
    slots, coverage = run(404)
    assert slots == [2]
    assert not coverage.unproven


@pytest.mark.parametrize("status", [301, 400, 403])
def test_another_final_refusal_is_no_end(status: int) -> None:
    with pytest.raises(simsync.SubscriptionFailed, match=str(status)):
        run(status)


def test_a_server_that_cannot_be_reached_any_more_is_no_end() -> None:
    with pytest.raises(simsync.SubscriptionFailed, match="gave up reconnecting"):
        run(attempts=1)


def test_a_server_that_comes_back_sends_the_rest() -> None:
    slots, coverage = run(503, 503)
    assert slots == [2, 6]
    assert not coverage.unproven
