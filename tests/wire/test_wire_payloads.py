"""Frames that stay together until they are decoded give the same messages as frames that are cut apart."""

from __future__ import annotations

import operator
import struct

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simsync.wire import quick_events
from simsync.wire.control import ControlDecoder
from simsync.wire.dialect import Dialect
from simsync.wire.payloads import (
    LARGEST_BLOCK,
    LARGEST_RUN_FRAME,
    LONGEST_RUN,
    PLAIN,
    SHORTEST_RUN,
    BinaryMessage,
    Block,
    Cut,
    Payloads,
    cut_frames,
)

from .test_wire_quick_events import PAYLOAD, encode, event


def framed(payload: bytes, first: int = 0x81) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def cut(frames: bytes, position: int = 0, limit: int = 1 << 20) -> Cut:
    return cut_frames(frames, position, limit, plain=PLAIN, binary=BinaryMessage)


def run_of(payloads: list[bytes]) -> Block:
    """The block of frames of one length; the first of them shows the length and stays outside."""
    first, *rest = payloads
    blocks = cut(b"".join(map(framed, [first, *rest]))).payloads.blocks
    assert [len(block) for block in blocks] == [1, len(rest)], "it is no run"
    return blocks[1]


def made_equal(payloads: list[bytes]) -> list[bytes]:
    """Of one length: white space changes nothing, wherever it may stand."""
    length = max(map(len, payloads))
    return [payload[:-1] + b" " * (length - len(payload)) + payload[-1:] for payload in payloads]


def decoded(payloads: Payloads | list[bytes], *, quick: bool) -> list[str]:
    return [repr(one) for one in ControlDecoder(Dialect(), quick=quick).decode_all(payloads)]


@pytest.mark.usefixtures("codec")
@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(payloads=st.lists(PAYLOAD, min_size=1, max_size=6))
@example(payloads=[encode(event(1)) + encode(event(2)), b"{" + b" " * 40 + b"}"])
@example(payloads=[encode(event(1)), encode(event(2))[:-1], encode(event(3))])
@example(payloads=[b'{"method":"sessionEventV2","params":{}', encode(event(2)) + b"}", encode(event(3))])
@example(payloads=[b'{"a":"}', b'{","method":1}', encode(event(3))])
@example(payloads=[b'{"a":[{}', b"{}]}" + encode(event(1)), encode(event(3))])
@example(payloads=[encode(event(1)), encode(event(2)).replace(b"a", b"\xff", 1)])
def test_a_run_is_read_as_its_frames_are(payloads: list[bytes]) -> None:
    equal = made_equal(payloads)
    repeated = equal * SHORTEST_RUN
    received = cut(b"".join(map(framed, [b"{}", *repeated, b"[]"]))).payloads
    if 2 < len(equal[0]) <= LARGEST_RUN_FRAME:
        assert len(received.blocks) < len(repeated), "no run was found"
    assert list(received) == [b"{}", *repeated, b"[]"]
    assert decoded(received, quick=True) == decoded([b"{}", *repeated, b"[]"], quick=False)


@pytest.mark.usefixtures("codec")
def test_a_run_of_events_is_read_the_quick_way() -> None:
    payloads = [encode(event(slot)) for slot in range(100, 101 + LONGEST_RUN)]
    run = run_of(payloads)
    assert list(run) == payloads[1:]
    assert quick_events.read(run) == quick_events.read(Block(payloads[1:])) is not None


@pytest.mark.parametrize("odd", [b"[1]", b"{1]", b"[1}", b" {}", b"{} ", b"{\xff}"])
def test_only_objects_are_lines(odd: bytes) -> None:
    plain = [b"{1}", b"{2}"] * SHORTEST_RUN
    assert run_of([b"{0}", *plain]).lines() == bytearray(b"\n {1}\n {2}") * SHORTEST_RUN
    assert Block(plain).lines() == b"\n".join(plain)
    for place in (0, 5, len(plain)):
        mixed = [*plain[:place], odd, *plain[place:]]
        assert run_of([b"{0}", *mixed]).lines() is None
        assert Block(mixed).lines() is None
    assert Block([b"{1}", b""]).lines() is None


@pytest.mark.parametrize("size", [5, 125, 126, 300, LARGEST_RUN_FRAME])
def test_how_long_a_run_is(size: int) -> None:
    frame = framed(b"x" * size)
    other = framed(b"y" * (size - 1))

    def groups(frames: bytes) -> list[int]:
        return [len(block) for block in cut(frames).payloads.blocks]

    for count in (SHORTEST_RUN, LONGEST_RUN, LONGEST_RUN + 3):
        frames = frame * (1 + count)  # the first one shows the length
        expected = [1, min(count, LONGEST_RUN), *([3] if count > LONGEST_RUN else [])]
        assert groups(frames) == expected
        assert groups(frames + frame[:-1]) == expected  # the last one is not complete
        grown = [*expected[:-1], 4] if count > LONGEST_RUN else [*expected, 1]
        assert groups(frames + other) == grown
        assert groups(frames + framed(b"x" * size, 0x82)) == grown
    assert groups(frame * SHORTEST_RUN) == [SHORTEST_RUN], "too short"


def test_large_frames_are_cut_apart() -> None:
    payloads = [b"x" * (LARGEST_RUN_FRAME + 1)] * (LARGEST_BLOCK + 40)
    assert [len(block) for block in cut(b"".join(map(framed, payloads))).payloads.blocks] == [LARGEST_BLOCK, 40]


def test_where_cutting_stops() -> None:
    frame = framed(b"abc")
    whole = cut(b"-" + frame, 1)
    assert (list(whole.payloads), whole.position, whole.missing, whole.oversized) == ([b"abc"], 6, 1, 0)
    for present, missing in ((1, 1), (2, 3), (4, 1)):
        part = cut(frame + frame[:present])
        assert (list(part.payloads), part.position, part.missing) == ([b"abc"], 5, missing)
    for other in (framed(b"", 0x89), framed(b"abc", 0x01), b"\x81\x83maskabc"):
        stopped = cut(frame + other)
        assert (list(stopped.payloads), stopped.position, stopped.missing) == ([b"abc"], 5, 0)
    large = framed(b"x" * 70_000)
    assert len(cut(large, limit=70_000).payloads) == 1
    assert cut(large[:10], limit=69_999).oversized == 70_000
    assert cut(large[:9], limit=69_999).oversized == 0, "its length is not known yet"


def test_payloads_are_a_collection_of_bytes() -> None:
    messages = [b"%d" % number for number in range(150)]
    payloads = Payloads(messages)
    assert len(payloads) == 150
    assert list(payloads) == messages
    assert b"7" in payloads
    assert b"x" not in payloads
    assert not Payloads()
    assert Payloads.of(payloads) is payloads
    assert list(Payloads.of(messages)) == messages
    assert max(map(len, payloads.blocks)) == LARGEST_BLOCK
    left = iter(payloads)
    next(left)
    assert operator.length_hint(left) == 149
