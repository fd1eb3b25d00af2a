"""A process that answers one parallel session at a time with frames that were built before anybody connected.

It says as little as it can, on plain sockets, so that what is measured is the client. The create request gets the
prepared answer. The first continue, of any sub-session, starts the stream; later ones change nothing. The stream goes
out with one ``sendall`` per chunk. Between two chunks it reads: pings are answered, ``closeBacktestSession`` with
``success``, a close frame with its echo.

It prints one line of JSON once it listens: the port, and the bytes of both parts of its traffic. It ends when its
standard input does, so it cannot outlive whoever started it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator

from benchmarks import traffic

_CLOSE = 0x8
_PING = 0x9
_PONG = 0xA
_FINAL = 0x80
_ACCEPT_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class _Gone(Exception):
    """The client has closed, or is no more."""


class _Connection:
    def __init__(self, sock: socket.socket, prepared: traffic.Traffic) -> None:
        self._sock = sock
        self._prepared = prepared
        self._received = bytearray()
        self._continued = False

    def serve(self) -> None:
        """Until the client goes."""
        self._upgrade()
        while not self._continued:
            self._answer(wait=True)
        for chunk in self._prepared.stream:
            self._sock.sendall(chunk)
            self._answer(wait=False)
        while True:
            self._answer(wait=True)

    def _upgrade(self) -> None:
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        self._received = bytearray(rest)
        fields = (line.partition(b":") for line in head.split(b"\r\n"))
        key = next(value.strip() for name, _, value in fields if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_KEY).digest())
        self._sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def _receive(self) -> None:
        data = self._sock.recv(65_536)
        if not data:
            raise _Gone
        self._received += data

    def _answer(self, *, wait: bool) -> None:
        if not wait and not select.select([self._sock], [], [], 0)[0]:
            return
        self._receive()
        for opcode, payload in self._frames():
            if opcode == _PING:
                self._sock.sendall(traffic.frame(payload, _FINAL | _PONG))
            elif opcode == _CLOSE:
                self._sock.sendall(traffic.frame(payload, _FINAL | _CLOSE))
                raise _Gone
            elif opcode != _PONG:
                self._obey(json.loads(payload)["method"])

    def _obey(self, method: str) -> None:
        if method == "createBacktestSession":
            self._sock.sendall(self._prepared.created)
        elif method.startswith("continue"):
            self._continued = True
        elif method == "closeBacktestSession":
            self._sock.sendall(traffic.frame(traffic.message("success")))

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        """The complete frames that were received; a client's are masked, and none of these is fragmented."""
        data = self._received
        while len(data) >= 6:
            size = data[1] & 0x7F
            start = 6
            if size >= 126:
                start = 8 if size == 126 else 14
                size = int.from_bytes(data[2 : start - 4], "big")
            if len(data) < start + size:
                return
            mask = data[start - 4 : start]
            payload = bytes(byte ^ mask[index & 3] for index, byte in enumerate(data[start : start + size]))
            opcode = data[0] & 0x0F
            del data[: start + size]
            yield opcode, payload


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--sessions", type=int, default=64)
    options = parser.parse_args()
    prepared = traffic.build(options.events, options.sessions)
    threading.Thread(target=_end_with_input, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready = {
            "port": listener.getsockname()[1],
            "created_bytes": len(prepared.created),
            "stream_bytes": sum(map(len, prepared.stream)),
        }
        print(json.dumps(ready), flush=True)
        while True:
            sock, _address = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock, contextlib.suppress(_Gone, OSError):
                _Connection(sock, prepared).serve()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # the main thread may be in a call that nothing ends


if __name__ == "__main__":
    main()
