"""Deadlines, wake-ups, limits, batches, writing and closing of DuplexWebSocket, without TLS."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from simsync.runtime import waiting as ways_to_wait
from simsync.runtime.bulk_websocket import DRAIN_LIMIT, READ_SIZE
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.duplex import WRITE_SIZE, DuplexWebSocket
from simsync.runtime.waiting import Waker
from simsync.wire.payloads import PLAIN, BinaryMessage, cut_frames

from .wire_peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SAFETY_NET,
    TEXT,
    Frame,
    FrameParser,
    Pair,
    close_frame,
    cut,
    encode,
    frames_from,
    serving,
)

MAX_MESSAGE = 1 << 16
MASK = b"\x01\xfe\x80\x33"
NORMAL_CLOSE = Frame(CLOSE, b"\x03\xe8")
PROMPT = 10.0
"""Seconds. What is to happen at once takes far less, and what would wait for a timeout takes longer."""


@pytest.fixture
def ws() -> Iterator[DuplexWebSocket]:
    ws = DuplexWebSocket(max_message=MAX_MESSAGE)
    yield ws
    ws.shutdown()


@pytest.fixture
def peer(ws: DuplexWebSocket) -> Iterator[Pair]:
    with Pair(ws) as peer:
        yield peer


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
    """Messages until there are ``count``."""
    messages: list[bytes] = []
    while len(messages) < count:
        batch = ws.recv_batch(soon())
        assert batch, "nothing came"
        messages += batch
    return messages


def fill(ws: DuplexWebSocket) -> bytes:
    """Write until the peer, that does not read, takes no more; returns what went down."""
    written = b""
    while True:
        size = ws.write_some(b"x" * WRITE_SIZE, 0.0)
        if not size:
            return written
        written += b"x" * size


class Running:
    """A call in a thread of its own."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.result: Any = None
        self._call = call
        self._arguments = arguments
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.result = self._call(*self._arguments)

    def end(self) -> Any:
        self._thread.join(SAFETY_NET)
        assert not self._thread.is_alive()
        return self.result


# Connecting.


def test_the_socket_does_not_block_although_it_was_opened_with_a_timeout(ws: DuplexWebSocket) -> None:
    with serving(lambda sock: None) as url:
        ws.connect(url, timeout=30, http_no_proxy=["*"])
        assert ws.sock is not None
        assert ws.sock.gettimeout() == 0.0
        with pytest.raises(ConnectionLost, match="ended without a close frame"):
            ws.recv_batch(soon())


def test_messages_that_come_with_the_response(ws: DuplexWebSocket) -> None:
    with Pair(ws, encode(TEXT, b"early") + encode(TEXT, b"half")[:3]) as peer:
        assert list(ws.recv_batch(0.0)) == [b"early"]
        assert list(ws.recv_batch(0.0)) == []
        peer.deliver(encode(TEXT, b"half")[3:])
        assert list(ws.recv_batch(0.0)) == [b"half"]


def test_reading_and_writing_without_a_connection_fails(ws: DuplexWebSocket) -> None:
    with pytest.raises(ConnectionLost, match="closed"):
        ws.recv_batch()
    with pytest.raises(ConnectionLost, match="closed"):
        ws.write_some(b"x")
    ws.close()


