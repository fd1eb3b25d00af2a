"""The bulk of the traffic is read the quick way, with the result of the tolerant one, whatever stands in between."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simsync.events import ReadyForContinue, Slot
from simsync.wire import quick_events
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import NotUnderstood
from simsync.wire.dialect import Dialect
from simsync.wire.payloads import LARGEST_BLOCK, Block

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


def test_slots_and_readies_are_quick_together() -> None:
    block = [encode(event(5)), encode(event(None)), encode(event(6, "backtest_b", 8))]
    expected = [("backtest_a", 7, Slot(5)), ("backtest_a", 7, ReadyForContinue()), ("backtest_b", 8, Slot(6))]
    assert quick_events.read(Block(block)) == expected
    assert quick_events.read(Block(block[::2])) == expected[::2]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_is_left_to_the_tolerant_decoder(spelling: Callable[[str], str]) -> None:
    usual, other = event(5), respelled(event(5), [spelling])
    quick = quick_events.read(Block([encode(usual), encode(other)]))
    assert (quick is None) == (other != usual)
    assert both([encode(usual), encode(other)]) == [("backtest_a", 7, Slot(5))] * 2


def test_an_event_without_a_session_id_is_not_taken_for_one_of_the_own_session() -> None:
    (message,) = both([encode(event(5, session_id=""))])
    assert isinstance(message, NotUnderstood)


def test_one_that_does_not_fit_leaves_the_others_of_its_block_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, asked = ControlDecoder(Dialect()), []
    tolerant = decoder.decode

    def counted(payload: bytes) -> Any:
        asked.append(json.loads(payload))
        return tolerant(payload)

    monkeypatch.setattr(decoder, "decode", counted)
    odd = {"method": "status", "params": {"status": "decodedTransactions"}}
    messages = list(
        decoder.decode_all([*map(encode, [event(1), odd, event(2)]), *map(encode, [event(3)] * LARGEST_BLOCK)])
    )
    assert len(messages) == LARGEST_BLOCK + 3
    assert asked == [odd]
