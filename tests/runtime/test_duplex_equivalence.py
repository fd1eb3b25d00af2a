"""What goes over the wire means the same to DuplexWebSocket as to the class of websocket-client that it is built on.

For wire scripts of all kinds, valid or not, however the bytes are cut into pieces: the same messages of the same kind
in the same order before the same kind of ending, and the same pongs and close frames back to the peer. Then the same
for sequences of frames and cuts that hypothesis makes up.
"""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple, Union

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st

from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.duplex import DuplexWebSocket
from simsync.wire.payloads import BinaryMessage

from .wire_peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SAFETY_NET,
    TEXT,
    Frame,
    Pair,
    close_frame,
    cut,
    encode,
    frames_from,
    serving,
)

MAX_MESSAGE = 1 << 20
MASK = b"\x01\xfe\x80\x33"
LONG = bytes(range(256)) * 300  # 76,800 bytes, so the length takes 64 bits
MIDDLE = b"middle of it " * 100

SCRIPTS: dict[str, list[bytes]] = {
    "lengths of 7 bits": [encode(TEXT, b"a"), encode(TEXT, b"b" * 125), encode(TEXT, b"c")],
    "lengths of 16 bits": [encode(TEXT, b"a" * 126), encode(TEXT, b"b" * 127), encode(TEXT, b"c" * 65535)],
    "lengths of 64 bits": [encode(TEXT, b"a" * 65536), encode(TEXT, b"b"), encode(BINARY, LONG)],
    "lengths longer than they need be": [
        encode(TEXT, b"a", length_bits=16),
        encode(TEXT, b"b", length_bits=64),
        encode(TEXT, b"", length_bits=64),
        encode(PING, b"c", length_bits=16),
        encode(TEXT, b"d"),
    ],
    "empty frames": [encode(TEXT), encode(BINARY), encode(PING), encode(PONG), encode(TEXT), encode(TEXT, b"end")],
    "pings and pongs between data": [
        encode(PING, b"1"),
        encode(TEXT, b"a"),
        encode(PING, b"2" * 125),
        encode(PING, b"3"),
        encode(PONG, b"4"),
        encode(TEXT, MIDDLE),
        encode(PING, b"5"),
    ],
    "fragments with a ping inside": [
        encode(TEXT, b"first"),
        encode(TEXT, b"one,", final=False),
        encode(PING, b"inside"),
        encode(CONTINUATION, b"two,", final=False),
        encode(PONG, b"as well"),
        encode(CONTINUATION, MIDDLE),
        encode(TEXT, b"last"),
    ],
    "fragments of binary, some empty": [
        encode(BINARY, b"", final=False),
        encode(CONTINUATION, b"\x00\xff", final=False),
        encode(CONTINUATION, b"", final=False),
        encode(CONTINUATION),
        encode(BINARY, b"", final=False),
        encode(CONTINUATION),
        encode(TEXT, b"text"),
    ],
    "binary and text": [encode(BINARY, b"\x00\x81\x82"), encode(TEXT, b"{}"), encode(BINARY, MIDDLE), encode(BINARY)],
    "text that is not UTF-8": [
        encode(TEXT, b"\xff\xfe"),
        encode(TEXT, b"\xc3", final=False),
        encode(CONTINUATION, b"\x28"),
    ],
    "masked frames from the server": [
        encode(TEXT, b"plain"),
        encode(TEXT, b"masked", mask=MASK),
        encode(BINARY, MIDDLE, mask=MASK),
        encode(PING, b"masked", mask=MASK),
        encode(TEXT, b"frag", final=False, mask=MASK),
        encode(CONTINUATION, b"ments", mask=MASK),
        encode(TEXT, b"", mask=MASK),
        encode(TEXT, b"plain again"),
    ],
    "a reserved bit on data": [encode(TEXT, b"a"), encode(TEXT, b"b", rsv=4), encode(TEXT, b"never seen")],
    "a reserved bit on a ping": [encode(TEXT, b"a"), encode(PING, b"b", rsv=1), encode(TEXT, b"never seen")],
    "a reserved bit on a long frame": [encode(TEXT, b"a"), encode(BINARY, MIDDLE, rsv=2), encode(TEXT, b"never seen")],
    "an unknown opcode": [encode(TEXT, b"a"), encode(3, b"b"), encode(TEXT, b"never seen")],
    "an unknown control opcode": [encode(TEXT, b"a"), encode(TEXT, b"b"), encode(11, b"c")],
    "a stray continuation": [encode(TEXT, b"a"), encode(CONTINUATION, b"b"), encode(TEXT, b"never seen")],
    "a stray first continuation": [encode(CONTINUATION, b"a", final=False), encode(CONTINUATION, b"b")],
    "a new message inside a fragmented one": [
        encode(TEXT, b"a"),
        encode(TEXT, b"b", final=False),
        encode(TEXT, b"c"),
        encode(CONTINUATION, b"d"),
    ],
    "a fragmented ping": [encode(TEXT, b"a"), encode(PING, b"b", final=False), encode(CONTINUATION, b"c")],
    "a fragmented pong": [encode(TEXT, b"a"), encode(PONG, b"b", final=False), encode(TEXT, b"c")],
    "a ping that is too long": [encode(TEXT, b"a"), encode(PING, b"b" * 126), encode(TEXT, b"never seen")],
    "close with a code": [encode(TEXT, b"a"), close_frame(1000)],
    "close with a reason": [encode(TEXT, b"a"), encode(BINARY, b"b"), close_frame(4321, "geht nicht: ü".encode())],
    "close with a reason that is not UTF-8": [close_frame(1011, b"\xff\xfe")],
    "close without a code": [encode(TEXT, b"a"), encode(CLOSE)],
    "close, then more": [close_frame(1001), encode(TEXT, b"never seen"), encode(PING), close_frame(1000)],
    "close inside a fragmented message": [encode(TEXT, b"a", final=False), close_frame(1012, b"restart")],
    "close, masked": [encode(CLOSE, struct.pack("!H", 1000), mask=MASK)],
    "a forbidden close code": [encode(TEXT, b"a"), close_frame(1005)],
    "a close code out of range": [encode(TEXT, b"a"), close_frame(5000)],
    "a close frame of one byte": [encode(TEXT, b"a"), encode(CLOSE, b"\x03")],
    "a close frame that is too long": [encode(TEXT, b"a"), close_frame(1000, b"r" * 124)],
    "nothing": [],
    "the end between frames": [encode(TEXT, b"a"), encode(TEXT, b"b")],
    "the end after the first byte": [encode(TEXT, b"a"), encode(TEXT, b"b")[:1]],
    "the end inside a length": [encode(TEXT, b"a"), encode(TEXT, LONG)[:7]],
    "the end inside a payload": [encode(TEXT, b"a"), encode(PING, b"p"), encode(TEXT, MIDDLE)[:-1]],
    "the end inside a ping": [encode(TEXT, b"a"), encode(PING, b"ping")[:-1]],
    "the end inside a fragmented message": [encode(TEXT, b"a"), encode(TEXT, b"b", final=False), encode(PING, b"p")],
}

