"""The bulk of the traffic is read the quick way, with the result of the tolerant one, whatever stands in between."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simsync.events import ReadyForContinue
from simsync.wire.control import ControlDecoder
from simsync.wire.dialect import Dialect
from simsync.wire.quick_events import BLOCK, QuickEvents

from .test_wire_control_tolerance import MESSAGES, SPELLINGS, respelled

pytestmark = pytest.mark.usefixtures("codec")

FUZZ = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def event(slot: int | None, session_id: str = "backtest_a", sequence: int = 7) -> dict[str, Any]:
    inner: dict[str, Any] = {"method": "readyForContinue"}
    if slot is not None:
        inner = {"method": "slotNotification", "params": slot}
    return {"method": "sessionEventV2", "params": {"session_id": session_id, "seq_id": sequence, "event": inner}}


def external(message: dict[str, Any]) -> dict[str, Any]:
    """The event as one key, or as text."""
    inner = message["params"]["event"]
    form = {inner["method"]: inner["params"]} if "params" in inner else inner["method"]
    return {**message, "params": {**message["params"], "event": form}}


def encode(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def both(payloads: list[bytes]) -> list[Any]:
    """What both ways make of the messages."""
    quick = list(ControlDecoder(Dialect()).decode_all(payloads))
    plain = list(ControlDecoder(Dialect(), quick=False).decode_all(payloads))
    assert [type(one) for one in quick] == [type(one) for one in plain]
    assert [repr(one) for one in quick] == [repr(one) for one in plain]
    return quick


NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 2**64 - 1), st.sampled_from([-1, 2**64, 1.0, True, None, "7", [], {}])
)
SESSION_EVENTS = st.builds(
    event, st.one_of(st.none(), NUMBERS), st.one_of(st.text(max_size=4), st.none(), st.integers()), NUMBERS
)
ODD = st.sampled_from([*MESSAGES, 5, "text", None, [], {}, {"method": "sessionEventV2"}, {"method": None}])
MESSAGE = st.one_of(
    SESSION_EVENTS,
    SESSION_EVENTS,
    SESSION_EVENTS.map(external),
    st.builds(respelled, SESSION_EVENTS, st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=4)),
    st.builds(lambda one, more: {**one, **more}, SESSION_EVENTS, st.dictionaries(st.text(max_size=3), NUMBERS)),
    ODD,
)
PAYLOAD = st.one_of(
    MESSAGE.map(encode),
    MESSAGE.map(encode),
    MESSAGE.map(lambda message: json.dumps(message, indent=1, ensure_ascii=False).encode()),
    st.sampled_from([b"", b"\n", b"{", b"\xff", encode(event(1)) + b"\n" + encode(event(2)), b'{"method":"\xff"}']),
    st.binary(max_size=8),
)


@FUZZ
@given(payloads=st.lists(PAYLOAD, max_size=12))
@example(payloads=[encode(event(1)) + b"\n" + encode(event(2)), b""])  # two in one frame, none in the other
@example(payloads=[encode(event(1)), encode(external(event(2))), encode(external(event(None)))])
@example(payloads=[encode({**event(1), "more": "\u00e4"}), encode(event(1)).replace(b"a", b"\xff", 1)])
@example(payloads=[b'{"method":"x","method":"sessionEventV2",' + encode(event(3))[1:]])
@example(payloads=[encode(event(3)).replace(b"3", b"3" * 30)])
def test_both_ways_read_the_same(payloads: list[bytes]) -> None:
    both(payloads)


@pytest.mark.parametrize("form", ["tagged", "external"])
@pytest.mark.parametrize("spelling", range(len(SPELLINGS)))
def test_after_the_first_events_of_any_spelling_the_rest_is_quick(form: str, spelling: int) -> None:
    def message(slot: int | None) -> bytes:
        plain = event(slot) if form == "tagged" else external(event(slot))
        return encode(respelled(plain, [SPELLINGS[spelling]]) if form == "tagged" else plain)

    decoder, quick = ControlDecoder(Dialect()), QuickEvents()
    decoder._quick = quick
    list(decoder.decode_all([message(1), message(None)]))
    slots = [message(slot) for slot in range(100, 100 + BLOCK)]
    assert quick.read(slots) == [("backtest_a", 7, slot) for slot in range(100, 100 + BLOCK)]
    assert list(decoder.decode_all(slots)) == quick.read(slots)


def test_slots_and_readies_are_quick_together() -> None:
    block = [encode(event(5)), encode(event(None)), encode(event(6, "backtest_b", 8))]
    expected = [("backtest_a", 7, 5), ("backtest_a", 7, ReadyForContinue()), ("backtest_b", 8, 6)]
    assert QuickEvents().read(block) == expected


def test_one_that_does_not_fit_leaves_the_others_of_its_block_quick() -> None:
    decoder, asked = ControlDecoder(Dialect()), []
    tolerant = decoder._decode_tolerantly

    def counted(message: Any) -> Any:
        asked.append(message)
        return tolerant(message)

    decoder._decode_tolerantly = counted  # type: ignore[method-assign]
    odd = {"method": "status", "params": {"status": "decodedTransactions"}}
    messages = list(decoder.decode_all([*map(encode, [event(1), odd, event(2)]), *map(encode, [event(3)] * BLOCK)]))
    assert len(messages) == BLOCK + 3
    assert asked == [odd]


def test_a_server_that_mixes_spellings_is_learned_from_a_few_times_only() -> None:
    quick = QuickEvents()
    for number in range(50):
        quick.learn(respelled(event(number), [lambda name, number=number: name.upper() + "_" * number]))
    assert len(quick._known) <= 8
