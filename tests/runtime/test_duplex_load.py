"""Reader and writer busy at once on fifty TLS connections: none is lost, and every message arrives, both ways.

Each connection has a thread that reads and a thread that writes, on a socket that was opened with a timeout; the peer
and the client have a process each. All connections are in use all the time, and one after another is driven hard: 1,500
messages a second from the client while up to 10,000 a second come in bursts. Both directions carry a known cycle of
messages, with another place in it for each connection, so a message that is lost, doubled, mixed up or damaged shows.

The same body with the WebSocket class of websocket-client sees healthy connections fail, which shows that this load is
one that matters. How that looks depends on the version of Python: the connection seems to have ended, or a TLS call
fails with an error that a socket with a timeout cannot have, which websocket-client happens to survive. Both count, for
both classes. A process of its own is also there because it may as well crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import websocket

from simsync.runtime.duplex import DuplexWebSocket
from simsync.wire.payloads import BinaryMessage

from .wire_peer import BINARY, CLOSE, TEXT, FrameParser, accept, encode

CONNECTIONS = 50
SECONDS = 4.0
LONG = 20.0
"""With ``--thorough``."""

PATIENCE = 60.0
"""Seconds within which the class of the library must have seen a failure. It takes a few, and ends with the first."""

TURN = SECONDS / CONNECTIONS
"""Seconds for which one connection after another is driven hard; the others write once in that time."""

WRITES_PER_SECOND = 1500
BURST_EVERY = 0.002

_ROOT = Path(__file__).parents[2]
_random = random.Random(1)
MESSAGES = [
    b"%06d" % number + _random.choice([b"", b"x" * 30, b"session event " * 12, b"longer " * 600])
    for number in range(200)
]
_FROM_PEER = [encode(TEXT, message) for message in MESSAGES] * 2
_FROM_CLIENT = [encode(TEXT, message, mask=b"mask") for message in MESSAGES]
_BYE = b"that was all"


def place(connection: int, number: int) -> int:
    """Where in the cycle the message ``number`` of a connection is."""
    return (connection * 7 + number) % len(MESSAGES)


def whose_turn(seconds: float) -> int:
    return int(seconds / TURN) % CONNECTIONS


# The peer: one thread, all connections.


class _Served:
    def __init__(self, sock: socket.socket, connection: int) -> None:
        self.sock = sock
        self.connection = connection
        self.parser = FrameParser()
        self.unsent = b""
        self.sent = 0
        self.received = 0
        self.bursting = True
        self.closing = False
        self.problem = ""

    def burst(self, size: int, one_record: bool) -> None:
        if not self.bursting or self.unsent:
            return
        start = place(self.connection, self.sent)
        frames = _FROM_PEER[start : start + size]
        self.sent += size
        for part in [b"".join(frames)] if one_record else frames:
            self.send(part)

    def send(self, data: bytes = b"") -> None:
        self.unsent += data
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent) :]

    def read(self) -> bool:
        """Take what is there; False when the connection has ended."""
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                data = self.sock.recv(1 << 16)
                if not data:
                    self.note("" if self.closing else "ended without a close frame")
                    return False
                for frame in self.parser.feed(data):
                    self.take(frame.opcode, frame.payload)
        return True

    def take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            if payload != MESSAGES[place(self.connection, self.received)]:
                self.note(f"message {self.received} is not the one that was due")
            self.received += 1
        elif opcode == BINARY and payload == _BYE:
            self.bursting = False
            self.send(encode(BINARY, json.dumps([self.received, self.sent]).encode()))
        elif opcode == CLOSE:
            self.closing = True
            self.send(encode(CLOSE, payload))
        else:
            self.note(f"a frame of kind {opcode}")

    def note(self, problem: str) -> None:
        self.problem = self.problem or problem


def serve(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    everyone: list[_Served] = []
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as sockets:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            print(listener.getsockname()[1], flush=True)
            for connection in range(CONNECTIONS):
                sock = sockets.enter_context(accept(listener, context))
                sock.setblocking(False)
                everyone.append(_Served(sock, connection))
                selector.register(sock, selectors.EVENT_READ, everyone[-1])
        shape = random.Random(2)
        started = due = time.monotonic()
        bursts = 0

        def attend(served: _Served, readable: bool) -> None:
            try:
                if not readable:
                    served.send()
                    if served.connection in (whose_turn(due - started), bursts % CONNECTIONS):
                        served.burst(shape.randint(1, 20), one_record=shape.random() < 0.5)
                elif not served.read():
                    selector.unregister(served.sock)
            except OSError as error:
                served.note(f"{type(error).__name__}: {error}")
                selector.unregister(served.sock)

        while selector.get_map():
            for key, _events in selector.select(max(0.0, due - time.monotonic())):
                attend(key.data, True)
            if time.monotonic() >= due:
                due = time.monotonic() + BURST_EVERY
                bursts += 1
                for key in list(selector.get_map().values()):
                    attend(key.data, False)
    report = {
        "sent": sum(served.sent for served in everyone),
        "received": sum(served.received for served in everyone),
        "problems": [f"connection {served.connection}: {served.problem}" for served in everyone if served.problem],
    }
    print(json.dumps(report))


# The client: two threads for each connection.


class _Watched(ssl.SSLSocket):
    """Tells what goes wrong inside TLS, also what its user shrugs off."""

    tell: Any
    _in_use = False

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        with self._watched():
            return super().recv(buflen, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        with self._watched():
            return super().send(data, flags)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        if self._in_use and self.gettimeout() == 0:  # where there is a timeout, a thread may wait inside
            self.tell("two threads are inside TLS at once")
        self._in_use = True
        try:
            yield
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.tell(f"TLS: {type(error).__name__}: {error}")
            raise
        finally:
            self._in_use = False


class _Duplex:
    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self.ws = DuplexWebSocket(max_message=1 << 20, sslopt={"context": context})
        self.ws.connect(url, timeout=30)
        self.read = self.ws.recv_batch

    def write(self, number: int) -> None:
        self._write(_FROM_CLIENT[number])

    def write_bye(self) -> None:
        self._write(encode(BINARY, _BYE, mask=b"mask"))

    def _write(self, frame: bytes) -> None:
        while frame:
            frame = frame[self.ws.write_some(frame) :]


class _Stock:
    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self.ws = websocket.WebSocket(skip_utf8_validation=True, sslopt={"context": context})
        self.ws.connect(url, timeout=30)

    def read(self) -> list[bytes]:
        opcode, data = self.ws.recv_data()
        return [BinaryMessage(data) if opcode == BINARY else data]

    def write(self, number: int) -> None:
        self.ws.send(MESSAGES[number])

    def write_bye(self) -> None:
        self.ws.send(_BYE, BINARY)


class _Load:
    def __init__(self, kind: type[_Duplex] | type[_Stock], port: int, authority: str, seconds: float) -> None:
        context = ssl.create_default_context(cafile=authority)
        context.sslsocket_class = _Watched
        _Watched.tell = staticmethod(self.problem)
        self.seconds = seconds
        self.stop = threading.Event()
        self.failed = threading.Event()
        self.problems: list[str] = []
        self.clients = [kind(f"wss://127.0.0.1:{port}/", context) for _ in range(CONNECTIONS)]
        self.started = time.monotonic()
        self.written = [0] * CONNECTIONS
        self.got = [0] * CONNECTIONS
        self.reads = [0] * CONNECTIONS

    def problem(self, text: str) -> None:
        self.problems.append(text)
        self.failed.set()

    def write(self, connection: int) -> None:
        client = self.clients[connection]
        due = self.started
        try:
            while not self.stop.wait(max(0.0, due - time.monotonic())):
                client.write(place(connection, self.written[connection]))
                self.written[connection] += 1
                elapsed = time.monotonic() - self.started
                if whose_turn(elapsed) == connection:
                    due += 1 / WRITES_PER_SECOND
                else:
                    due = self.started + (int(elapsed / TURN) + 1) * TURN
            client.write_bye()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
            self.problem(f"connection {connection}, writing: {type(error).__name__}: {error}")

    def read(self, connection: int) -> None:
        client = self.clients[connection]
        try:
            while True:
                self.reads[connection] += 1
                for message in client.read():
                    if isinstance(message, BinaryMessage):
                        counts = [self.written[connection], self.got[connection]]
                        if json.loads(message) != counts:
                            self.problem(f"connection {connection}: the peer counts {message!r}, not {counts}")
                        client.ws.close()
                        return
                    if message != MESSAGES[place(connection, self.got[connection])]:
                        self.problem(f"connection {connection}: message {self.got[connection]} is not the one due")
                    self.got[connection] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
            self.problem(f"connection {connection}, reading: {type(error).__name__}: {error}")

    def run(self) -> dict[str, Any]:
        threads = [
            threading.Thread(target=work, args=(connection,), daemon=True)
            for connection in range(CONNECTIONS)
            for work in (self.read, self.write)
        ]
        for thread in threads:
            thread.start()
        self.failed.wait(self.seconds)
        seconds = time.monotonic() - self.started
        self.stop.set()
        for thread in threads:
            if self.failed.is_set():
                break
            thread.join(20)
            if thread.is_alive():
                self.problem("a thread has not ended")
        return {
            "seconds": round(seconds, 2),
            "problems": self.problems,
            "written": sum(self.written),
            "got": sum(self.got),
            "reads": sum(self.reads),
            "cpu": round(time.process_time(), 2),
        }


def drive(kind: str, port: str, authority: str, seconds: str) -> None:
    report = _Load(_Duplex if kind == "duplex" else _Stock, int(port), authority, float(seconds)).run()
    print(json.dumps(report), flush=True)
    if report["problems"]:
        os._exit(0)  # a thread may be stuck for ever in a connection that was damaged


@contextlib.contextmanager
def _child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.runtime.test_duplex_load", *arguments],
        cwd=_ROOT,
        env={**os.environ, "no_proxy": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


_where_it_can_be_seen = [
    pytest.mark.skipif(sys.version_info >= (3, 13, 6), reason="this Python may guard its TLS objects itself"),
    pytest.mark.skipif(os.cpu_count() == 1, reason="two threads are never at work at once"),
]


@pytest.mark.parametrize("kind", ["duplex", pytest.param("stock", marks=_where_it_can_be_seen)])
def test_reader_and_writer_busy_at_once(kind: str, tmp_path: Path, thorough: bool) -> None:
    trusted, certificate = str(tmp_path / "authority.pem"), str(tmp_path / "peer.pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(trusted)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    busy = LONG if thorough else SECONDS
    seconds = busy if kind == "duplex" else PATIENCE
    with _child("serve", certificate) as peer:
        assert peer.stdout is not None
        port = peer.stdout.readline().strip()
        with _child("drive", kind, port, trusted, str(seconds)) as client:
            output, errors = client.communicate(timeout=seconds + 30)
        peer_output, peer_errors = peer.communicate(timeout=30)
    print(output, errors, peer_output, peer_errors)  # the figures, with -s
    if kind == "stock":
        if client.returncode >= 0:  # else it has crashed
            report = json.loads(output)
            assert report["problems"]
            assert report["seconds"] < PATIENCE
        return
    assert (client.returncode, errors, peer.returncode, peer_errors) == (0, "", 0, "")
    report, peer_report = json.loads(output), json.loads(peer_output)
    assert (report["problems"], peer_report["problems"]) == ([], [])
    assert (peer_report["received"], peer_report["sent"]) == (report["written"], report["got"])
    assert report["written"] > 0.5 * WRITES_PER_SECOND * busy
    assert report["got"] > report["written"]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        drive(*sys.argv[2:])