def test_text_is_bytes_and_binary_is_a_kind_of_its_own(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.deliver(encode(TEXT, b"text") + encode(BINARY, b"binary") + encode(BINARY, b"masked", mask=MASK))
    batch = read(ws, 3)
    assert batch == [b"text", b"binary", b"masked"]
    assert [type(message) for message in batch] == [bytes, BinaryMessage, BinaryMessage]


def test_a_kind_of_its_own_for_binary_may_be_chosen(ws: DuplexWebSocket, peer: Pair) -> None:
    ws.binary = bytes
    peer.deliver(encode(BINARY, b"binary") + encode(BINARY, b"masked", mask=MASK))
    assert [type(message) for message in read(ws, 2)] == [bytes, bytes]


def test_what_the_library_wants_to_send_may_be_left_to_a_writer(ws: DuplexWebSocket, peer: Pair) -> None:
    left: list[tuple[bytes, int]] = []
    ws.outgoing = lambda payload, opcode: left.append((payload, opcode))
    peer.deliver(encode(PING, b"ping") + encode(TEXT, b"text") + close_frame(1001, b"bye"))
    assert list(ws.recv_batch()) == [b"text"]
    with pytest.raises(ConnectionLost, match="code 1001: bye"):
        ws.recv_batch()
    ws.close()
    assert left == [(b"ping", PONG), (b"\x03\xe8", CLOSE)]
    assert peer.frames() == []


def test_a_close_that_is_left_to_a_writer(ws: DuplexWebSocket, peer: Pair) -> None:
    left: list[tuple[bytes, int]] = []
    ws.outgoing = lambda payload, opcode: left.append((payload, opcode))
    peer.deliver(close_frame(1000))
    ws.close(4000, timeout=None)
    assert left == [(struct.pack("!H", 4000), CLOSE)]


def test_whether_everything_was_handed_out(ws: DuplexWebSocket, peer: Pair) -> None:
    def drained_after(data: bytes) -> bool:
        peer.deliver(data)
        ws.recv_batch(0.0)
        return ws.is_drained

    assert drained_after(b"")
    assert drained_after(encode(TEXT, b"whole"))
    assert not drained_after(encode(TEXT, b"whole") + encode(TEXT, b"half")[:1])
    assert drained_after(encode(TEXT, b"half")[1:])
    assert not drained_after(encode(TEXT, b"half")[:3])
    assert drained_after(encode(TEXT, b"half")[3:])
    assert not drained_after(encode(PONG, b"half")[:3])
    assert drained_after(encode(PONG, b"half")[3:])
    assert not drained_after(encode(TEXT, b"first", final=False))
    assert not drained_after(encode(PONG))
    assert drained_after(encode(CONTINUATION, b"last"))
    assert not drained_after(encode(TEXT, b"next") + encode(PONG) + encode(TEXT, b"last"))
    assert list(ws.recv_batch(0.0)) == [b"last"]
    assert ws.is_drained
    peer.deliver(close_frame(1000))
    with pytest.raises(ConnectionLost):
        ws.recv_batch()
    assert ws.is_drained


def test_pings_are_answered_by_pong_so_that_a_subclass_may_leave_it_to_its_writer() -> None:
    asked: list[bytes] = []

    class Polite(DuplexWebSocket):
        def pong(self, payload: str | bytes = "") -> None:
            asked.append(bytes(payload) if isinstance(payload, bytes) else payload.encode())

    ws = Polite(max_message=MAX_MESSAGE)
    with Pair(ws) as peer:
        peer.deliver(encode(PING, b"one") + encode(TEXT, b"text") + encode(PING, b"two"))
        assert list(ws.recv_batch(0.0)) == [b"text"]
        assert list(ws.recv_batch(0.0)) == []
        assert (asked, peer.frames()) == ([b"one", b"two"], [])
    ws.shutdown()


def test_the_time_of_the_last_sign_of_life(ws: DuplexWebSocket, peer: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    ws.last_inbound = 0.0
    ws.recv_batch(0.0)
    assert ws.last_inbound == 0.0
    for sign in [encode(TEXT, b"text")[:3], encode(TEXT, b"text")[3:], encode(PONG)]:
        clock[0] += 1
        peer.deliver(sign)
        ws.recv_batch(0.0)
        assert ws.last_inbound == clock[0]


# Deadlines and wake-ups.

STREAM = b"".join(
    [
        encode(TEXT, b"first"),
        encode(TEXT, b"one,", final=False),
        encode(PING, b"ping"),
        encode(CONTINUATION, b"two,", final=False),
        encode(CONTINUATION, b"three"),
        encode(BINARY, b"b" * 130),
        encode(TEXT, b"c", length_bits=64),
        encode(TEXT, b"masked", mask=MASK),
        encode(PONG),
        encode(TEXT),
        encode(TEXT, b"last"),
    ]
)
STREAM_MESSAGES = [b"first", b"one,two,three", b"b" * 130, b"c", b"masked", b"", b"last"]


@pytest.mark.parametrize("start", range(0, len(STREAM), 50))
def test_a_deadline_loses_nothing_wherever_it_falls(start: int) -> None:
    for position in range(start, min(start + 50, len(STREAM))):
        ws = DuplexWebSocket(max_message=MAX_MESSAGE)
        messages: list[bytes] = []
        with Pair(ws) as peer:
            peer.deliver(STREAM[:position])
            while True:
                deadline = time.monotonic() + 0.001
                batch = ws.recv_batch(deadline)
                if not batch:
                    break
                messages += batch
            assert time.monotonic() >= deadline
            peer.deliver(STREAM[position:])
            messages += read(ws, len(STREAM_MESSAGES) - len(messages))
            assert messages == STREAM_MESSAGES
            assert peer.frames() == [Frame(PONG, b"ping")]
        ws.shutdown()


@pytest.mark.parametrize("position", [0, 1, 3, 8, 11, 14, 20, 40, 170])
def test_a_waker_ends_the_wait_wherever_it_comes(
    ws: DuplexWebSocket, peer: Pair, waker: Waker, waiting: threading.Event, position: int
) -> None:
    messages: list[bytes] = []
    peer.deliver(STREAM[:position])
    while True:
        batch = ws.recv_batch(0.0)
        if not batch:
            break
        messages += batch
    waiting.clear()
    reader = Running(ws.recv_batch, None, waker)
    assert waiting.wait(SAFETY_NET)
    waker.wake()
    assert list(reader.end()) == []
    waker.clear()
    peer.deliver(STREAM[position:])
    assert messages + read(ws, len(STREAM_MESSAGES) - len(messages)) == STREAM_MESSAGES


def test_a_wake_up_before_reading_is_remembered_but_messages_at_hand_come_first(
    ws: DuplexWebSocket, peer: Pair, waker: Waker
) -> None:
    waker.wake()
    peer.deliver(encode(TEXT, b"at hand"))
    assert list(ws.recv_batch(None, waker)) == [b"at hand"]
    assert list(ws.recv_batch(None, waker)) == []
    assert list(ws.recv_batch(soon(), waker)) == []
    waker.clear()
    peer.deliver(encode(TEXT, b"more"))
    assert list(ws.recv_batch(None, waker)) == [b"more"]


@pytest.mark.parametrize("endless", [encode(PONG), encode(PONG, b"x" * 50), encode(CONTINUATION, final=False)])
@pytest.mark.parametrize("by", ["deadline", "waker"])
def test_frames_without_a_message_do_not_keep_the_reader(
    ws: DuplexWebSocket, peer: Pair, waker: Waker, endless: bytes, by: str
) -> None:
    first = encode(TEXT, b"", final=False) if endless == encode(CONTINUATION, final=False) else b""
    last = encode(CONTINUATION, b"text") if first else encode(TEXT, b"text")
    peer.deliver(first + endless * (60_000 // len(endless)) + last)
    waker.wake()
    calls = 1
    while not (ws.recv_batch(0.0) if by == "deadline" else ws.recv_batch(None, waker)):
        calls += 1
    assert calls > 5


def test_a_peer_that_never_stops_sending_pings(ws: DuplexWebSocket) -> None:
    def flood(sock: socket.socket) -> None:
        pings = encode(PONG) * 50_000
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(pings)

    with serving(flood) as url:
        ws.connect(url, http_no_proxy=["*"])
        before = time.monotonic()
        assert list(ws.recv_batch(before + 0.1)) == []
        ws.close(timeout=0.1)
        assert time.monotonic() < before + PROMPT


# Writing.


def test_writing_hands_over_what_the_kernel_takes(ws: DuplexWebSocket, peer: Pair) -> None:
    data = bytes(range(256)) * (WRITE_SIZE // 128)
    taken = ws.write_some(memoryview(data))
    assert 0 < taken <= WRITE_SIZE
    assert peer.received() == data[:taken]


def test_a_deadline_and_a_waker_end_writing(
    ws: DuplexWebSocket, peer: Pair, waker: Waker, waiting: threading.Event
) -> None:
    written = fill(ws)
    before = time.monotonic()
    assert ws.write_some(b"more", before + 0.02) == 0
    assert time.monotonic() >= before + 0.02
    waiting.clear()
    writer = Running(ws.write_some, b"more", None, waker)
    assert waiting.wait(SAFETY_NET)
    waker.wake()
    assert writer.end() == 0
    assert ws.write_some(b"more", None, waker) == 0  # it is remembered
    waker.clear()
    waiting.clear()
    writer = Running(ws.write_some, b"more", None, waker)
    assert waiting.wait(SAFETY_NET)
    received = peer.received()  # and now the peer reads
    assert writer.end() == 4
    assert received + peer.received() == written + b"more"


def test_a_waker_that_was_pulled_does_not_keep_from_writing(ws: DuplexWebSocket, peer: Pair, waker: Waker) -> None:
    waker.wake()
    assert ws.write_some(b"more", None, waker) == 4
    assert peer.received() == b"more"


def test_writing_to_a_peer_that_is_gone(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.close()
    with pytest.raises(ConnectionLost, match="writing failed"):
        ws.write_some(b"x")


def test_a_pong_that_the_peer_does_not_take_ends_the_connection(ws: DuplexWebSocket, peer: Pair) -> None:
    ws.send_timeout = 0.02
    fill(ws)
    peer.deliver(encode(PING, b"ping"))
    with pytest.raises(ConnectionLost, match="does not read"):
        ws.recv_batch(soon())


def test_reader_and_writer_at_once(ws: DuplexWebSocket) -> None:
    """Both directions are busy, on a plain connection; the peer sends each message back."""
    count = 20_000
    messages = [b"%d " % number * (number % 40) for number in range(count)]

    def echo(sock: socket.socket) -> None:
        parser = FrameParser()
        while True:
            data = sock.recv(1 << 16)
            if not data:
                return
            frames = parser.feed(data)
            sock.sendall(b"".join(encode(frame.opcode, frame.payload) for frame in frames))

    def write() -> None:
        for message in messages:
            frame = encode(TEXT, message, mask=MASK)
            while frame:
                frame = frame[ws.write_some(frame) :]

    with serving(echo) as url:
        ws.connect(url, http_no_proxy=["*"])
        writer = Running(write)
        assert read(ws, count) == messages
        writer.end()
        ws.close()


# Limits.


def test_a_message_as_large_as_the_limit(ws: DuplexWebSocket, peer: Pair) -> None:
    largest = b"x" * MAX_MESSAGE
    peer.deliver(encode(TEXT, largest))
    assert list(ws.recv_batch(0.0)) == [largest]
    peer.deliver(encode(BINARY, largest, mask=MASK))
    assert list(ws.recv_batch(0.0)) == [largest]
    peer.deliver(b"".join(encode(CONTINUATION if at else TEXT, largest[:4096], final=at == 15) for at in range(16)))
    assert list(ws.recv_batch(0.0)) == [largest]


@pytest.mark.parametrize("size", [MAX_MESSAGE + 1, 1 << 40, 1 << 62, (1 << 64) - 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
def test_the_announcement_of_a_larger_message_ends_the_connection(
    ws: DuplexWebSocket, peer: Pair, size: int, opcode: int
) -> None:
    header = bytes([0x80 | opcode, 127]) + struct.pack("!Q", size)
    tracemalloc.start()
    try:
        peer.deliver(encode(TEXT, b"one") + encode(BINARY, b"two") + header + b"x")
        assert list(ws.recv_batch(soon())) == [b"one", b"two"]
        for _ in range(2):
            with pytest.raises(ConnectionLost, match=f"{size} bytes is larger than the limit of {MAX_MESSAGE} bytes"):
                ws.recv_batch(soon())
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * READ_SIZE


def fed_until_lost(ws: DuplexWebSocket, peer: Pair, piece: bytes) -> int:
    """Bytes that the client took of a stream of ``piece`` before it had enough."""
    fed = 0
    with pytest.raises(ConnectionLost, match=f"larger than the limit of {MAX_MESSAGE} bytes"):
        while fed < 100 * MAX_MESSAGE:
            peer.deliver(piece)
            fed += len(piece)
            assert list(ws.recv_batch(0.0)) == []
    return fed


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_fragments_that_are_too_much_together(ws: DuplexWebSocket, peer: Pair, size: int) -> None:
    peer.deliver(encode(TEXT, b"before") + encode(TEXT, b"", final=False))
    assert list(ws.recv_batch(soon())) == [b"before"]
    piece = encode(CONTINUATION, b"x" * size, final=False) * 50  # all of it is read at once
    assert fed_until_lost(ws, peer, piece) < MAX_MESSAGE + 16 * 1024 + 2 * len(piece)


def test_pings_inside_a_fragmented_message_are_limited_as_well(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.deliver(encode(TEXT, b"", final=False))
    assert fed_until_lost(ws, peer, encode(PONG, b"x" * 100) * 50) < 2 * MAX_MESSAGE


def test_a_masked_message_that_is_too_large(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.deliver(bytes([0x81, 0xFF]) + struct.pack("!Q", 1 << 40) + MASK)
    assert fed_until_lost(ws, peer, b"x" * 8192) < 2 * MAX_MESSAGE


def test_the_limit_is_for_each_message(ws: DuplexWebSocket, peer: Pair) -> None:
    half = b"x" * (MAX_MESSAGE // 2)
    for _ in range(6):
        peer.deliver(encode(TEXT, half) + encode(TEXT, half, mask=MASK) + encode(PING, b"x" * 100))
        assert read(ws, 2) == [half, half]
        peer.deliver(encode(TEXT, half[:20_000], final=False) + encode(CONTINUATION, half[20_000:]))
        assert read(ws, 1) == [half]


# Large messages and many small ones.


def test_a_large_message_arrives_whole() -> None:
    large = bytes(range(256)) * (80 * 1024)  # 20 MiB
    ws = DuplexWebSocket(max_message=len(large))

    def send(sock: socket.socket) -> None:
        sock.sendall(encode(TEXT, b"before") + encode(BINARY, large) + encode(TEXT, b"after"))
        fragments = list(cut(large[: 4 << 20], 1 << 18))
        for at, fragment in enumerate(fragments):
            sock.sendall(encode(CONTINUATION if at else TEXT, fragment, final=at == len(fragments) - 1))
        assert list(frames_from(sock)) == [NORMAL_CLOSE]

    with serving(send) as url:
        ws.connect(url, http_no_proxy=["*"])
        messages = read(ws, 4)
        assert messages == [b"before", large, b"after", large[: 4 << 20]]
        assert isinstance(messages[1], BinaryMessage)
        ws.close(timeout=0)


def test_a_large_message_goes_out_whole(ws: DuplexWebSocket) -> None:
    large = bytes(range(256)) * (80 * 1024)
    received: list[Frame] = []

    with serving(lambda sock: received.extend(frames_from(sock))) as url:
        ws.connect(url, http_no_proxy=["*"])
        rest = memoryview(encode(BINARY, large, mask=MASK))
        while rest:
            rest = rest[ws.write_some(rest) :]
        ws.shutdown()
    assert received == [Frame(BINARY, large)]


def test_a_message_in_tiny_pieces_takes_time_in_proportion_to_its_size() -> None:
    def seconds(size: int) -> float:
        ws = DuplexWebSocket(max_message=MAX_MESSAGE)
        with Pair(ws) as peer:
            frame = encode(TEXT, b"x" * size)
            before = time.process_time()
            for piece in cut(frame[:-1], 1):
                peer.deliver(piece)
                assert list(ws.recv_batch(0.0)) == []
            used = time.process_time() - before
            peer.deliver(frame[-1:])
            assert list(ws.recv_batch(0.0)) == [b"x" * size]
        ws.shutdown()
        return used

    assert seconds(32_000) < 24 * seconds(4_000)  # if it went with the square, it would be 64


def test_all_that_is_there_is_one_batch(ws: DuplexWebSocket, peer: Pair) -> None:
    messages = [b"%05d" % number for number in range(20_000)]  # more than one read of the socket
    stream = b"".join(encode(TEXT, message) for message in messages)
    assert len(stream) > 2 * READ_SIZE
    peer.deliver(stream)
    assert list(ws.recv_batch()) == messages


def test_a_batch_has_a_limit(ws: DuplexWebSocket) -> None:
    messages = [b"%0100d" % number for number in range(100_000)]

    def send(sock: socket.socket) -> None:
        sock.sendall(b"".join(encode(TEXT, message) for message in messages))
        assert list(frames_from(sock)) == []

    with serving(send) as url:
        ws.connect(url, http_no_proxy=["*"])
        received: list[bytes] = []
        while len(received) < len(messages):
            batch = ws.recv_batch(soon())
            assert 0 < sum(map(len, batch)) < DRAIN_LIMIT + 2 * READ_SIZE
            received += batch
        assert received == messages
        ws.shutdown()


# The end.


def test_messages_before_the_end_come_first(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.deliver(encode(TEXT, b"one") + encode(TEXT, b"two") + close_frame(1001, b"bye") + encode(TEXT, b"late"))
    peer.close()
    assert list(ws.recv_batch()) == [b"one", b"two"]
    for _ in range(2):
        with pytest.raises(ConnectionLost) as caught:
            ws.recv_batch()
        assert caught.value.code == 1001  # although the answer to the close frame could not be sent
        assert str(caught.value) == caught.value.reason == "the server closed the connection (code 1001: bye)"


def test_close_with_a_peer_that_answers(ws: DuplexWebSocket) -> None:
    received: list[Frame] = []

    def answer(sock: socket.socket) -> None:
        for frame in frames_from(sock):
            received.append(frame)
            if frame.opcode == CLOSE:
                sock.sendall(encode(TEXT, b"too late") + encode(PING, b"too late") + encode(CLOSE, frame.payload))

    with serving(answer) as url:
        ws.connect(url, http_no_proxy=["*"])
        before = time.monotonic()
        ws.close(4000, b"reason", timeout=2 * PROMPT)
        assert time.monotonic() < before + PROMPT
    assert received[0] == Frame(CLOSE, struct.pack("!H", 4000) + b"reason")
    assert [frame.opcode for frame in received].count(CLOSE) == 1


@pytest.mark.parametrize("full", [False, True])
def test_close_with_a_mute_peer(ws: DuplexWebSocket, peer: Pair, full: bool) -> None:
    """Also when there is no room for the close frame."""
    written = fill(ws) if full else b""
    before = time.monotonic()
    ws.close(timeout=0.1)
    assert before + 0.1 <= time.monotonic() < before + PROMPT / 2
    assert (ws.sock, ws.connected) == (None, False)
    received = peer.received()
    if full:
        assert received == written
    else:
        assert FrameParser().feed(received) == [NORMAL_CLOSE]


def test_close_with_a_peer_that_sends_without_end(ws: DuplexWebSocket) -> None:
    def flood(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(encode(TEXT, b"x" * 1000) * 100)

    with serving(flood) as url:
        ws.connect(url, http_no_proxy=["*"])
        before = time.monotonic()
        ws.close(timeout=0.1)
        assert time.monotonic() < before + PROMPT


def test_close_after_the_peer_has_closed(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.deliver(close_frame(1001))
    with pytest.raises(ConnectionLost, match="code 1001"):
        ws.recv_batch()
    ws.close(timeout=None)
    assert peer.frames() == [NORMAL_CLOSE]


def test_both_sides_close_at_once(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.deliver(encode(TEXT, b"unread") + close_frame(1001))
    ws.close(timeout=None)
    assert peer.frames() == [NORMAL_CLOSE]


def test_close_when_the_peer_hangs_up_instead_of_answering(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.end()
    ws.close(timeout=None)
    assert peer.frames() == [NORMAL_CLOSE]


def test_close_when_the_peer_is_gone(ws: DuplexWebSocket, peer: Pair) -> None:
    peer.close()
    ws.close(timeout=None)
    assert ws.sock is None


def test_close_after_a_wake_up(ws: DuplexWebSocket, peer: Pair, waker: Waker) -> None:
    waker.wake()
    assert list(ws.recv_batch(None, waker)) == []
    peer.deliver(close_frame(1000))
    ws.close(timeout=None)
    assert peer.frames() == [NORMAL_CLOSE]


def test_close_again_and_again(ws: DuplexWebSocket, peer: Pair) -> None:
    assert list(ws.recv_batch(0.0)) == []
    for _ in range(3):
        ws.close(timeout=0)
        ws.shutdown()
    assert peer.frames() == [NORMAL_CLOSE]
    with pytest.raises(ConnectionLost, match="closed"):
        ws.recv_batch()
    with pytest.raises(ConnectionLost, match="closed"):
        ws.write_some(b"x")


def test_shutdown_ends_it_at_once_and_says_nothing(ws: DuplexWebSocket, peer: Pair) -> None:
    assert list(ws.recv_batch(0.0)) == []
    ws.shutdown()
    assert (ws.connected, peer.sock.recv(100)) == (False, b"")
    with pytest.raises(ConnectionLost, match="closed"):
        ws.recv_batch()


def test_frames_of_one_length_are_the_same_in_whatever_pieces_they_come() -> None:
    lengths = [40] * 60 + [41, 40, 41, 40] + [300] * 20 + [40] * 3 + [7] * 15 + [0] * 40 + [40] * 200
    messages = [b"%d" % number + b"." * length for number, length in enumerate(lengths)]
    messages = [message[-length:] if length else b"" for message, length in zip(messages, lengths)]
    frames = [encode(BINARY if number % 97 == 96 else TEXT, message) for number, message in enumerate(messages)]
    stream = b"".join(frames)
    for piece in (len(stream), 1000, 97):
        cut_up: list[bytes] = []
        rest = b""
        for start in range(0, len(stream), piece):
            buffer = rest + stream[start : start + piece]
            found = cut_frames(buffer, 0, MAX_MESSAGE, plain=PLAIN, binary=BinaryMessage)
            rest = buffer[found.position :]
            cut_up += found.payloads
        assert cut_up == messages
        assert [number for number, one in enumerate(cut_up) if isinstance(one, BinaryMessage)] == [96, 193, 290]
