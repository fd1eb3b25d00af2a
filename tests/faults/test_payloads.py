"""What is said inside the frames: nonsense between the messages, and every field of every message said wrongly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Callable

import pytest

from tests.runtime.wire_peer import BINARY, TEXT, encode

from .faults import Before, Swallow, Swap, Twice, parts, texts
from .proxy import CONTROL, DATA, DOWN, Fault, Plan, Relay
from .small_run import ALERT, OPTIONS, Bench

PLAIN = replace(OPTIONS, compression=False)
"""So that the notifications of the data plane can be read, and rewritten."""

SHORT = 0.4
"""Seconds of the caller's patience where the server never says what the run waits for."""

_FOREIGN = {"session_id": "backtest_other", "seq_id": 1, "event": {"method": "slotNotification", "params": 9}}

NONSENSE: dict[str, Fault] = {
    "text that is not JSON": Before(encode(TEXT, b"<html>busy</html>")),
    "half of a message": Before(encode(TEXT, b'{"method":"sessionEventV2","params":{"session_id":"b')),
    "empty message": Before(encode(TEXT, b"") + encode(BINARY, b"")),
    "white space": Before(encode(TEXT, b" \n\t ")),
    "deeply nested lists": Before(encode(TEXT, b"[" * 100_000 + b"]" * 100_000)),
    "deeply nested objects": Before(
        encode(TEXT, b'{"method":"status","params":' + b'{"a":' * 3000 + b"1" + b"}" * 3001)
    ),
    "nesting that never ends": Before(encode(TEXT, b'{"a":' * 100_000)),
    "number of 5000 digits": Before(encode(TEXT, b'{"method":"status","params":' + b"9" * 5_000 + b"}")),
    "number beyond all bounds": Before(encode(TEXT, b'{"method":"status","params":1e999}')),
    "number that is not finite": Before(texts([b'{"method":"status","params":NaN}', b'{"x":Infinity}'])),
    "duplicate keys": Before(encode(TEXT, b'{"method":"x","method":"y","params":{"a":1,"a":2}}')),
    "unknown method": Before(encode(TEXT, b'{"method":"unheardOf","params":{"x":1}}')),
    "method that is not text": Before(texts([b'{"method":7}', b'{"method":null}', b'{"method":{}}'])),
    "not an object": Before(texts([b"[]", b"null", b"7", b'"text"', b"true"])),
    "empty object": Before(encode(TEXT, b"{}")),
    "text that is not UTF-8": Before(encode(TEXT, b'{"method":"\xff\xfe"}')),
    "half of a surrogate pair": Before(encode(TEXT, b'{"method":"\\ud800"}')),
    "byte order mark": Before(encode(TEXT, b"\xef\xbb\xbf{}")),
    "zeros": Before(encode(TEXT, b"\0" * 100)),
    "binary that is not zstd": Before(encode(BINARY, b"\x00\x01\x02\x03")),
    "event of another session": Before(
        encode(TEXT, json.dumps({"method": "sessionEventV2", "params": _FOREIGN}).encode())
    ),
    "notification of another stream": Before(
        encode(TEXT, b'{"jsonrpc":"2.0","method":"transactionNotification","params":{"subscription":99,"result":{}}}')
    ),
    "answer to nothing": Before(texts([b'{"jsonrpc":"2.0","id":77,"result":3}', b'{"method":"success"}'])),
    "event without params": Before(texts([b'{"method":"sessionEventV2"}', b'{"method":"sessionEventV2","params":[]}'])),
}


def places(bench: Bench, plane: str, kind: str, *, thorough: bool, of: int) -> list[int]:
    units = list(bench.places(plane, DOWN))[1:]
    return units if thorough else units[sum(map(ord, kind)) % of :: of]


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_between_the_messages(bench: Bench, kind: str, plane: str, thorough: bool) -> None:
    for unit in places(bench, plane, kind, thorough=thorough, of=48):
        bench.case(kind, Plan(NONSENSE[kind], plane, DOWN, unit), must_equal=True)


# Events in the wrong order and with the wrong numbers.


@pytest.mark.parametrize("plane", [CONTROL, DATA])
def test_messages_that_come_twice(bench: Bench, plane: str, thorough: bool) -> None:
    """On the data plane nothing tells a repetition from two transactions that are alike, but for a reconnect."""
    for unit in places(bench, plane, "twice", thorough=thorough, of=7):
        opcode_only = plane == DATA
        bench.case("message that comes twice", Plan(Twice(), plane, DOWN, unit), may_differ=opcode_only)


def test_messages_that_change_places(bench: Bench, thorough: bool) -> None:
    """The later one makes the earlier one look like a repetition, and the gap is told."""
    for unit in places(bench, CONTROL, "swap", thorough=thorough, of=7):
        plan = Plan(Swap(), CONTROL, DOWN, unit)
        bench.case("messages that change places", plan, may_differ=True, may_wait=SHORT)
        if thorough:
            strict = replace(OPTIONS, strict_sequence=True)
            plan = Plan(Swap(), CONTROL, DOWN, unit)
            bench.case("messages that change places, strict", plan, strict, may_differ=True, may_wait=SHORT)


def test_a_message_that_does_not_come(bench: Bench, thorough: bool) -> None:
    """Its number is missing, or it is waited for in vain: by simsync in a handshake, else by the caller."""
    for unit in places(bench, CONTROL, "swallow", thorough=thorough, of=9):
        plan = Plan(Swallow(), CONTROL, DOWN, unit)
        bench.case("message that does not come", plan, ALERT, may_differ=True, may_wait=2.0)


