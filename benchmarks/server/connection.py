"""The server's side of a WebSocket on a blocking socket, and of a control or a data connection on top of it."""

from __future__ import annotations

import base64
import hashlib
import json
import select
import socket
import ssl

from benchmarks import traffic, transactions

_CLOSE = 0x8
_PING = 0x9
_PONG = 0xA
_FINAL = 0x80
_ACCEPT_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Gone(Exception):
    """The client has closed, or is no more."""


class Connection:
    """An upgraded connection. ``path`` is what the client asked for. Pings and close frames are answered on the way."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        self._received = bytearray(rest)
        lines = head.split(b"\r\n")
        self.path = lines[0].split(b" ")[1].decode()
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        key = fields.get(b"sec-websocket-key")
        if key is None:
            self.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            raise Gone
        accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_KEY).digest())
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def messages(self, *, wait: bool = True) -> list[bytes]:
        """What one read brings, perhaps nothing."""
        if not wait and not self._has_data():
            return []
        self._receive()
        return self._take_messages()

    def serve_until_gone(self) -> None:
        while True:
            self.messages()

    def _has_data(self) -> bool:
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        poll = select.poll()  # select() knows 1,024 descriptors
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def _receive(self) -> None:
        data = self._sock.recv(65_536)
        if not data:
            raise Gone
        self._received += data

    def _take_messages(self) -> list[bytes]:
        """The complete ones; a client's frames are masked, and none of these is fragmented."""
        data = bytes(self._received)
        end = len(data)
        position = 0
        found = []
        while end - position >= 6:
            size = data[position + 1] & 0x7F
            start = position + 6
            if size >= 126:
                start = position + (8 if size == 126 else 14)
                size = int.from_bytes(data[position + 2 : start - 4], "big")
            if end < start + size:
                break
            payload = _unmasked(data[start : start + size], data[start - 4 : start])
            opcode = data[position] & 0x0F
            position = start + size
            if opcode == _PING:
                self.send(traffic.frame(payload, _FINAL | _PONG))
            elif opcode == _CLOSE:
                self.send(traffic.frame(payload, _FINAL | _CLOSE))
                raise Gone
            elif opcode != _PONG:
                found.append(payload)
        del self._received[:position]
        return found


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")


class ControlConnection:
    """Answers the create request and the close; everybody else's business are the continues."""

    def __init__(self, connection: Connection, created: bytes) -> None:
        self._connection = connection
        self._created = created
        self.send = connection.send

    def continues(self, *, wait: bool = True) -> list[bytes]:
        """The continues that one read brings, as JSON text."""
        found = []
        for text in self._connection.messages(wait=wait):
            if b'"continue' in text:
                found.append(text)
            elif b'"createBacktestSession"' in text:
                self.send(self._created)
            elif b'"closeBacktestSession"' in text:
                self.send(traffic.frame(traffic.message("success")))
        return found

    def wait_for_continue(self) -> None:
        """The first one, of any sub-session."""
        while not self.continues():
            pass

    def serve_until_gone(self) -> None:
        while True:
            self.continues()


class DataConnection:
    """Answers the subscribe, which says in ``configuration`` how the notifications are to be sent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.send = connection.send
        self.serve_until_gone = connection.serve_until_gone
        requests: list[bytes] = []
        while not requests:
            requests = connection.messages()
        request = json.loads(requests[0])
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": transactions.SUBSCRIPTION}
        self.send(traffic.frame(json.dumps(answer).encode()))
        self.configuration: dict[str, object] = request["params"][1]

    def answer_pings(self) -> None:
        self._connection.messages(wait=False)