CUTS = {
    "with the response": None,
    "all at once": 0,
    "byte by byte": 1,
    "by 7 bytes": 7,
    "by 997 bytes": 997,
}


class Outcome(NamedTuple):
    messages: list[tuple[int, bytes]]
    """Opcode and payload."""
    ending: Union[str, tuple[str, int | None, str]]
    """``"end of stream"``, ``"protocol error"``, or close with code and reason."""
    replies: list[Frame]
    """What the peer has got."""


def with_the_library(stream: bytes) -> Outcome:
    """The whole stream, read by the class of the library."""
    ws = websocket.WebSocket(skip_utf8_validation=True)
    messages: list[tuple[int, bytes]] = []
    ending: str | tuple[str, int | None, str]
    with Pair(ws) as peer:
        peer.deliver(stream)
        peer.end()
        try:
            while True:
                opcode, frame = ws.recv_data_frame(control_frame=True)
                if opcode == CLOSE:
                    code = int.from_bytes(frame.data[:2], "big") if frame.data else None
                    ending = ("close", code, frame.data[2:].decode("utf-8", "replace"))
                    break
                if opcode in (TEXT, BINARY):
                    messages.append((opcode, bytes(frame.data)))
        except websocket.WebSocketConnectionClosedException:
            ending = "end of stream"
        except websocket.WebSocketProtocolException:
            ending = "protocol error"
        replies = peer.frames()
        ws.shutdown()
    return Outcome(messages, ending, replies)


