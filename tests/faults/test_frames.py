"""Frames that a server may send, and frames that it must not, before each message on both planes."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from tests.runtime.wire_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, encode

from .faults import Before, Cut, Endless, Fragmented, NoPongs, WrongLength, fragments
from .proxy import CONTROL, DATA, DOWN, Fault, Plan
from .small_run import ALERT, OPTIONS, Bench

LIMIT = 1 << 16
SMALL = replace(OPTIONS, max_message=LIMIT)

ALLOWED: dict[str, Fault] = {
    "message in fragments": Fragmented(7),
    "message in fragments of one byte": Fragmented(1, ping=False),
    "ping flood": Before(encode(PING, b"x" * 100) * 500),
    "pongs that nobody asked for": Before(encode(PONG, b"hello") * 3 + encode(PONG)),
    "longer header than needed": Before(encode(TEXT, b"{}", length_bits=64) + encode(TEXT, b"{}", length_bits=16)),
    "empty fragments": Before(fragments(TEXT, b"{}", 1, encode(CONTINUATION, final=False))),
}

CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999]
CLOSES: dict[str, Fault] = {
    "close code": Before(b"", last=True),
    **{f"close code {code}": Before(close_frame(code, b"because"), last=True) for code in CODES},
    "close without a code": Before(encode(CLOSE), last=True),
    **{
        f"forbidden close code {code}": Before(close_frame(code), last=True)
        for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)
    },
    "close code of one byte": Before(encode(CLOSE, b"\x03"), last=True),
    "close reason that is no UTF-8": Before(close_frame(1001, b"\xff\xfe"), last=True),
    "close frame in the middle of a message": Before(
        encode(TEXT, b'{"method"', final=False) + close_frame(1001), last=True
    ),
}
del CLOSES["close code"]

FORBIDDEN: dict[str, Fault] = {
    "reserved bit": Before(encode(TEXT, b"{}", rsv=4)),
    "reserved opcode": Before(encode(0x3, b"{}")),
    "reserved control opcode": Before(encode(0xB)),
    "masked frame": Before(encode(TEXT, b"{}", mask=b"abcd")),
    "continuation of nothing": Before(encode(CONTINUATION, b"{}")),
    "message inside a message": Before(encode(TEXT, b"{", final=False) + encode(TEXT, b"{}")),
    "fragmented ping": Before(encode(PING, b"x", final=False)),
    "ping of 126 bytes": Before(encode(PING, b"x" * 126)),
    "oversized frame": Before(struct.pack("!BBQ", 0x81, 127, LIMIT + 1)),
    "oversized frame, all of it": Before(encode(TEXT, b" " * (LIMIT + 1))),
    "frame of 2^63 bytes": Before(struct.pack("!BBQ", 0x82, 127, 1 << 63)),
    "frame of 2^64-1 bytes": Before(struct.pack("!BBQ", 0x81, 127, (1 << 64) - 1)),
    "oversized message in fragments": Before(fragments(BINARY, b" " * (2 * LIMIT), 20_000)),
    "header that ends early": Cut(1),
    "length that is too short": WrongLength(-3),
}


def data_places(bench: Bench, plane: str, kind: str, *, thorough: bool, of: int) -> list[int]:
    places = list(bench.places(plane, DOWN))[1:]
    return places if thorough else places[sum(map(ord, kind)) % of :: of]


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("kind", ALLOWED)
def test_allowed_frames_change_nothing(bench: Bench, kind: str, plane: str, thorough: bool) -> None:
    for unit in data_places(bench, plane, kind, thorough=thorough, of=12):
        bench.case(kind, Plan(ALLOWED[kind], plane, DOWN, unit), must_equal=True)


@pytest.mark.parametrize("kind", ["message in fragments", "message in fragments of one byte"])
@pytest.mark.parametrize("plane", [CONTROL, DATA])
def test_every_message_in_fragments(bench: Bench, kind: str, plane: str) -> None:
    plan = Plan(_after_the_head(ALLOWED[kind]), plane, DOWN, None, times=1_000)
    bench.case(f"{kind}, each", plan, must_equal=True)


@pytest.mark.parametrize("plane", [CONTROL, DATA])
def test_a_server_that_answers_no_pings(bench: Bench, plane: str) -> None:
    plan = Plan(_after_the_head(NoPongs()), plane, DOWN, None, times=1_000)
    assert bench.case("no pongs", plan, ALERT, must_equal=True)


def _after_the_head(fault: Fault) -> Fault:
    def apply(relay, direction, unit):  # type: ignore[no-untyped-def]
        relay.send(direction, unit) if unit.startswith(b"HTTP/") else fault(relay, direction, unit)

    return apply


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("kind", CLOSES)
def test_close_frames(bench: Bench, kind: str, plane: str, thorough: bool) -> None:
    """Whatever the code, the connection is made again. On the data plane 1000 may be the end, after ``completed``."""
    places = data_places(bench, plane, kind, thorough=thorough, of=24)
    for unit in places[:: 2 if thorough else 1]:
        if plane == DATA and kind == "close code 1000" and unit > 1:
            continue
        bench.case("close codes", Plan(CLOSES[kind], plane, DOWN, unit), must_equal=True)


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("kind", FORBIDDEN)
def test_forbidden_frames_cost_the_connection_and_nothing_else(
    bench: Bench, kind: str, plane: str, thorough: bool
) -> None:
    for unit in data_places(bench, plane, kind, thorough=thorough, of=24):
        bench.case(kind, Plan(FORBIDDEN[kind], plane, DOWN, unit), SMALL, must_equal=True)


def test_a_clean_close_of_a_data_connection_is_no_end_while_control_has_not_completed(bench: Bench) -> None:
    """It comes before the acknowledgement, so the first continue is still waiting."""
    bench.case("close codes", Plan(CLOSES["close code 1000"], DATA, DOWN, 1), must_equal=True)


@pytest.mark.parametrize("plane", [CONTROL, DATA])
def test_a_message_that_does_not_end_is_not_collected(bench: Bench, plane: str) -> None:
    taken: list[int] = []
    bench.case("message that does not end", Plan(Endless(taken), plane, DOWN, 2), SMALL, must_equal=True)
    # The buffers of the two sockets hold the rest.
    assert taken[0] < 30_000_000


@pytest.mark.parametrize("plane", [CONTROL, DATA])
def test_a_length_that_is_too_long(bench: Bench, plane: str, thorough: bool) -> None:
    """What follows is taken for a part of the message, until nothing follows any more."""
    for unit in data_places(bench, plane, "too long", thorough=thorough, of=24):
        bench.case("length that is too long", Plan(WrongLength(60), plane, DOWN, unit), ALERT)
