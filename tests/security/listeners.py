"""Servers for these tests: one that sends the same reply to every client, and a TLS proxy."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator


class Listener:
    """Sends each connection the same reply and stores the bytes of each request."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.port = 0

    @property
    def heard(self) -> bytes:
        return b"\n".join(self.requests)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 64


@contextlib.contextmanager
def _serving(server: _Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def listening(answer: bytes) -> Iterator[Listener]:
    listener = Listener(answer)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            request = b""
            with contextlib.suppress(OSError):
                while b"\r\n\r\n" not in request:
                    piece = self.request.recv(65_536)
                    if not piece:
                        break
                    request += piece
                listener.requests.append(request)
                self.request.sendall(listener.answer)

    with _Server(("127.0.0.1", 0), Handler) as server, _serving(server):
        listener.port = server.server_address[1]
        yield listener


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.contextmanager
def tls_in_front_of(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Run a TLS proxy in front of a port of this machine; yields its port."""
    open_sockets: set[socket.socket] = set()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            open_sockets.add(self.request)
            with contextlib.suppress(OSError):  # clients that turn away are what is tested
                with context.wrap_socket(self.request, server_side=True) as secure:
                    open_sockets.add(secure)
                    with socket.create_connection(("127.0.0.1", port)) as plain:
                        _pass_on(secure, plain)

    with _Server(("127.0.0.1", 0), Handler) as server, _serving(server):
        yield server.server_address[1]
        for sock in open_sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _pass_on(secure: ssl.SSLSocket, plain: socket.socket) -> None:
    """Copy both ways until one side ends, in one thread, because a TLS object must not be shared."""
    while True:
        ready, _, _ = select.select([secure, plain], [], [])
        for source, target in ((secure, plain), (plain, secure)):
            if source in ready:
                piece = source.recv(65_536)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    piece += source.recv(65_536)
                if not piece:
                    return
                target.sendall(piece)
