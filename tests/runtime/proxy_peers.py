"""Proxies for these tests, for HTTP (CONNECT) and for SOCKS 5. Every name leads to this machine."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Callable


class Asked:
    """What a proxy was asked for: the heads of the requests, and the hosts."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self.hosts: list[str] = []


def pump(left: socket.socket, right: socket.socket) -> None:
    """Copy both ways until one side ends."""
    while True:
        for source in select.select([left, right], [], [])[0]:
            piece = source.recv(65_536)
            if not piece:
                return
            (right if source is left else left).sendall(piece)


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket, Asked], None]) -> Iterator[Asked]:
    asked = Asked()
    open_sockets: list[socket.socket] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            open_sockets.append(self.request)
            with contextlib.suppress(OSError):
                handle(self.request, asked)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = False  # so that closing waits for them

    with Server(("127.0.0.1", 0), Handler) as server:
        asked.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()
            for sock in open_sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def read_head(sock: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(4096)
        if not piece:
            break
        head += piece
    return head


def tunnel(sock: socket.socket, asked: Asked) -> None:
    """Connect as asked."""
    head = read_head(sock)
    asked.heads.append(head)
    host, _, port = head.split()[1].decode().rpartition(":")
    asked.hosts.append(host)
    with socket.create_connection(("127.0.0.1", int(port))) as target:
        sock.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: this\r\n\r\n")
        pump(sock, target)


def answering(answer: bytes) -> Callable[[socket.socket, Asked], None]:
    """Give every request the same answer."""

    def handle(sock: socket.socket, asked: Asked) -> None:
        asked.heads.append(read_head(sock))
        sock.sendall(answer)

    return handle


def socks(reply: int = 0, *, method: int = 0) -> Callable[[socket.socket, Asked], None]:
    """Speak SOCKS 5; ``reply`` is the code of the answer, ``method`` what it demands to log in."""

    def handle(sock: socket.socket, asked: Asked) -> None:
        file = sock.makefile("rb")
        version, count = file.read(2)
        file.read(count)
        asked.heads.append(bytes([version]))
        sock.sendall(bytes([5, method]))
        if method == 2:
            _version, length = file.read(2)
            name = file.read(length)
            asked.heads.append(name + b":" + file.read(file.read(1)[0]))
            sock.sendall(b"\x01\x00")
        elif method:
            return
        _version, _command, _reserved, kind = file.read(4)
        host = file.read(file.read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(file.read(4))
        port = int.from_bytes(file.read(2), "big")
        asked.hosts.append(host)
        sock.sendall(bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not reply:
            with socket.create_connection(("127.0.0.1", port)) as target:
                pump(sock, target)

    return handle
