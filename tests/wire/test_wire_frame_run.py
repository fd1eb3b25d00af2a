"""Frames that were kept together say what they say one by one."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simsync.wire.control import ControlDecoder
from simsync.wire.dialect import Dialect
from simsync.wire.frame_run import LONGEST, FrameRun, length_of_run

from .test_wire_quick_events import PAYLOAD, encode, event


def framed(payload: bytes) -> bytes:
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    return struct.pack("!BBH", 0x81, 126, len(payload)) + payload


def run_of(payloads: list[bytes]) -> FrameRun:
    frames = b"".join(map(framed, payloads))
    return FrameRun(frames, len(framed(payloads[0])) - len(payloads[0]), len(payloads))


def made_equal(payloads: list[bytes]) -> list[bytes]:
    """Of one length: white space changes nothing, wherever it may stand."""
    length = max(map(len, payloads))
    return [payload[:-1] + b" " * (length - len(payload)) + payload[-1:] for payload in payloads]


def decoded(payloads: list[Any], *, quick: bool) -> list[str]:
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
    if equal[0]:
        run = run_of(equal)
        assert list(run) == equal
        assert decoded([run], quick=True) == decoded(equal, quick=False)
        assert decoded([b"{}", run, b"[]"], quick=True) == decoded([b"{}", *equal, b"[]"], quick=False)


@pytest.mark.usefixtures("codec")
def test_a_run_of_events_is_read_the_quick_way() -> None:
    decoder = ControlDecoder(Dialect())
    assert decoder._quick is not None
    payloads = [encode(event(slot)) for slot in range(100, 100 + LONGEST)]
    assert decoder._quick.read_run(run_of(payloads)) == [("backtest_a", 7, slot) for slot in range(100, 100 + LONGEST)]


@pytest.mark.parametrize("odd", [b"[1]", b"{1]", b"[1}", b" {}", b"{} ", b"{\xff}"])
def test_only_objects_are_lines(odd: bytes) -> None:
    assert run_of([b"{1}", b"{2}"]).lines() == bytearray(b"\n {1}\n {2}")
    assert run_of([b"{1}", odd, b"{2}"]).lines() is None


@pytest.mark.parametrize("size", [5, 125, 126, 300])
def test_how_long_a_run_is(size: int) -> None:
    frame = framed(b"x" * size)
    header = len(frame) - size
    other = framed(b"y" * (size - 1))
    for count in (1, 2, 5, LONGEST, LONGEST + 3):
        frames = b"begin" + frame * count
        expected = min(count, LONGEST)
        assert length_of_run(frames, 5, header, len(frame)) == expected
        assert length_of_run(frames + frame[:-1], 5, header, len(frame)) == expected  # the last one is not whole
        assert length_of_run(frames + other, 5, header, len(frame)) == expected
        assert length_of_run(frames + b"\x82" + frame[1:], 5, header, len(frame)) == expected