def as_sent(batch: Iterable[bytes]) -> list[tuple[int, bytes]]:
    return [(BINARY if isinstance(message, BinaryMessage) else TEXT, bytes(message)) for message in batch]


def ending_of(lost: ConnectionLost) -> str | tuple[str, int | None, str]:
    if isinstance(lost.__cause__, websocket.WebSocketProtocolException):
        assert lost.code is None
        return "protocol error"
    if lost.reason.startswith("the server closed the connection"):
        _before, _colon, reason = lost.reason.partition(": ")
        return ("close", lost.code, reason[:-1])
    assert (lost.reason, lost.code) == ("the connection ended without a close frame", None)
    return "end of stream"


def with_duplex(pieces: list[bytes], early: bytes = b"", *, bulk: bool = True) -> Outcome:
    """Piece by piece; after each one everything is read that is there."""
    ws = DuplexWebSocket(max_message=MAX_MESSAGE, bulk=bulk)
    messages: list[tuple[int, bytes]] = []
    with Pair(ws, early) as peer:
        try:
            for piece in pieces:
                peer.deliver(piece)
                while True:
                    batch = ws.recv_batch(0.0)
                    if not batch:
                        break
                    messages += as_sent(batch)
            peer.end()
            while True:
                messages += as_sent(ws.recv_batch(time.monotonic() + SAFETY_NET))
        except ConnectionLost as lost:
            ending = ending_of(lost)
            with pytest.raises(ConnectionLost) as again:
                ws.recv_batch(0.0)
            assert (again.value.reason, again.value.code) == (lost.reason, lost.code)
        replies = peer.frames()
        ws.shutdown()
    return Outcome(messages, ending, replies)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_same_as_the_library(script: str, cuts: str) -> None:
    stream = b"".join(SCRIPTS[script])
    size = CUTS[cuts]
    outcome = with_duplex([], stream) if size is None else with_duplex(list(cut(stream, size)))
    assert outcome == with_the_library(stream)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_same_without_reading_in_bulk(script: str) -> None:
    stream = b"".join(SCRIPTS[script])
    expected = with_the_library(stream)
    assert with_duplex([], stream, bulk=False) == expected
    # In small pieces the library takes a time that grows with the square of the length.
    for size in (0, 997) if len(stream) > 5000 else (0, 1, 7):
        assert with_duplex(list(cut(stream, size)), bulk=False) == expected


@pytest.mark.parametrize("script", [name for name, frames in SCRIPTS.items() if len(b"".join(frames)) < 5000])
def test_the_same_over_a_connection_that_trickles(script: str) -> None:
    """The reader waits for each byte, as it may in a thread of its own."""
    stream = b"".join(SCRIPTS[script])
    replies: list[Frame] = []
    sent = threading.Event()

    def trickle(sock: socket.socket) -> None:
        for piece in cut(stream, 1):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        sent.set()
        replies.extend(frames_from(sock))

    ws = DuplexWebSocket(max_message=MAX_MESSAGE)
    messages: list[tuple[int, bytes]] = []
    with serving(trickle) as url:
        ws.connect(url, http_no_proxy=["*"])
        try:
            while True:
                messages += as_sent(ws.recv_batch(time.monotonic() + SAFETY_NET))
        except ConnectionLost as lost:
            ending = ending_of(lost)
        assert sent.wait(SAFETY_NET)
        ws.shutdown()
    expected = with_the_library(stream)
    assert (messages, ending) == (expected.messages, expected.ending)
    assert replies == expected.replies


