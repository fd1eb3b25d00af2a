"""The other end of a WebSocket, byte by byte: a peer for tests that decides itself what goes over the wire, and when.

Two kinds: :class:`Pair` is one end of a socket pair and needs no thread, so a test knows exactly which bytes the client
has when it reads. :func:`serving` is a thread behind a real loopback connection, with or without TLS.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple, Union

import websocket

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

SAFETY_NET = 30.0
"""Seconds after which a peer gives up, so that a broken test ends; no test comes near it."""

_KEY = base64.b64encode(b"sixteen bytes!!!").decode()

Script = Callable[[socket.socket], None]


class Frame(NamedTuple):
    """A frame as the peer got it from the client."""

    opcode: int
    payload: bytes
    final: bool = True
    masked: bool = True


def encode(
    opcode: int, payload: bytes = b"", *, final: bool = True, rsv: int = 0, mask: bytes = b"", length_bits: int = 0
) -> bytes:
    """The bytes of one frame, also of a forbidden one. ``length_bits``: 7, 16 or 64; 0 is the shortest that does."""
    size = len(payload)
    bits = length_bits or (7 if size < 126 else 16 if size < 65536 else 64)
    length = {7: bytes([size & 0x7F]), 16: struct.pack("!BH", 126, size & 0xFFFF), 64: struct.pack("!BQ", 127, size)}[
        bits
    ]
    head = bytes([final << 7 | rsv << 4 | opcode, length[0] | (0x80 if mask else 0)]) + length[1:] + mask
    return head + (masked(payload, mask) if mask else payload)


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return encode(CLOSE, struct.pack("!H", code) + reason)


def masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class FrameParser:
    """Turns the bytes that a client sends into frames."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        buffer = self.rest + data
        frames: list[Frame] = []
        while True:
            frame, size = _first_frame(buffer)
            if frame is None:
                self.rest = buffer
                return frames
            frames.append(frame)
            buffer = buffer[size:]


def _first_frame(buffer: bytes) -> tuple[Frame | None, int]:
    if len(buffer) < 2:
        return None, 0
    length = buffer[1] & 0x7F
    start = 2
    if length >= 126:
        start += 2 if length == 126 else 8
        length = int.from_bytes(buffer[2:start], "big")
    has_mask = bool(buffer[1] & 0x80)
    mask = buffer[start : start + 4] if has_mask else b""
    start += len(mask) if len(mask) == 4 else 4 * has_mask
    if len(buffer) < start + length:
        return None, 0
    payload = buffer[start : start + length]
    frame = Frame(buffer[0] & 0x0F, masked(payload, mask) if mask else payload, bool(buffer[0] & 0x80), has_mask)
    return frame, start + length


class Pair:
    """The far end of a socket pair whose near end is a connected client. What is delivered is there at once."""

    def __init__(self, client: websocket.WebSocket, early: bytes = b"") -> None:
        """Connect ``client``; ``early`` are bytes that come together with the response to the upgrade."""
        near, self.sock = socket.socketpair()
        try:
            near.settimeout(SAFETY_NET)
            self.sock.settimeout(SAFETY_NET)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)  # room for what nobody reads yet
            self.deliver(_response(_KEY) + early)
            client.connect("ws://peer.test/path", socket=near, header={"Sec-WebSocket-Key": _KEY})
            _read_request(self.sock)
        except BaseException:
            near.close()
            self.sock.close()
            raise
        self._parser = FrameParser()
        self._frames: list[Frame] = []

    def deliver(self, data: bytes) -> None:
        self.sock.sendall(data)

    def end(self) -> None:
        """The peer sends no more, but still reads."""
        self.sock.shutdown(socket.SHUT_WR)

    def received(self) -> bytes:
        """Take all that the client has sent and that is not taken yet, without waiting."""
        chunks: list[bytes] = []
        self.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while True:
                chunk = self.sock.recv(1 << 20)
                if not chunk:
                    break
                chunks.append(chunk)
        self.sock.settimeout(SAFETY_NET)
        return b"".join(chunks)

    def frames(self) -> list[Frame]:
        """All frames that the client has sent so far."""
        self._frames += self._parser.feed(self.received())
        assert not self._parser.rest, "the client has sent half a frame"
        return list(self._frames)

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


@contextlib.contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None, early: bytes = b"") -> Iterator[str]:
    """Run ``script`` in a thread for the one client that connects to the address that this yields.

    The script starts after the upgrade; ``early`` are bytes that come together with the response to that. The errors of
    the script come out at the end of the ``with`` block.
    """
    errors: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SAFETY_NET)

        def serve() -> None:
            try:
                with accept(listener, context, early) as connection:
                    script(connection)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
                errors.append(error)

        thread = threading.Thread(target=serve, name="wire-peer", daemon=True)
        thread.start()
        try:
            yield f"{'wss' if context else 'ws'}://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            thread.join(2 * SAFETY_NET)
            assert not thread.is_alive(), "the peer has not ended"
    if errors:
        raise errors[0]


def accept(listener: socket.socket, context: ssl.SSLContext | None = None, early: bytes = b"") -> socket.socket:
    """Accept one client and answer its upgrade."""
    sock, _address = listener.accept()
    try:
        sock.settimeout(SAFETY_NET)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        request = _read_request(sock)
        key = next(line[19:] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key: "))
        sock.sendall(_response(key) + early)
    except BaseException:
        sock.close()
        raise
    return sock


def frames_from(sock: socket.socket) -> Iterator[Frame]:
    """The frames that the client sends, until it closes the connection."""
    parser = FrameParser()
    with contextlib.suppress(ConnectionResetError):
        while True:
            chunk = sock.recv(1 << 16)
            if not chunk:
                break
            yield from parser.feed(chunk)
    assert not parser.rest, "the client has sent half a frame"


def cut(stream: bytes, size: int) -> Iterable[bytes]:
    """``stream`` in pieces of ``size`` bytes; 0 is one piece."""
    return [stream[start : start + size] for start in range(0, len(stream), size)] if size else [stream]


def _read_request(sock: Union[socket.socket, ssl.SSLSocket]) -> str:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionError("the client has not sent a request")
        request += byte
    return request.decode()


def _response(key: str) -> bytes:
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


def accept_key(key: str) -> str:
    """What a server answers to the key of a client."""
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
