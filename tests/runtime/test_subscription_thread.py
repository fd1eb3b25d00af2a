"""One thread reads all subscriptions of a connection: what one of them meets does not reach the others."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from tests.until import until

from .scripted_control import Talk, scripted
from .test_quiet_subscription import ACCEPTED, END, NOTIFICATION
from .wire_peer import PING, TEXT, accept, encode

LONG = 20.0


@contextlib.contextmanager
def session_at(data_url: str, options: simsync.Options) -> Iterator[simsync.ParallelSession]:
    """A session with one sub-session, whose data plane is at ``data_url``, and which no one continues."""

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"))
        talk.goodbye()

    with scripted(control) as url:
        with simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=LONG) as session:
            yield session


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # connected without threads, and by a thread each
def test_closing_does_not_wait_for_servers_that_do_not_answer(host: str) -> None:
    """Some connections are being made when it is closed, and others are about to be."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        address = f"ws://{host}:{silent.getsockname()[1]}"
        with session_at(address, simsync.Options(close_timeout=LONG)) as session:
            for _each in range(64):
                session.sub_sessions[0].subscribe("slotSubscribe")
            began = time.monotonic()
            session.close()
            assert time.monotonic() < began + LONG / 2


class _Outcome(BaseException):
    """As pytest raises it for a test that fails."""


@pytest.mark.parametrize("raised", [ValueError("odd"), SystemExit("odd"), KeyboardInterrupt("odd"), _Outcome("odd")])
def test_what_a_decoder_raises_fails_its_subscription_only(raised: BaseException) -> None:
    is_up, failed = threading.Event(), threading.Event()

    def decode(_method: str, _result: Any) -> simsync.Event:
        raise raised

    def quiet(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED)
        is_up.set()
        assert failed.wait(LONG)
        talk.sock.sendall(encode(TEXT, NOTIFICATION))
        talk.expect_end()

    def odd(talk: Talk) -> None:
        talk.expect("logsSubscribe")
        talk.sock.sendall(ACCEPTED + encode(TEXT, NOTIFICATION))
        talk.expect_end()

    def decode_sound(method: str, result: Any) -> simsync.Event:
        was_read.set()
        return simsync.Notification(method, result)

    was_read = threading.Event()
    with scripted(quiet, odd) as data_url, session_at(data_url, simsync.Options()) as session:
        (sub,) = session.sub_sessions
        sub.subscribe("slotSubscribe", decode=decode_sound)
        assert is_up.wait(LONG)
        sub.subscribe("logsSubscribe", decode=decode)
        with pytest.raises(simsync.SubscriptionFailed, match=r"logsSubscribe.*odd"):
            list(sub.events(timeout=LONG))
        failed.set()
        assert was_read.wait(LONG)


@pytest.mark.parametrize("answered", [False, True])
def test_a_busy_thread_does_not_take_a_server_for_dead(answered: bool) -> None:
    """What has come is read before its silence is judged, however late that is."""
    one_up, both_up, is_busy, has_come = (threading.Event() for _each in range(4))
    options = simsync.Options(ping_interval=0.1, dead_after=0.5, handshake_timeout=0.5)

    def decode(method: str, result: Any) -> simsync.Event:
        is_busy.set()
        assert has_come.wait(LONG)
        until = time.monotonic() + options.dead_after
        while time.monotonic() < until:
            pass
        return simsync.Notification(method, result)

    def slow(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED)
        one_up.set()
        assert both_up.wait(LONG)
        talk.sock.sendall(encode(TEXT, NOTIFICATION))
        assert is_busy.wait(LONG)
        talk.sock.sendall(END)
        talk.expect_end()

    def other(talk: Talk) -> None:
        talk.expect("logsSubscribe")
        if answered:
            talk.sock.sendall(ACCEPTED)
            talk.expect_frame(PING)
        both_up.set()
        assert is_busy.wait(LONG)
        talk.sock.sendall((b"" if answered else ACCEPTED) + encode(TEXT, NOTIFICATION) + END)
        has_come.set()
        talk.expect_end()

    with scripted(slow, other) as data_url, session_at(data_url, options) as session:
        (sub,) = session.sub_sessions
        sub.subscribe("slotSubscribe", decode=decode)
        assert one_up.wait(LONG)
        sub.subscribe("logsSubscribe")
        events = [sub.next_event(timeout=LONG) for _each in range(4)]
        assert sum(isinstance(event, simsync.Notification) for event in events) == 2
        assert sub.data_reconnects == 0


def test_a_flood_of_small_messages_does_not_hold_up_the_others() -> None:
    other_asked, has_begun, has_come, was_read = (threading.Event() for _each in range(4))
    decoded = 0
    decoded_before_other = 0

    def decode_flood(method: str, result: Any) -> simsync.Event:
        nonlocal decoded
        decoded += 1
        has_begun.set()
        assert has_come.wait(LONG)
        return simsync.Notification(method, result)

    def decode_other(method: str, result: Any) -> simsync.Event:
        nonlocal decoded_before_other
        decoded_before_other = decoded
        was_read.set()
        return simsync.Notification(method, result)

    def flood(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED)
        with contextlib.suppress(OSError):
            talk.sock.sendall(encode(TEXT, NOTIFICATION) * 20_000)
            talk.expect_end()

    def other(talk: Talk) -> None:
        talk.expect("logsSubscribe")
        other_asked.set()
        talk.sock.sendall(ACCEPTED)
        assert has_begun.wait(LONG)
        talk.sock.sendall(encode(TEXT, NOTIFICATION))
        has_come.set()
        talk.expect_end()

    with scripted(other, flood) as data_url, session_at(data_url, simsync.Options()) as session:
        (sub,) = session.sub_sessions
        sub.subscribe("logsSubscribe", decode=decode_other)
        assert other_asked.wait(LONG)
        sub.subscribe("slotSubscribe", decode=decode_flood)
        assert was_read.wait(LONG)
    assert decoded_before_other < 2_000


def test_connecting_to_an_address_needs_no_thread() -> None:
    """Its server is slow: all of them wait for its answers at the same time."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        silent.settimeout(LONG)
        address = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        with session_at(address, simsync.Options()) as session:
            session.sub_sessions[0].subscribe("slotSubscribe")
            before = threading.active_count()
            for _each in range(63):
                session.sub_sessions[0].subscribe("slotSubscribe")
            with contextlib.ExitStack() as accepted:
                for _each in range(64):
                    accepted.enter_context(silent.accept()[0])
                assert threading.active_count() == before


def test_a_quiet_subscription_takes_little_memory() -> None:
    """Sessions may have thousands. What only a lost connection needs, such as its retries, is not there before."""
    count = 64
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener, contextlib.ExitStack() as accepted:
        listener.settimeout(LONG)
        with session_at(f"ws://127.0.0.1:{listener.getsockname()[1]}", simsync.Options()) as session:
            (sub,) = session.sub_sessions
            tracemalloc.start()
            try:
                for _each in range(count):
                    sub.subscribe("slotSubscribe")
                    accepted.enter_context(accept(listener, early=ACCEPTED))
                until(sub.queue.changed, lambda: all(status.up for status in sub.queue.subscriptions))
                gc.collect()
                taken = tracemalloc.take_snapshot()
            finally:
                tracemalloc.stop()
    ours = taken.filter_traces([tracemalloc.Filter(False, str(Path(__file__).parent / "*"))])
    assert sum(trace.size for trace in ours.traces) < count * 13 * 1024
