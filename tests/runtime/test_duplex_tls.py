"""DuplexWebSocket over TLS: records of all shapes, ends of all kinds, and two threads that do not stop each other."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable, cast

import pytest
import trustme

from simsync.runtime import waiting as ways_to_wait
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.waiting import Waker
from tests import tls

from .wire_peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    SAFETY_NET,
    TEXT,
    Frame,
    Script,
    close_frame,
    cut,
    encode,
    frames_from,
    serving,
)

MAX_MESSAGE = 32 << 20
MASK = b"\x01\xfe\x80\x33"
NORMAL_CLOSE = Frame(CLOSE, b"\x03\xe8")
PROMPT = 10.0


class Link:
    """Connects over TLS, both ends with a throw-away authority."""

    def __init__(self, authority: trustme.CA, certificate: trustme.LeafCert) -> None:
        self.server = tls.serving(certificate)
        self.client = tls.trusting(authority)

    @contextlib.contextmanager
    def to(self, script: Script, early: bytes = b"") -> Iterator[DuplexWebSocket]:
        ws = DuplexWebSocket(max_message=MAX_MESSAGE, sslopt={"context": self.client})
        with serving(script, self.server, early) as url:
            try:
                ws.connect(url, timeout=30, http_no_proxy=["*"])
                yield ws
            finally:
                ws.shutdown()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1")


@pytest.fixture(params=["1.3", "1.2"])
def link(request: pytest.FixtureRequest, authority: trustme.CA, certificate: trustme.LeafCert) -> Link:
    link = Link(authority, certificate)
    if request.param == "1.2":
        link.client.maximum_version = ssl.TLSVersion.TLSv1_2
    return link


@pytest.fixture
def waker() -> Iterator[Waker]:
    waker = Waker()
    yield waker
    waker.close()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when somebody is about to wait for the socket."""
    entered = threading.Event()

    def noticed(*arguments: Any) -> tuple[bool, bool]:
        entered.set()
        return ways_to_wait.wait(*arguments)

    for module in ("bulk_websocket", "duplex"):
        monkeypatch.setattr(f"simsync.runtime.{module}.wait", noticed)
    return entered


def soon() -> float:
    return time.monotonic() + SAFETY_NET


def read(ws: DuplexWebSocket, count: int) -> list[bytes]:
    messages: list[bytes] = []
    while len(messages) < count:
        batch = ws.recv_batch(soon())
        assert batch, "nothing came"
        messages += batch
    return messages


def read_to_the_end(ws: DuplexWebSocket) -> tuple[list[bytes], ConnectionLost]:
    messages: list[bytes] = []
    with pytest.raises(ConnectionLost) as caught:
        while True:
            messages += ws.recv_batch(soon())
    return messages, caught.value


