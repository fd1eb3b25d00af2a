"""Connecting a subscription in the thread that reads all of them, if none of it blocks.

That is so for the address of a host on plain TCP, without a proxy. To resolve a name, to ask a proxy and for TLS there
is a thread for each connection (:mod:`simsync.runtime.connector`).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from simsync._version import __version__
from simsync.runtime.addresses import PENDING, Address, configured
from simsync.runtime.connector import Connector
from simsync.runtime.polled_websocket import PolledWebSocket
from simsync.runtime.proxies import proxy_for, target
from simsync.runtime.task_loop import Steps, Task, Wait
from simsync.runtime.waiting import READ, WRITE

_LONGEST_ANSWER = 64 * 1024
_PIECE = 4096
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
_END = b"\r\n\r\n"
_BODY = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)


class PolledConnector(Connector[PolledWebSocket]):
    """As a :class:`Connector`, for a task."""

    def steps(self, task: Task, address: Address | None) -> Steps[PolledWebSocket]:
        """Make the connection. Returns and raises as :meth:`Connector.connection`.

        ``address``: what :func:`plain_address` has found.
        """
        if address is None:
            self.start(task.wake)
            while not self.has_ended():
                # wait: subscription | a connection | `simsync-connect`; `Connector.abort` | `connect_timeout`
                yield Wait(self.give_up_at)
        else:
            self._tell = task.wake
            self._deadline = time.monotonic() + self._options.connect_timeout
            try:
                self._outcome = yield from self._connect_here(task, address)
            except Exception as error:  # noqa: BLE001  `connection` says what it means
                self._outcome = error
        return self.connection()

    def _connect_here(self, task: Task, address: Address) -> Steps[PolledWebSocket]:
        sock = configured(socket.socket(*address[:3]))
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address[4])
            if code not in PENDING:
                raise OSError(code, os.strerror(code))
            key = base64.b64encode(os.urandom(16))
            answer = yield from self._exchange(sock, _request(self._url, key))
            head, _end, rest = answer.partition(_END)
            if _is_usual(head, key):
                self._ws.take_over(sock, rest)
            else:
                self._let_library_judge(sock, key, answer)
            self._abort.finish()
        except BaseException:
            task.unwatch()
            sock.close()
            self._ws.shutdown()
            raise
        return self._ws

    def _let_library_judge(self, sock: socket.socket, key: bytes, answer: bytes) -> None:
        """It says what is wrong with an answer, in the same words as for every other connection."""
        answered: Any = _Answered(sock, answer)
        self._upgrade(self._ws, answered, **{"Sec-WebSocket-Key": key.decode("ascii")})
        self._ws.sock = sock

    def _exchange(self, sock: socket.socket, request: bytes) -> Steps[bytes]:
        """Send the request once the connection is there, and return the answer, as far as it came."""
        answer = b""
        while request:
            yield from self._ready(sock, WRITE)
            try:
                request = request[sock.send(request) :]
            except BlockingIOError:
                continue
        while not _is_whole(answer):
            yield from self._ready(sock, READ)
            try:
                piece = sock.recv(_PIECE)
            except BlockingIOError:
                continue
            answer += piece
            if not piece or len(answer) > _LONGEST_ANSWER:
                break
        return answer

    def _ready(self, sock: socket.socket, wanted: int) -> Steps[None]:
        # Before the wait: what has come by then is looked at first, however busy this thread was.
        if time.monotonic() >= self._deadline:
            self._abort.fire("no connection in time")
        self._abort.check()
        # wait: subscription | a connection | the peer; `Connector.abort` | `connect_timeout`
        yield Wait(self._deadline, sock, wanted)
        self._abort.check()


class _Answered:
    """Stands for a socket over which the upgrade was asked for and answered, so that the library checks the answer."""

    def __init__(self, sock: socket.socket, answer: bytes) -> None:
        self._sock = sock
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, data: bytes) -> int:
        return len(data)

    def recv(self, _size: int) -> bytes:
        answer, self._answer = self._answer, b""
        return answer


def plain_address(url: str) -> Address | None:
    """Return where to connect, if nothing about it blocks."""
    parts = urlsplit(url)
    if parts.scheme != "ws":
        return None
    host, port = target(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return (*found[0],) if proxy_for(url) is None else None
    except (OSError, UnicodeError):  # a name, or a proxy that cannot be meant
        return None


def _request(url: str, key: bytes) -> bytes:
    parts = urlsplit(url)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    lines = (
        f"GET {path} HTTP/1.1",
        "Upgrade: websocket",
        f"Host: {parts.netloc.rpartition('@')[2]}",
        f"Sec-WebSocket-Key: {key.decode('ascii')}",
        "Sec-WebSocket-Version: 13",
        "Connection: Upgrade",
        f"User-Agent: simsync/{__version__}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


def _is_usual(head: bytes, key: bytes) -> bool:
    """Whether an answer accepts the upgrade, as nearly all servers write it."""
    accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    wanted = (b"upgrade: websocket", b"connection: upgrade", b"sec-websocket-accept: " + accepted.lower())
    status, *lines = head.lower().split(b"\r\n")
    return status.startswith(b"http/1.1 101 ") and set(wanted) <= set(lines)


def _is_whole(answer: bytes) -> bool:
    """Whether the library needs no more: the head, and for a refusal the body that it announces."""
    end = answer.find(_END)
    if end < 0:
        return False
    body = _BODY.search(answer, 0, end + 2)
    return answer[9:12] == b"101" or body is None or len(answer) >= end + len(_END) + int(body.group(1))
