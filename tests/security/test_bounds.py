"""The memory that a server can make a client use: every frame, body and list is bounded; larger ones are rejected."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import random
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

import simsync
from simsync.protocol.control import Phase
from simsync.protocol.outcome import Reconnect
from simsync.protocol.parallel import ParallelProtocol
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.wire import compression, pubsub
from simsync.wire.dialect import Dialect
from tests.runtime.scripted_control import SESSION, Talk, scripted
from tests.runtime.wire_peer import BINARY, CONTINUATION, PONG, TEXT, encode
from tests.security.conftest import KEY
from tests.security.listeners import http, listening

zstandard = pytest.importorskip("zstandard")

MIB = 1024 * 1024
CREATE = simsync.CreateSession(1, 9)
SMALL = simsync.Options(max_message=65_536, reconnect_attempts=0, rpc_timeout=10.0, close_timeout=2.0)


@contextlib.contextmanager
def at_most(size: int) -> Iterator[None]:
    """Fail if Python objects take more than this many additional bytes at any time."""
    tracemalloc.start()
    try:
        yield
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size, f"{peak:,} bytes"


def zstd_blocks(count: int, *, declared: int | None = None, window_log: int = 20) -> bytes:
    """A frame of ``count`` blocks, each 4 bytes that stand for 128 KiB; ``declared``: the size that it says it has."""
    descriptor = 0 if declared is None else 0b1100_0000
    window = (window_log - 10) << 3
    size = b"" if declared is None else struct.pack("<Q", declared)
    block = ((128 * 1024) << 3 | 1 << 1).to_bytes(3, "little") + b" "
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor, window]) + size + block * count


# Compressed messages.


@pytest.mark.parametrize("declared", [None, 10, 2**30, 2**62])
def test_a_small_frame_that_stands_for_gigabytes(declared: int | None) -> None:
    bomb = zstd_blocks(32 * 1024, declared=declared)  # 4 GiB
    inflater = compression.Inflater(8 * MIB)
    with at_most(20 * MIB):
        with pytest.raises(ValueError, match=r"more than the limit of 8388608 bytes|stream is broken"):
            inflater.inflate(bomb)


def test_a_frame_that_wants_much_history() -> None:
    with pytest.raises(ValueError, match="too much memory"):
        compression.Inflater(65_536).inflate(zstd_blocks(1, window_log=27))


@pytest.mark.parametrize("random_bytes", [True, False])
def test_messages_of_all_sizes_are_whole(random_bytes: bool) -> None:
    draw = random.Random(5)
    texts = [draw.randbytes(size) if random_bytes else bytes(size) for size in (0, 1, 255, 256, 257, 65_537, 3_000_000)]
    compressor = zstandard.ZstdCompressor().compressobj()
    inflater = compression.Inflater(3_000_000)
    for text in texts:
        frame = compressor.compress(text) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        assert inflater.inflate(frame) == text


def test_a_message_of_exactly_the_limit_passes() -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    frames = [
        compressor.compress(bytes(size)) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for size in (65_536, 65_536, 65_537)
    ]
    inflater = compression.Inflater(65_536)
    assert [len(inflater.inflate(frame)) for frame in frames[:2]] == [65_536, 65_536]
    with pytest.raises(ValueError, match="limit"):
        inflater.inflate(frames[2])


def answer_subscribe(talk: Talk) -> None:
    talk.expect("slotSubscribe")
    talk.sock.sendall(encode(TEXT, b'{"jsonrpc":"2.0","id":1,"result":7}'))


def slot_notification(slot: int, padding: int) -> bytes:
    result = {"slot": slot, "pad": " " * padding}
    return json.dumps(
        {"jsonrpc": "2.0", "method": "slotNotification", "params": {"subscription": 7, "result": result}}
    ).encode()


END = encode(TEXT, b'{"method":"slotNotification","params":{"subscription":7,"result":{"done":true}}}')


@contextlib.contextmanager
def subscribed(data: object, options: simsync.Options, completed: bool = False) -> Iterator[simsync.SubSession]:
    """A sub-session whose data plane follows a script."""

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"))
        if completed:
            talk.event(3, "completed", {"summary": None}, SESSION)
        talk.goodbye()

    with scripted(data) as data_url, scripted(control) as url:  # type: ignore[arg-type]
        with simsync.Client(url, KEY, options=options).parallel(CREATE, timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            yield sub


@pytest.mark.parametrize(
    "frame",
    [
        encode(BINARY, zstd_blocks(32 * 1024)[:60_000]),
        bytes([0x82, 127]) + struct.pack("!Q", 2**40) + b"x" * 100,
        bytes([0x81, 127]) + struct.pack("!Q", 65_537) + b"x" * 100,
        encode(TEXT, b"x" * 60_000, final=False) + encode(CONTINUATION, b"x" * 60_000, final=False),
    ],
    ids=["bomb", "a huge frame", "a large frame", "fragments without end"],
)
def test_the_data_plane_refuses_what_is_too_large(frame: bytes) -> None:
    def data(talk: Talk) -> None:
        answer_subscribe(talk)
        talk.sock.sendall(frame)
        talk.expect_end()

    with subscribed(data, SMALL) as sub:
        with at_most(10 * MIB):
            with pytest.raises(simsync.SubscriptionFailed, match=r"limit of 65536 bytes"):
                list(sub.events(timeout=20))


@pytest.mark.parametrize(
    "frame",
    [
        bytes([0x81, 127]) + struct.pack("!Q", 2**40) + b"x" * 100,
        bytes([0x81, 0xFF]) + struct.pack("!Q", 2**40) + b"mask" + b"x" * 200_000,
        encode(TEXT, b"x" * 60_000, final=False) + encode(CONTINUATION, b"x" * 60_000, final=False),
    ],
    ids=["a huge frame", "a huge masked frame", "fragments without end"],
)
@pytest.mark.parametrize("created", [True, False])
def test_the_control_plane_refuses_what_is_too_large(frame: bytes, created: bool) -> None:
    def control(talk: Talk) -> None:
        if created:
            talk.create()
        with contextlib.suppress(ConnectionError):
            talk.sock.sendall(frame)
        talk.expect_end()

    with at_most(10 * MIB), scripted(control) as url:
        with pytest.raises(simsync.SimsyncError, match="limit of 65536 bytes"):
            with simsync.Client(url, KEY, options=SMALL).parallel(CREATE, timeout=20) as session:
                list(session.events(timeout=20))


def test_a_batch_of_small_frames_does_not_fill_the_memory_when_it_is_inflated() -> None:
    """The buffer for the caller is bounded by the inflated size, also in the middle of a batch."""
    count, padding = 400, 256 * 1024
    compressor = zstandard.ZstdCompressor().compressobj()
    frames = b"".join(
        encode(
            BINARY,
            compressor.compress(slot_notification(slot, padding)) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
        )
        for slot in range(count)
    )
    assert len(frames) < MIB < count * padding / 50

    full = threading.Event()

    def data(talk: Talk) -> None:
        answer_subscribe(talk)
        talk.sock.sendall(frames + END)
        for _ in range(3):
            talk.expect_frame(PONG)  # what a reader sends that waits for its caller
        full.set()
        talk.expect_end()

    options = simsync.Options(
        max_message=MIB, buffer_bytes=2 * MIB, reconnect_attempts=0, drain_idle=20.0, ping_interval=0.03
    )
    seen = 0
    with at_most(40 * MIB):
        with subscribed(data, options, completed=True) as sub:
            assert full.wait(20)
            for event in sub.events(timeout=20):
                seen += isinstance(event, simsync.Notification)
    assert seen == count


def test_a_server_that_acknowledges_one_subscribe_and_floods() -> None:
    """simsync cannot wait for the caller, who may be waiting for the other subscription."""

    def data(talk: Talk) -> None:
        talk.expect("transactionSubscribe")
        talk.sock.sendall(encode(TEXT, b'{"jsonrpc":"2.0","id":1,"result":7}'))
        with contextlib.suppress(ConnectionError):
            for slot in range(8_000):
                talk.sock.sendall(encode(TEXT, slot_notification(slot, 10_000)))
        talk.expect_end()

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"))
        talk.goodbye()

    options = dataclasses.replace(SMALL, buffer_bytes=100_000)
    with at_most(30 * MIB), scripted(data) as data_url, scripted(control) as url:
        with simsync.Client(url, KEY, options=options).parallel(CREATE, timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_transactions(["1" * 32, "So11111111111111111111111111111111111111112"])
            with pytest.raises(simsync.SubscriptionFailed, match="165536 bytes came before every subscribe"):
                sub.send_continue(simsync.Continue(1), timeout=20)


def test_what_comes_before_an_acknowledgement_is_bounded() -> None:
    dialect = Dialect()
    specs = [pubsub.SubscribeSpec.custom("slotSubscribe", None, None, dialect.streams)]
    conversation = SubscriptionProtocol(specs, dialect, compressed=False, max_message=65_536)
    conversation.connected()
    for slot in range(6):
        conversation.receive([slot_notification(slot, 10_000)])
        assert conversation.outcome is None
    conversation.receive([slot_notification(7, 10_000)])
    assert isinstance(conversation.outcome, Reconnect)
    assert "before their subscription was acknowledged" in conversation.outcome.reason
    conversation.connected()
    conversation.receive([slot_notification(slot, 10_000) for slot in range(6)])
    received = conversation.receive([b'{"jsonrpc":"2.0","id":1,"result":7}'])
    assert len(received.events) == 6


# Lists.


def conversation(limit: int) -> ParallelProtocol:
    made = ParallelProtocol(CREATE, simsync.Options(max_sub_sessions=limit))
    made.connected(0.0)
    return made


def announcement(number: int) -> bytes:
    params = {"session_id": f"s{number}", "rpc_endpoint": f"/{number}"}
    return json.dumps({"method": "sessionCreated", "params": params}).encode()


def early_event(number: int) -> bytes:
    params = {"session_id": f"e{number}", "seq_id": 1, "event": {"method": "slotNotification", "params": 1}}
    return json.dumps({"method": "sessionEventV2", "params": params}).encode()


@pytest.mark.parametrize("message", [announcement, early_event])
def test_a_server_that_announces_sub_sessions_without_end(message: object) -> None:
    assert callable(message)
    made = conversation(50)
    made.receive([message(number) for number in range(50)], 1.0)
    assert made.outcome is None
    made.receive([message(3), message(49)], 1.0)
    assert made.outcome is None
    made.receive((message(number) for number in range(50, 100_000)), 2.0)  # type: ignore[arg-type]
    assert made.outcome is not None
    assert "more than 50 sub-sessions" in made.outcome.reason
    assert len(made.sessions) == 50


def test_the_caller_is_told_that_there_are_too_many() -> None:
    def announcing(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        for number in range(5_000):
            talk.sock.sendall(encode(TEXT, announcement(number)))
        talk.expect_end()

    with pytest.raises(simsync.CreateError, match=r"more than 4096 sub-sessions.*max_sub_sessions"):
        with contextlib.suppress(ConnectionError), scripted(announcing) as url:
            simsync.Client(url, KEY).parallel(CREATE, timeout=20)


def test_news_that_nobody_takes_is_bounded() -> None:
    made = conversation(9)
    made.receive([b'{"method":"status","params":{"status":"preparingBundle"}}'] * 50_000, 1.0)
    assert made.phase is Phase.CREATING
    assert len(made.take_progress()) == 10_000
    assert made.take_progress() == []


# HTTP.


def chunks(*parts: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)


def bomb(size: int) -> bytes:
    """The start of a gzip file that holds so many MiB of zeros: one stream, of blocks that are made once."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    first, block = (compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + block * (size - 1)