def test_an_acknowledgement_that_does_not_come(bench: Bench) -> None:
    """The peer answers pings, but not the subscribe."""
    bench.case("acknowledgement that does not come", Plan(Swallow(), DATA, DOWN, 1), ALERT, must_equal=True)


class Again:
    """Before unit ``at``: everything that went by before it, in the opposite order."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._seen: list[bytes] = []

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        if len(self._seen) == self._at:
            events = [frame for frame in self._seen[1:] if b"sessionEventV2" in frame]
            relay.send(direction, b"".join(reversed(events)))
        self._seen.append(unit)
        relay.send(direction, unit)


def test_a_replay_out_of_order(bench: Bench, thorough: bool) -> None:
    for unit in places(bench, CONTROL, "again", thorough=thorough, of=3):
        plan = Plan(Again(unit), CONTROL, DOWN, None, times=1_000)
        bench.case("replay out of order", plan, must_equal=True)


class Renumber:
    """From unit ``at`` on the numbers of the events are ``by`` higher."""

    def __init__(self, at: int, by: int) -> None:
        self._at = at
        self._by = by
        self._count = 0

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        self._count += 1
        if self._count <= self._at or b'"seq_id"' not in unit:
            relay.send(direction, unit)
            return
        message = json.loads(parts(unit)[1])
        message["params"]["seq_id"] += self._by
        relay.send(direction, encode(TEXT, json.dumps(message).encode()))


@pytest.mark.parametrize("by", [1, 1_000_000, 2**63, 10**30])
def test_a_gap_in_the_numbers_is_told(bench: Bench, by: int, thorough: bool) -> None:
    for unit in places(bench, CONTROL, "gap", thorough=thorough, of=5):
        plan = Plan(Renumber(unit, by), CONTROL, DOWN, None, times=1_000)
        bench.case("gap in the numbers", plan, may_differ=True)
        strict = replace(OPTIONS, strict_sequence=True)
        bench.case(
            "gap in the numbers, strict",
            Plan(Renumber(unit, by), CONTROL, DOWN, None, times=1_000),
            strict,
            may_differ=True,
        )


# Every field of every message.

Path = tuple[Any, ...]


def fields(value: Any, path: Path = ()) -> Iterator[Path]:
    """The places of the fields in a message, down to those of its event or result, outermost first."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        if len(path) < 2:
            yield from fields(inner, (*path, key))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


REMOVED = object()
SPELLINGS: dict[str, Callable[[str], str]] = {"camelCase": _camel, "snake_case": _snake}
VALUES: dict[str, Any] = {
    "missing": REMOVED,
    "null": None,
    "number": 3,
    "huge number": 2**64,
    "negative number": -1,
    "fraction": 1.5,
    "true": True,
    "text": "no such thing",
    "list": [1],
    "object": {"no": "such thing"},
}


@dataclass(frozen=True)
class Change:
    """Rewrite the ``index``-th field of the message; counts how many fields there were."""

    index: int
    change: Callable[[Any, Any], None]
    found: list[int]

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        opcode, payload = parts(unit)
        if opcode != TEXT:
            self.found.append(0)
            relay.send(direction, unit)
            return
        message = json.loads(payload)
        paths = list(fields(message))
        self.found.append(len(paths))
        if self.index < len(paths):
            *way, last = paths[self.index]
            holder = message
            for key in way:
                holder = holder[key]
            self.change(holder, last)
        relay.send(direction, encode(TEXT, json.dumps(message).encode()))


def every_field(
    bench: Bench, plane: str, kind: str, change: Callable[[Any, Any], None], *, step: int, salt: int, **how: Any
) -> None:
    """A run for each ``step``-th field of each message from the server."""
    options = PLAIN if plane == DATA else OPTIONS
    for unit in list(bench.places(plane, DOWN))[1:]:
        index, total = (unit + salt) % step, 1
        while index < total:
            found: list[int] = []
            bench.case(kind, Plan(Change(index, change, found), plane, DOWN, unit), options, **how)
            if not found:
                break
            total = found[0]
            index += step


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_field_in_another_spelling(bench: Bench, spelling: str, plane: str, thorough: bool) -> None:
    respell = SPELLINGS[spelling]

    def change(holder: Any, key: Any) -> None:
        if isinstance(key, str):
            holder[respell(key)] = holder.pop(key)

    step = 1 if thorough else 9
    every_field(bench, plane, f"field in {spelling}", change, step=step, salt=len(spelling), may_differ=plane == DATA)


@pytest.mark.parametrize("value", [99, "no such stream", None, [7], {}])
def test_a_notification_of_an_unknown_stream_comes_again(bench: Bench, value: Any) -> None:
    def respell(relay: Relay, direction: str, unit: bytes) -> None:
        message = json.loads(parts(unit)[1])
        message["params"]["subscription"] = value
        relay.send(direction, encode(TEXT, json.dumps(message).encode()))

    for unit in list(bench.places(DATA, DOWN))[2:6:3]:
        plan = Plan(respell, DATA, DOWN, unit)
        bench.case("notification of an unknown stream", plan, PLAIN, must_equal=True)
        assert plan.fired


@pytest.mark.parametrize("plane", [CONTROL, DATA])
@pytest.mark.parametrize("value", VALUES)
def test_every_field_with_another_value(bench: Bench, value: str, plane: str, thorough: bool) -> None:
    def change(holder: Any, key: Any) -> None:
        if VALUES[value] is REMOVED:
            del holder[key]
        else:
            holder[key] = VALUES[value]

    kind = f"field that is {value}" if value in ("missing", "null") else "field of another kind"
    # The other values meet a part of the fields each, and together each field several times.
    step = 37 if not thorough else 1 if value in ("missing", "null") else 3
    every_field(bench, plane, kind, change, step=step, salt=len(value), may_differ=True, may_wait=SHORT)
