"""How long a call over HTTP takes: it ends after ``rpc_timeout``, and a server's ``Retry-After`` is obeyed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Callable

import pytest

import simsync
from simsync.errors import ConnectError, HttpStatusError
from simsync.runtime.retry_after import seconds_to_wait
from tests.runtime.proxy_peers import Asked, answering, read_head, serving

RESULT = b'{"jsonrpc": "2.0", "id": 1, "result": 5}'


def trickling(head: bytes, body: bytes) -> Callable[[socket.socket, Asked], None]:
    """Send a reply one byte at a time, more often than any timeout of a single read."""

    def handle(sock: socket.socket, asked: Asked) -> None:
        asked.heads.append(read_head(sock))
        sock.sendall(head)
        gone = threading.Event()
        for position in range(len(body)):
            sock.sendall(body[position : position + 1])
            gone.wait(0.05)

    return handle


TRICKLES = {
    "body": trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", b" " * 4000),
    "chunks": trickling(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 800),
    "headers": trickling(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n" * 400),
    "status line": trickling(b"", b"HTTP/1.1 200 " + b"O" * 4000),
}
CALLS: dict[str, Callable[[str, simsync.Options], object]] = {
    "call": lambda url, options: simsync.Rpc(f"{url}/x", options).call("getSlot"),
    "read": lambda url, options: simsync.Rpc(f"{url}/x", options).get_slot(),
    "service": lambda url, options: simsync.Client(url, "key", options=options).available_ranges(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("what", TRICKLES)
def test_a_reply_that_trickles_ends_with_the_call(what: str, call: str) -> None:
    with serving(TRICKLES[what]) as server:
        began = time.monotonic()
        with pytest.raises(ConnectError, match=r"no complete answer within 0\.5 s"):
            CALLS[call](f"http://127.0.0.1:{server.port}", simsync.Options(rpc_timeout=0.5))
        assert time.monotonic() - began < 3.0
    assert len(server.heads) == 1


def test_a_request_that_is_hardly_read_ends_with_the_call() -> None:
    def hardly(sock: socket.socket, asked: Asked) -> None:
        while sock.recv(4096):
            threading.Event().wait(0.05)

    with serving(hardly) as server:
        rpc = simsync.Rpc(f"http://127.0.0.1:{server.port}/x", simsync.Options(rpc_timeout=0.5))
        began = time.monotonic()
        with pytest.raises(ConnectError, match="no complete answer"):
            rpc.call("modifyAccounts", ["x" * 30_000_000])
        assert time.monotonic() - began < 5.0


def test_a_connection_takes_its_own_timeout_at_most() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", f"http://127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ConnectError, match="in time"):
            simsync.Rpc("http://sim.test/x", simsync.Options(connect_timeout=0.2, rpc_timeout=60.0)).call("getSlot")
        assert time.monotonic() - began < 5.0


def in_turn(*answers: bytes) -> Callable[[socket.socket, Asked], None]:
    left = list(answers)

    def handle(sock: socket.socket, asked: Asked) -> None:
        asked.heads.append(read_head(sock))
        sock.sendall(left.pop(0))

    return handle


def refusal(status: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Length: 0", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


RIGHT = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(RESULT), RESULT)


@pytest.mark.parametrize(
    "headers",
    [["Retry-After: 1"], [f"Date: {formatdate(0, usegmt=True)}", f"Retry-After: {formatdate(1, usegmt=True)}"]],
)
@pytest.mark.parametrize("status", ["429 Slow down", "503 Later"])
def test_no_request_comes_before_the_server_wants_it(status: str, headers: list[str]) -> None:
    with serving(in_turn(refusal(status, *headers), RIGHT)) as server:
        began = time.monotonic()
        assert simsync.Rpc(f"http://127.0.0.1:{server.port}/x").get_slot() == 5
        assert 1.0 <= time.monotonic() - began < 10.0


def test_a_server_that_wants_longer_than_the_call_may_take_is_not_asked_again() -> None:
    with serving(answering(refusal("429 Slow down", "Retry-After: 60"))) as server:
        began = time.monotonic()
        with pytest.raises(HttpStatusError, match="try again in 60 s") as caught:
            simsync.Rpc(f"http://127.0.0.1:{server.port}/x", simsync.Options(rpc_timeout=20.0)).get_slot()
        assert time.monotonic() - began < 5.0
    assert caught.value.retry_after == 60.0
    assert len(server.heads) == 1


def test_an_upgrade_is_not_tried_before_the_server_wants_it() -> None:
    with serving(answering(refusal("503 Later", "Retry-After: 1"))) as server:
        options = simsync.Options(reconnect_attempts=1, backoff_initial=0.001, reconnect_window=30.0)
        began = time.monotonic()
        with pytest.raises(HttpStatusError, match="503"):
            simsync.Client(f"ws://127.0.0.1:{server.port}", "key", options=options).session(
                simsync.CreateSession(1, 2), timeout=20
            )
        assert 1.0 <= time.monotonic() - began < 10.0
    assert len(server.heads) == 2


def test_an_outage_that_the_server_says_is_too_long_ends_at_once() -> None:
    with serving(answering(refusal("503 Later", "Retry-After: 3600"))) as server:
        began = time.monotonic()
        with pytest.raises(HttpStatusError, match="try again in 3600 s"):
            simsync.Client(f"ws://127.0.0.1:{server.port}", "key").session(simsync.CreateSession(1, 2), timeout=20)
        assert time.monotonic() - began < 10.0


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("2", None, 2.0),
        (" 120 ", None, 120.0),
        ("1.5", None, 1.5),
        (formatdate(100, usegmt=True), formatdate(90, usegmt=True), 10.0),
        (formatdate(90, usegmt=True), formatdate(100, usegmt=True), 0.0),
        (formatdate(0, usegmt=True), None, 0.0),
        (formatdate(100, usegmt=True), "Thu, 01 Jan 1970 00:01:30 -0000", 10.0),
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", None, 0.0),
        ("99999999999999", None, 7 * 86_400.0),
        ("-5", None, 0.0),
        ("soon", None, 0.0),
        ("inf", None, 0.0),
        ("", None, 0.0),
        (None, None, 0.0),
    ],
)
def test_what_the_header_means(value: str | None, date: str | None, seconds: float) -> None:
    assert seconds_to_wait(value, date) == seconds


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with contextlib.suppress(KeyError):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
    yield
