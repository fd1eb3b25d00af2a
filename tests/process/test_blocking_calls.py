"""A signal in the main thread during each call that waits: Ctrl-C ends it, a handler that returns does not."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

import pytest

import simsync

from ..runtime.scripted_control import SESSION, Talk, scripted
from ..runtime.wire_peer import CLOSE, SAFETY_NET, close_frame

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")

OPTIONS = simsync.Options(close_timeout=0.2, queue_continues=True, continue_grace=60.0)


@dataclass
class Call:
    """A call that waits until the server is released, and whether its result is right.

    ``before`` and ``after`` the release: what the server does. ``prepare``: makes what the call is made on.
    """

    call: Callable[[Any], Any]
    result: Callable[[Any], bool]
    before: Callable[[Talk], object] = Talk.create
    after: Callable[[Talk], object] = lambda talk: talk.event(3, "slotNotification", 2)
    prepare: Callable[[simsync.Client], Any] = lambda client: drained(client)
    options: simsync.Options = OPTIONS


def drained(client: simsync.Client) -> simsync.ParallelSession:
    """A session whose first two events were taken."""
    session = client.parallel(simsync.CreateSession(1, 9), timeout=20)
    (sub,) = session.sub_sessions
    assert [sub.next_event(timeout=20), sub.next_event(timeout=20)] == [simsync.Slot(1), simsync.ReadyForContinue()]
    return session


def running(client: simsync.Client) -> simsync.ParallelSession:
    session = drained(client)
    session.sub_sessions[0].send_continue(timeout=20)
    return session


def create_and_take(talk: Talk) -> None:
    talk.create()
    talk.expect("continueSessionV1")


def answer(talk: Talk) -> None:
    talk.event(3, "slotNotification", 2)
    talk.event(4, "readyForContinue")


def finish_single(talk: Talk) -> None:
    talk.send("sessionCreated", {"session_id": SESSION, "rpc_endpoint": "/backtest/a"})


def finish_attach(talk: Talk) -> None:
    talk.send("sessionAttached", {"session_id": SESSION, "rpc_endpoint": "/backtest/a"})
    talk.expect("resumeAttachedSession")
    talk.send("success")
    hang_up_together(talk)


def begin_close(talk: Talk) -> None:
    talk.create()
    talk.expect("closeBacktestSession")


def finish_close(talk: Talk) -> None:
    talk.send("success")
    hang_up_together(talk)


def hang_up_together(talk: Talk) -> None:
    talk.expect_frame(CLOSE)
    talk.sock.sendall(close_frame(1000))


def is_slot(event: Any) -> bool:
    return bool(event == simsync.Slot(2))


def itself(client: simsync.Client) -> simsync.Client:
    return client


def first(session: simsync.ParallelSession) -> simsync.SubSession:
    return session.sub_sessions[0]


CALLS = {
    "next_event": Call(lambda session: first(session).next_event(), is_slot),
    "events": Call(lambda session: next(iter(first(session).events())), is_slot),
    "next of events": Call(lambda session: next(first(session).events(timeout=60)), is_slot),
    "session.events": Call(lambda session: next(iter(session.events()))[1], is_slot),
    "map": Call(
        lambda session: session.map(lambda sub: sub.next_event(timeout=60)), lambda found: is_slot(found[0].value)
    ),
    "send_continue": Call(
        lambda session: first(session).send_continue(), lambda found: found is None, create_and_take, answer, running
    ),
    "ensure_ready": Call(
        lambda session: first(session).ensure_ready(), lambda found: found is True, create_and_take, answer, running
    ),
    "advance": Call(
        lambda session: first(session).advance(), lambda step: bool(step.slots == (2,)), create_and_take, answer
    ),
    "close": Call(
        lambda session: session.close(),
        lambda found: found is None,
        begin_close,
        finish_close,
        options=simsync.Options(close_timeout=20.0),
    ),
    "parallel": Call(
        lambda client: client.parallel(simsync.CreateSession(1, 9)),
        lambda session: len(session.sub_sessions) == 1,
        lambda talk: talk.expect("createBacktestSession"),
        Talk.finish_create,
        itself,
    ),
    "session": Call(
        lambda client: client.session(simsync.CreateSession(1, 9)),
        lambda session: bool(session.session_id == SESSION),
        lambda talk: talk.expect("createBacktestSession"),
        finish_single,
        itself,
    ),
    "attach": Call(
        lambda client: client.attach(SESSION),
        lambda session: bool(session.session_id == SESSION),
        lambda talk: talk.expect("attachBacktestSession"),
        finish_attach,
        itself,
        simsync.Options(continue_grace=0.1, close_timeout=0.5),
    ),
}

HTTP_CALLS: dict[str, tuple[Callable[[simsync.Client], Any], Any]] = {
    "rpc call": (lambda client: simsync.Rpc(client.url.replace("ws:", "http:")).get_slot(), 7),
    "available_ranges": (lambda client: client.available_ranges(), []),
    "wait_for_bundle": (lambda client: client.wait_for_bundle("b").request_id, "b"),
}


@contextlib.contextmanager
def controlled(call: Call) -> Iterator[tuple[simsync.Client, threading.Event]]:
    released = threading.Event()

    def script(talk: Talk) -> None:
        call.before(talk)
        assert released.wait(SAFETY_NET)
        with contextlib.suppress(OSError, AssertionError):  # an interrupted client may have gone
            call.after(talk)
        talk.expect_end()

    with scripted(script) as url:
        try:
            yield simsync.Client(url, "", options=call.options), released
        finally:
            released.set()


@contextlib.contextmanager
def answering() -> Iterator[tuple[simsync.Client, threading.Event]]:
    """An HTTP server that holds each answer back until it is released."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply({"jsonrpc": "2.0", "id": request["id"], "result": 7})

        def do_GET(self) -> None:
            self.reply([] if "ranges" in self.path else {"request_id": "b", "status": "completed"})

        def reply(self, value: Any) -> None:
            assert released.wait(SAFETY_NET)
            body = json.dumps(value).encode()
            with contextlib.suppress(OSError):  # an interrupted client has gone
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield simsync.Client(f"http://127.0.0.1:{server.server_address[1]}", "", options=OPTIONS), released
        finally:
            released.set()
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def once_blocked(act: Callable[[], object]) -> Iterator[None]:
    """Act from another thread when this one, which is the main one, has come to a standstill in what follows."""
    over = threading.Event()
    main = threading.get_ident()

    def watch() -> None:
        stood, place = 0, None
        while stood < 10 and not over.wait(0.005):
            frame = sys._current_frames()[main]
            here = (frame.f_code, frame.f_lasti)
            stood = stood + 1 if here == place else 0
            place = here
        if not over.is_set():
            act()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def handling(handler: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Handle SIGINT; yields how to send one to this thread, which is the main one."""
    main = threading.get_ident()
    before = signal.signal(signal.SIGINT, lambda _number, _frame: handler())
    try:
        yield lambda: signal.pthread_kill(main, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted(call: Callable[[], Any], released: threading.Event) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with handling(interrupt) as send, once_blocked(send):
        with pytest.raises(KeyboardInterrupt):
            call()
    assert not released.is_set()  # so nothing but the signal has ended it


def goes_on(call: Callable[[], Any], released: threading.Event) -> Any:
    handled = threading.Event()

    def interrupt_and_release() -> None:
        send()
        assert handled.wait(SAFETY_NET)
        released.set()

    with handling(handled.set) as send, once_blocked(interrupt_and_release):
        return call()


def close(one: Any) -> None:
    if hasattr(one, "close"):
        one.close()


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_ends_the_wait_and_closing_works(name: str) -> None:
    call = CALLS[name]
    with controlled(call) as (client, released):
        subject = call.prepare(client)
        interrupted(lambda: call.call(subject), released)
        released.set()
        close(subject)


@pytest.mark.parametrize("name", ["next_event", "session.events", "map", "send_continue", "close", "parallel"])
def test_ctrl_c_is_noticed_if_it_did_not_end_the_wait(name: str) -> None:
    """CPython notes a signal that comes right before a wait, or in another thread, and waits all the same."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    def note() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    call = CALLS[name]
    with controlled(call) as (client, released):
        subject = call.prepare(client)
        with handling(interrupt), once_blocked(note):
            with pytest.raises(KeyboardInterrupt):
                call.call(subject)
        assert not released.is_set()
        released.set()
        close(subject)


@pytest.mark.parametrize("name", CALLS)
def test_a_handler_that_returns_lets_the_call_go_on(name: str) -> None:
    call = CALLS[name]
    with controlled(call) as (client, released):
        subject = call.prepare(client)
        result = goes_on(lambda: call.call(subject), released)
        assert call.result(result)
        close(result)
        close(subject)


@pytest.mark.parametrize("name", HTTP_CALLS)
def test_ctrl_c_ends_a_request(name: str) -> None:
    call, _result = HTTP_CALLS[name]
    with answering() as (client, released):
        interrupted(lambda: call(client), released)


@pytest.mark.parametrize("name", HTTP_CALLS)
def test_a_handler_that_returns_lets_a_request_go_on(name: str) -> None:
    call, result = HTTP_CALLS[name]
    with answering() as (client, released):
        assert goes_on(lambda: call(client), released) == result