# Made up by hypothesis.


@dataclasses.dataclass(frozen=True)
class Made:
    """A frame, described so that a failing example can be read."""

    opcode: int
    size: int
    final: bool = True
    mask: bytes = b""
    rsv: int = 0
    length_bits: int = 0
    kept: int = 1 << 30
    """Bytes after which the stream ends."""

    def encoded(self) -> bytes:
        payload = struct.pack("!H", 1000 + self.size) if self.opcode == CLOSE and self.size == 2 else LONG[: self.size]
        frame = encode(
            self.opcode, payload, final=self.final, mask=self.mask, rsv=self.rsv, length_bits=self.length_bits
        )
        return frame[: self.kept]


_sizes = st.one_of(st.integers(0, 20), st.sampled_from([125, 126, 127, 1000, 65535, 65536, 70_000]))
_masks = st.sampled_from([b"", b"", b"", MASK])
_data = st.sampled_from([TEXT, BINARY])
_control = st.builds(Made, st.sampled_from([PING, PONG]), st.integers(0, 125), mask=_masks)
_whole = st.builds(Made, _data, _sizes, mask=_masks)
_anything = st.builds(
    Made,
    st.integers(0, 15),
    st.integers(0, 130),
    final=st.booleans(),
    mask=_masks,
    rsv=st.sampled_from([0, 0, 0, 1, 2, 4]),
    length_bits=st.sampled_from([0, 16, 64]),
)
_cut_off = st.builds(Made, st.sampled_from([TEXT, BINARY, PING, CLOSE]), st.integers(0, 125), kept=st.integers(0, 12))
_closing = st.builds(Made, st.just(CLOSE), st.sampled_from([0, 1, 2, 125, 126]))


@st.composite
def _fragmented(draw: st.DrawFn) -> list[Made]:
    frames = [Made(draw(_data), draw(_sizes), final=False, mask=draw(_masks))]
    between = st.one_of(_control, st.builds(Made, st.just(CONTINUATION), _sizes, final=st.just(False), mask=_masks))
    frames += draw(st.lists(between, max_size=3))
    return [*frames, Made(CONTINUATION, draw(_sizes), mask=draw(_masks))]


_one = st.one_of(_control, _whole, _whole).map(lambda frame: [frame])
_conversations = st.builds(
    lambda parts, last: [frame for part in parts for frame in part] + last,
    st.lists(st.one_of(_one, _one, _one, _fragmented()), max_size=8),
    st.one_of(st.just([]), st.one_of(_closing, _anything, _cut_off).map(lambda frame: [frame])),
)


def _check(frames: list[Made], places: list[int]) -> None:
    """``places`` are where the stream is cut, as parts of a million of its length."""
    stream = b"".join(frame.encoded() for frame in frames)
    positions = sorted({0, len(stream), *(len(stream) * place // 1_000_000 for place in places)})
    pieces = [stream[start:stop] for start, stop in zip(positions, positions[1:])]
    expected = with_the_library(stream)
    assert with_duplex(pieces) == expected
    assert with_duplex(pieces, bulk=False) == expected


_places = st.lists(st.integers(0, 1_000_000), max_size=40)


@settings(max_examples=200, deadline=None, database=None)
@given(_conversations.filter(lambda frames: sum(frame.size for frame in frames) < 150_000), _places)
def test_any_sequence_of_frames_cut_anyhow(frames: list[Made], places: list[int]) -> None:
    _check(frames, places)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(_anything, max_size=6), _places)
def test_frames_of_any_kind_allowed_or_not(frames: list[Made], places: list[int]) -> None:
    _check(frames, places)