BOMB = bomb(200)
TOO_LARGE = {
    "a length": http("200 OK", b" " * 65_537),
    "a length that is a lie": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n" + b" " * 100_000,
    "chunks without end": chunks(*[b" " * 10_000] * 20),
    "no length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 100_000,
    "a bomb": http("200 OK", BOMB, "Content-Encoding: gzip"),
    "a bomb with a short head": http("200 OK", gzip.compress(b"{}") + BOMB, "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_a_reply_that_is_too_large(what: str) -> None:
    with listening(TOO_LARGE[what]) as server, at_most(10 * MIB):
        rpc = simsync.Rpc(f"http://127.0.0.1:{server.port}/", SMALL)
        with pytest.raises(simsync.ProtocolError, match="larger than 65536 bytes"):
            rpc.call("getSlot")
        rpc.close()
        with pytest.raises(simsync.ProtocolError, match="larger than 65536 bytes"):
            simsync.Client(f"ws://127.0.0.1:{server.port}", KEY, options=SMALL).usage()


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_a_compression_that_was_not_asked_for(encoding: str) -> None:
    with listening(http("200 OK", BOMB, f"Content-Encoding: {encoding}")) as server, at_most(10 * MIB):
        with pytest.raises(simsync.ProtocolError, match="not requested"):
            simsync.Client(f"ws://127.0.0.1:{server.port}", KEY, options=SMALL).usage()
        assert b"accept-encoding: gzip\r\n" in server.heard.lower()


@pytest.mark.parametrize("status", ["302 Found", "400 Bad Request", "500 Oops"])
def test_an_error_with_a_body_that_is_too_large_is_still_that_error(status: str) -> None:
    answer = http(status, BOMB, "Content-Encoding: gzip", "Location: http://127.0.0.1:1/")
    with listening(answer) as server, at_most(10 * MIB):
        with pytest.raises(simsync.HttpStatusError, match="larger than 65536 bytes") as caught:
            simsync.Client(f"ws://127.0.0.1:{server.port}", KEY, options=SMALL).usage()
    assert caught.value.status == int(status[:3])


def test_compressed_replies_are_read() -> None:
    body = gzip.compress(b'{"jsonrpc":"2.0",') + gzip.compress(b'"id":1,"result":77}')  # two members are one text
    with listening(http("200 OK", body, "Content-Encoding: gzip")) as server:
        rpc = simsync.Rpc(f"http://127.0.0.1:{server.port}/", SMALL)
        assert rpc.get_slot() == 77
        server.answer = http("200 OK", body[:-20], "Content-Encoding: gzip")
        with pytest.raises(simsync.ProtocolError, match="ends early"):
            rpc.call("getSlot")
        server.answer = http("200 OK", b"x" + body, "Content-Encoding: gzip")
        with pytest.raises(simsync.ProtocolError, match="not valid gzip"):
            rpc.call("getSlot")
        rpc.close()


def test_the_answer_to_an_upgrade_with_an_absurd_length() -> None:
    for length in (10**6, 10**12, 10**30):
        with listening(f"HTTP/1.1 500 Oops\r\nContent-Length: {length}\r\n\r\nno".encode()) as server:
            with pytest.raises(simsync.ConnectError):
                simsync.Client(f"ws://127.0.0.1:{server.port}", KEY, options=SMALL).parallel(CREATE, timeout=20)