def write(ws: DuplexWebSocket, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[ws.write_some(rest, soon()) :]


def write_until_full(ws: DuplexWebSocket, data: bytes) -> int:
    """Write ``data`` again and again while the peer does not read; how much of that went down."""
    written = 0
    while True:
        count = ws.write_some(data[written % len(data) :], 0.0)
        if not count:
            return written
        written += count


def test_one_record_for_each_frame(link: Link) -> None:
    """All records that are there are one batch."""
    messages = [b"%0100d" % number for number in range(400)]
    sent = threading.Event()

    def send(sock: socket.socket) -> None:
        for message in messages:
            sock.sendall(encode(TEXT, message))
        sent.set()
        assert list(frames_from(sock)) == []

    with link.to(send) as ws:
        assert sent.wait(SAFETY_NET)
        batches = [ws.recv_batch(soon())]
        while sum(map(len, batches)) < len(messages):
            batches.append(ws.recv_batch(soon()))
    assert [message for batch in batches for message in batch] == messages
    assert len(batches) <= 5  # one, unless the system is slow to pass on what was sent


def test_many_frames_in_one_record_together_with_the_response(link: Link) -> None:
    messages = [b"%d" % number for number in range(300)]
    early = b"".join(encode(TEXT, message) for message in messages)
    with link.to(lambda sock: None, early) as ws:
        assert list(ws.recv_batch(soon())) == messages


@pytest.mark.parametrize("size", [1, 7, 997])
def test_records_of_any_size(link: Link, size: int) -> None:
    messages = [b"x" * (number % 300) for number in range(60)]
    replies: list[Frame] = []

    def send(sock: socket.socket) -> None:
        stream = b"".join(encode(TEXT, message) for message in messages)
        for piece in cut(stream + encode(PING, b"ping") + close_frame(1000, b"done"), size):
            sock.sendall(piece)
        replies.extend(frames_from(sock))

    with link.to(send) as ws:
        received, lost = read_to_the_end(ws)
    assert (received, lost.code, replies) == (messages, 1000, [Frame(PONG, b"ping"), NORMAL_CLOSE])


class ByHand:
    """The server's side of TLS, with the records in hand: stands in for both a context and the socket it wraps."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def wrap_socket(self, sock: socket.socket, server_side: bool) -> ByHand:
        assert server_side
        self.sock = sock
        self._exchanging(self._tls.do_handshake)
        return self

    def recv(self, size: int) -> bytes:
        data = self._exchanging(lambda: self._tls.read(size))
        assert isinstance(data, bytes)
        return data

    def sendall(self, data: bytes) -> None:
        self.sock.sendall(self.records(data))

    def records(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._outgoing.read()

    def _exchanging(self, call: Callable[[], object]) -> object:
        while True:
            try:
                result = call()
            except ssl.SSLWantReadError:
                result = self
            self.sock.sendall(self._outgoing.read())
            if result is not self:
                return result
            received = self.sock.recv(1 << 16)
            assert received, "the client has hung up"
            self._incoming.write(received)

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> ByHand:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def test_a_record_that_trickles_in(link: Link) -> None:
    """The bytes of the records come one by one, and the client looks after each of them."""
    messages = [b"first", b"x" * 150, b"last"]
    looked = threading.Semaphore(0)

    def send(tls: Any) -> None:
        for byte in cut(b"".join(tls.records(encode(TEXT, message)) for message in messages), 1):
            tls.sock.sendall(byte)
            assert looked.acquire(timeout=SAFETY_NET)

    link.server = cast(ssl.SSLContext, ByHand(link.server))
    received: list[bytes] = []
    with link.to(send) as ws:
        while len(received) < len(messages):
            received += ws.recv_batch(time.monotonic() + 0.001)
            looked.release()
        looked.release(1000)
    assert received == messages


def test_a_deadline_inside_a_frame_loses_nothing(link: Link) -> None:
    go_on = threading.Event()

    def send(sock: socket.socket) -> None:
        stream = encode(TEXT, b"whole") + encode(BINARY, b"x" * 1000)
        sock.sendall(stream[:100])
        assert go_on.wait(SAFETY_NET)
        sock.sendall(stream[100:])
        assert list(frames_from(sock)) == []

    with link.to(send) as ws:
        assert list(ws.recv_batch(soon())) == [b"whole"]
        assert list(ws.recv_batch(time.monotonic() + 0.01)) == []
        go_on.set()
        assert list(ws.recv_batch(soon())) == [b"x" * 1000]


def test_large_messages_both_ways(link: Link) -> None:
    large = bytes(range(256)) * (80 * 1024)  # 20 MiB
    received: list[Frame] = []

    def exchange(sock: socket.socket) -> None:
        sock.sendall(encode(TEXT, b"before") + encode(BINARY, large) + encode(TEXT, b"after"))
        received.extend(frames_from(sock))

    with link.to(exchange) as ws:
        assert read(ws, 3) == [b"before", large, b"after"]
        write(ws, encode(BINARY, large, mask=MASK))
        ws.close(timeout=0)
    assert received == [Frame(BINARY, large), NORMAL_CLOSE]


# The end.


def close_notify(sock: socket.socket) -> None:
    assert isinstance(sock, ssl.SSLSocket)
    with contextlib.suppress(OSError):  # the client does not say goodbye in TLS
        sock.unwrap()


def hang_up(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("end", [close_notify, hang_up, reset])
@pytest.mark.parametrize("rest", [b"", encode(TEXT, b"never whole")[:-1]])
def test_an_end_without_a_close_frame(link: Link, end: Script, rest: bytes) -> None:
    taken = threading.Event()

    def send(sock: socket.socket) -> None:
        sock.sendall(encode(TEXT, b"one") + encode(TEXT, b"two") + rest)
        assert taken.wait(SAFETY_NET)
        end(sock)

    with link.to(send) as ws:
        assert read(ws, 2) == [b"one", b"two"]
        taken.set()
        messages, lost = read_to_the_end(ws)
        assert (messages, lost.code) == ([], None)
        # Some Pythons report a reset below TLS as an end like any other.
        reasons = ["ended without a close frame", *(["reading failed"] if end is reset else [])]
        assert any(reason in lost.reason for reason in reasons)


def test_messages_just_before_the_end_come_first(link: Link) -> None:
    ended = threading.Event()

    def send(sock: socket.socket) -> None:
        sock.sendall(encode(TEXT, b"one"))
        sock.sendall(encode(TEXT, b"two") + encode(TEXT, b"half")[:3])
        ended.set()
        close_notify(sock)

    with link.to(send) as ws:
        assert ended.wait(SAFETY_NET)
        messages, lost = read_to_the_end(ws)
    assert (messages, lost.reason) == ([b"one", b"two"], "the connection ended without a close frame")


def test_close_with_a_peer_that_answers_and_with_one_that_is_mute(link: Link) -> None:
    for mute in (False, True):
        received: list[Frame] = []

        def answer(sock: socket.socket, mute: bool = mute, received: list[Frame] = received) -> None:
            for frame in frames_from(sock):
                received.append(frame)
                if not mute:
                    sock.sendall(close_frame(1000))

        with link.to(answer) as ws:
            timeout = 0.1 if mute else 2 * PROMPT
            before = time.monotonic()
            ws.close(timeout=timeout)
            took = time.monotonic() - before
            ws.close()
        assert took < PROMPT
        assert (took >= timeout) is mute
        assert received == [NORMAL_CLOSE]


# Reader and writer.


def test_a_peer_that_does_not_read(link: Link, waker: Waker, waiting: threading.Event) -> None:
    """Writing waits, is ended by the waker, and resumes where it was; meanwhile messages are read."""
    data = bytes(range(251)) * 4000
    reads = threading.Event()
    received = hashlib.sha256()
    count = 0

    def send(sock: socket.socket) -> None:
        nonlocal count
        sock.sendall(encode(TEXT, b"early"))
        assert reads.wait(SAFETY_NET)
        while count < goal:
            chunk = sock.recv(1 << 16)
            assert chunk
            received.update(chunk)
            count += len(chunk)
        sock.sendall(encode(TEXT, b"late"))

    goal = 1 << 60
    written = 0

    def write_on() -> None:
        nonlocal written
        while written < goal:
            taken = ws.write_some(data[written % len(data) :][: goal - written], None, waker)
            if not taken:
                return
            written += taken

    with link.to(send) as ws:
        for turn in range(3):
            waiting.clear()
            writer = threading.Thread(target=write_on)
            writer.start()
            assert waiting.wait(SAFETY_NET)
            if turn == 0:
                assert list(ws.recv_batch(soon())) == [b"early"]  # the writer waits without the lock
            waker.wake()
            writer.join(SAFETY_NET)
            assert not writer.is_alive()
            waker.clear()
        goal = (written // len(data) + 2) * len(data)
        writer = threading.Thread(target=write_on)
        writer.start()
        reads.set()
        assert list(ws.recv_batch(soon())) == [b"late"]
        writer.join(SAFETY_NET)
    assert count == goal
    assert received.hexdigest() == hashlib.sha256(data * (goal // len(data))).hexdigest()


@pytest.mark.parametrize("size", [40_000, 60_000])
def test_no_more_reaches_the_peer_than_was_reported(link: Link, size: int) -> None:
    """What was not reported as written may be written again on the next connection."""
    reads = threading.Event()
    received = 0

    def send(sock: socket.socket) -> None:
        nonlocal received
        assert reads.wait(SAFETY_NET)
        with contextlib.suppress(ssl.SSLError):
            while True:
                chunk = sock.recv(1 << 16)
                if not chunk:
                    break
                received += len(chunk)

    with link.to(send) as ws:
        written = write_until_full(ws, b"x" * size)
        ws.shutdown()
        reads.set()
    assert received == written


def test_a_reader_that_waits_does_not_stop_the_writer(link: Link, waker: Waker, waiting: threading.Event) -> None:
    received: list[Frame] = []

    def send(sock: socket.socket) -> None:
        frames = frames_from(sock)
        received.append(next(frames))
        sock.sendall(encode(TEXT, b"answer"))
        received.extend(frames)

    with link.to(send) as ws:
        batches: list[list[bytes]] = []
        reader = threading.Thread(target=lambda: batches.append(list(ws.recv_batch(None, waker))))
        reader.start()
        assert waiting.wait(SAFETY_NET)
        write(ws, encode(TEXT, b"question", mask=MASK))
        reader.join(SAFETY_NET)
        assert batches == [[b"answer"]]
    assert received == [Frame(TEXT, b"question")]


def test_a_waker_ends_reading(link: Link, waker: Waker, waiting: threading.Event) -> None:
    def silent(sock: socket.socket) -> None:
        assert list(frames_from(sock)) == []

    with link.to(silent) as ws:
        batches: list[list[bytes]] = []
        reader = threading.Thread(target=lambda: batches.append(list(ws.recv_batch(None, waker))))
        reader.start()
        assert waiting.wait(SAFETY_NET)
        waker.wake()
        reader.join(SAFETY_NET)
        assert batches == [[]]
        assert list(ws.recv_batch(None, waker)) == []
