"""Connecting without a thread: what the server may answer, in which pieces, and when it is given up."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from typing import Callable

import pytest

import simsync
from simsync.errors import HttpStatusError
from simsync.runtime.connector import ConnectFailed
from simsync.runtime.exhaustion import Exhausted
from simsync.runtime.polled_connector import PolledConnector, plain_address
from simsync.runtime.polled_websocket import PolledWebSocket
from simsync.runtime.task_loop import Steps, Task, TaskLoop
from simsync.runtime.waiting import READ

from .wire_peer import SAFETY_NET, TEXT, accept_key, encode

USUAL = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"
)
UNUSUAL = (
    "HTTP/1.1 101 Welcome\r\nServer: x\r\nsec-websocket-accept:{}\r\nconnection: keep-alive, upgrade\r\n"
    "upgrade:WebSocket\r\n\r\n"
)


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket, str], None]) -> Iterator[tuple[str, queue.SimpleQueue[str]]]:
    """A server for one client; ``answer`` gets its socket and key. Yields the address and the requests."""
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()

    def serve() -> None:
        sock, _address = listener.accept()
        with sock:
            sock.settimeout(SAFETY_NET)
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += sock.recv(4096)
            requests.put(request.decode())
            key = next(line[19:] for line in request.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
            answer(sock, key)
            with contextlib.suppress(OSError):
                sock.recv(1)  # until the client closes

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SAFETY_NET)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/backtest/a?x=1", requests
        thread.join(SAFETY_NET)
        assert not thread.is_alive()


def connected(
    url: str,
    options: simsync.Options,
    *,
    abort: str | None = None,
    limits: contextlib.AbstractContextManager[None] | None = None,
) -> PolledWebSocket:
    """The connection that a task makes, within ``limits``. Raises what it gets."""
    outcome: list[PolledWebSocket | BaseException] = []
    limits = contextlib.nullcontext() if limits is None else limits
    connector = PolledConnector(PolledWebSocket, url, options)
    address = plain_address(url)
    assert address is not None

    def steps() -> Steps[None]:
        try:
            with limits:
                outcome.append((yield from connector.steps(task, address)))
        except BaseException as error:  # noqa: BLE001  raised in the thread of the test
            outcome.append(error)

    task = Task(TaskLoop("tasks"))
    task.start(steps())
    if abort is not None:
        connector.abort(abort)
    assert task.join(SAFETY_NET)
    (found,) = outcome
    if isinstance(found, BaseException):
        raise found
    return found


@pytest.mark.parametrize("answer", [USUAL, UNUSUAL])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_answer_in_any_pieces_and_what_follows_it(answer: str, size: int) -> None:
    data = encode(TEXT, b"early")

    def reply(sock: socket.socket, key: str) -> None:
        whole = answer.format(accept_key(key)).encode() + data
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(whole), size):
            sock.sendall(whole[start : start + size])

    with answering(reply) as (url, requests):
        ws = connected(url.replace("//", "//user:word@"), simsync.Options())
        try:
            received = list(ws.receive())
            while not received:
                ws.wait_for_more()
                received = list(ws.receive())
        finally:
            ws.shutdown()
    assert received == [b"early"]
    assert ws.wanted == READ
    request = requests.get_nowait()
    assert request.startswith("GET /backtest/a?x=1 HTTP/1.1\r\n")
    assert f"\r\nHost: {url.split('/')[2]}\r\n" in request
    assert f"\r\nUser-Agent: simsync/{simsync.__version__}\r\n" in request


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_refusal_comes_with_its_body(size: int) -> None:
    def reply(sock: socket.socket, _key: str) -> None:
        whole = b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\nRetry-After: 7\r\n\r\ncome back"
        for start in range(0, len(whole), size):
            sock.sendall(whole[start : start + size])

    with answering(reply) as (url, _requests):
        with pytest.raises(ConnectFailed, match="come back") as failed:
            connected(url, simsync.Options())
    error = failed.value.error
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.retry_after, failed.value.final) == (503, 7.0, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: web",
        USUAL.format("d3Jvbmc=").encode(),
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"x" * 70_000,
    ],
    ids=["closed", "cut off", "wrong key", "not HTTP", "endless"],
)
def test_an_answer_that_is_none(answer: bytes) -> None:
    def reply(sock: socket.socket, _key: str) -> None:
        with contextlib.suppress(OSError):
            sock.sendall(answer)
            sock.shutdown(socket.SHUT_WR)

    with answering(reply) as (url, _requests):
        with pytest.raises(ConnectFailed, match="could not connect to ws") as failed:
            connected(url, simsync.Options())
    assert not failed.value.final


@pytest.mark.parametrize("abort", [None, "it was closed"])
def test_a_server_that_does_not_answer_is_given_up(abort: str | None) -> None:
    options = simsync.Options(connect_timeout=0.1 if abort is None else SAFETY_NET)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(ConnectFailed, match=abort or r"no connection in time \(0.1 s allowed\)"):
            connected(f"ws://127.0.0.1:{silent.getsockname()[1]}/", options, abort=abort)
        assert time.monotonic() < began + SAFETY_NET / 2


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_without_a_descriptor_it_names_the_limit() -> None:
    with pytest.raises(Exhausted, match="2 more per subscription; raise `ulimit -n`"):
        connected("ws://127.0.0.1:9/", simsync.Options(), limits=no_descriptor_left())


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectFailed, match="nothing is listening") as failed:
        connected(f"ws://127.0.0.1:{port}/", simsync.Options())
    assert failed.value.unreachable


def test_what_blocks_needs_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert plain_address("ws://10.0.0.1:80/") is not None
    assert plain_address("ws://[::1]:80/") is not None
    assert plain_address("ws://localhost:80/") is None  # a name
    assert plain_address("wss://10.0.0.1/") is None
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert plain_address("ws://10.0.0.1:80/") is None
    assert plain_address("ws://127.0.0.1:80/") is not None
