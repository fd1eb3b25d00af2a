"""Transactions read the quick way are those of the tolerant way, however a notification is spoilt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simsync
from simsync.events import TransactionStatus
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.wire import quick_transactions
from simsync.wire.dialect import Dialect
from simsync.wire.instructions import called_programs
from simsync.wire.notifications import transaction_fields
from simsync.wire.pubsub import SubscribeSpec
from simsync.wire.streams import STREAMS
from simsync.wire.transaction_layout import TransactionLayouts

needs_msgspec = pytest.mark.skipif(quick_transactions.read is quick_transactions.read_nothing, reason="needs msgspec")

FUZZ = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

RESULT: dict[str, Any] = {
    "slot": 312_000_004,
    "blockTime": 1_761_000_000,
    "version": 0,
    "transaction": {
        "signatures": ["sig1", "sig2"],
        "message": {"accountKeys": ["a", "b"], "instructions": [{"data": "x", "accounts": [0, 1]}]},
    },
    "meta": {
        "err": {"InstructionError": [0, {"Custom": 1}]},
        "logMessages": ["Program a invoke [1]", "ä"],
        "fee": 5_000,
        "computeUnitsConsumed": 150,
        "preBalances": [1, 2, 3],
        "postBalances": [1, 2, 4],
        "preTokenBalances": [],
        "postTokenBalances": [{"accountIndex": 1, "mint": "m", "uiTokenAmount": {"amount": "5", "decimals": 6}}],
        "loadedAddresses": {"writable": ["c"], "readonly": []},
    },
}
WHERE = (RESULT["slot"], RESULT["transaction"]["signatures"][0])
"""What routing needs of it."""

PLACES = [
    *[(name,) for name in RESULT],
    *[("meta", name) for name in RESULT["meta"]],
    *[("transaction", name) for name in RESULT["transaction"]],
    ("transaction", "message", "accountKeys"),
    ("transaction", "message", "addressTableLookups"),
    ("meta", "loadedAddresses", "writable"),
]
VALUES: list[Any] = [
    *(None, 0, -1, 1.5, True, "", "text", [], {}, [None], ["x", 5], 2**63, {"a": 1}),
    *([{"pubkey": "a"}], [[1]], {"writable": None}, ["only"], {"completed": True}),
]

SPOILT_VALUES = st.sampled_from(VALUES).map(lambda value: json.loads(json.dumps(value)))


def notification(result: Any, subscription: Any = 7, method: str = "transactionNotification") -> bytes:
    params = {"subscription": subscription, "result": result}
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def result_of(payload: bytes) -> Any:
    return json.loads(payload)["params"]["result"]


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A few places of the usual form hold something else, or nothing."""
    result: Any = json.loads(json.dumps(RESULT))
    for place in draw(st.lists(st.sampled_from(PLACES), max_size=3)):
        inner = result
        for name in place[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            if draw(st.booleans()):
                inner[place[-1]] = draw(SPOILT_VALUES)
            else:
                inner.pop(place[-1], None)
    if draw(st.booleans()):
        result[draw(st.text(max_size=3))] = draw(SPOILT_VALUES)
    return dict(result)


@FUZZ
@given(result=spoilt())
def test_the_fields_are_equal(result: dict[str, Any]) -> None:
    payload = notification(result)
    found = quick_transactions.read(payload)
    if found is not None:
        assert repr(found) == repr(transaction_fields(result_of(payload)))


def _slot_and_signature(payload: bytes) -> tuple[int, str]:
    result = result_of(payload)
    return result["slot"], result["transaction"]["signatures"][0]


@FUZZ
@given(result=spoilt())
def test_status_and_programs_are_equal(result: dict[str, Any]) -> None:
    payload = notification(result)
    whole = transaction_fields(result_of(payload))
    status = quick_transactions.read_status(payload)
    if status is not None:
        assert repr(status) == repr(TransactionStatus(whole.error, whole.fee, whole.compute_units))
    programs = quick_transactions.read_programs(payload)
    if programs is not None:
        assert programs == called_programs(result_of(payload))


def with_calls(parsed: bool) -> dict[str, Any]:
    """Instructions of three programs, two of which are called by others; as ``json`` or as ``jsonParsed``."""
    result: dict[str, Any] = json.loads(json.dumps(RESULT))
    keys = ["a", "b"]

    def call(index: int) -> dict[str, Any]:
        name = [*keys, "c"][index]
        return (
            {"programId": name, "accounts": [], "data": ""}
            if parsed
            else {"programIdIndex": index, "accounts": [], "data": ""}
        )

    message = result["transaction"]["message"]
    message["instructions"] = [call(1), call(1)]
    result["meta"]["innerInstructions"] = [{"index": 1, "instructions": [call(2), call(0), call(2)]}]
    if parsed:
        message["accountKeys"] = [{"pubkey": key, "signer": False, "writable": True} for key in [*keys, "c"]]
    return result


@needs_msgspec
@pytest.mark.parametrize("parsed", [False, True])
def test_the_programs_in_the_order_of_the_calls(parsed: bool) -> None:
    payload = notification(with_calls(parsed))
    assert called_programs(result_of(payload)) == ("b", "c", "a")
    assert quick_transactions.read_programs(payload) == ("b", "c", "a")


@needs_msgspec
def test_a_program_that_is_no_account_of_the_transaction_is_left_to_the_tolerant_way() -> None:
    result = with_calls(False)
    result["transaction"]["message"]["instructions"][0]["programIdIndex"] = 9
    assert quick_transactions.read_programs(notification(result)) is None
    assert called_programs(result) == ("b", "c", "a")


@needs_msgspec
def test_parsed_account_keys_are_read_the_quick_way() -> None:
    payload = notification(with_calls(True))
    assert quick_transactions.read(payload) == transaction_fields(result_of(payload))


ORDERS = {
    "subscription first": '{"jsonrpc":"2.0","method":"m","params":{"subscription":7,"result":%s}}',
    "subscription last": '{"jsonrpc":"2.0","method":"m","params":{"result":%s,"subscription":7}}',
    "method last": '{"params":{"result":%s,"subscription":7},"method":"m"}',
}


@pytest.mark.parametrize(
    ("order", "learned"), [("subscription first", True), ("subscription last", True), ("method last", False)]
)
def test_the_layout_is_learned_from_the_first_one(order: str, learned: bool) -> None:
    def payload(slot: int, signature: str) -> bytes:
        result = {**RESULT, "slot": slot, "transaction": {"signatures": [signature], "message": {}}}
        return (ORDERS[order] % json.dumps(result, separators=(",", ":"))).encode()

    layouts = TransactionLayouts()
    first, second = payload(5, "sigA"), payload(123_456, "sigB")
    assert layouts.find(second) is None
    layouts.learn(first, "m", 7, 5, "sigA")
    assert layouts.find(second) == ((7, 123_456, "sigB") if learned else None)
    if learned:
        for spoilt in (second[:-9], second[5:], second.replace(b"123456", b"-12345"), second.replace(b"sigB", b"")):
            assert layouts.find(spoilt) is None


def test_odd_notifications_of_a_known_layout_do_not_crowd_out_the_others() -> None:
    layouts = TransactionLayouts()
    layouts.learn(notification(RESULT, subscription=1), "transactionNotification", 1, *WHERE)
    odd = notification({**RESULT, "transaction": {"signatures": []}}, subscription=2)
    for _ in range(20):
        assert layouts.find(odd) is None
        layouts.learn(odd, "transactionNotification", 2, WHERE[0], None)
    found = layouts.find(notification(RESULT, subscription=1))
    assert found is not None
    assert found[0] == 1


def test_what_looks_like_a_signature_inside_a_text_is_none() -> None:
    logs = {"meta": {"logMessages": ['"signatures":["no"', '{"slot":9}']}, "transaction": {"signatures": ["sigB"]}}
    payload = (ORDERS["subscription first"] % json.dumps({"slot": 5, **logs}, separators=(",", ":"))).encode()
    layouts = TransactionLayouts()
    layouts.learn(payload, "m", 7, 5, "sigB")
    assert layouts.find(payload) == (7, 5, "sigB")


def test_a_slot_without_digits_is_none() -> None:
    layouts = TransactionLayouts()
    usual = notification({"slot": 5, "transaction": {"signatures": ["sigA"]}})
    layouts.learn(usual, "transactionNotification", 7, 5, "sigA")
    assert layouts.find(usual.replace(b'"slot":5', b'"slot":')) is None
    assert layouts.find(usual.replace(b'"slot":5', b'"slot":0')) == (7, 0, "sigA")


def test_a_layout_whose_first_signatures_are_others_is_not_learned() -> None:
    result = {"slot": 5, "batch": {"signatures": ["other"]}, "transaction": {"signatures": ["sigB"]}}
    layouts = TransactionLayouts()
    layouts.learn(notification(result), "transactionNotification", 7, 5, "sigB")
    assert layouts.find(notification(result)) is None


def test_the_signature_is_known_undecoded() -> None:
    spec = SubscribeSpec.of(STREAMS["transactions"])
    conversation = SubscriptionProtocol([spec], Dialect(), compressed=False)
    conversation.connected()
    good = notification(RESULT)
    spoilt = good.replace(b'"fee":', b'"fee"=').replace(b"sig1", b"sig9")
    _first, second = conversation.receive([b'{"jsonrpc":"2.0","id":1,"result":7}', good, spoilt]).events
    assert second.signature == "sig9"  # type: ignore[attr-defined]


def test_what_turns_out_to_be_no_json_says_so_when_it_is_read() -> None:
    good = notification(RESULT)
    spec = SubscribeSpec.of(STREAMS["transactions"])
    conversation = SubscriptionProtocol([spec], Dialect(), compressed=False)
    conversation.connected()
    bad = good.replace(b'"fee":', b'"fee"=').replace(b'"fee": ', b'"fee"=')
    found = conversation.receive([b'{"jsonrpc":"2.0","id":1,"result":7}', good, bad.replace(b"sig1", b"sig9")])
    first, second = found.events
    assert first.fee == 5_000  # type: ignore[attr-defined]
    with pytest.raises(simsync.ProtocolError, match="is not JSON"):
        print(second.fee)  # type: ignore[attr-defined]


def received(payloads: list[bytes], *, quick: bool) -> Any:
    spec = SubscribeSpec.of(STREAMS["transactions"])
    conversation = SubscriptionProtocol([spec], Dialect(), compressed=False, quick=quick)
    conversation.connected()
    found = conversation.receive([b'{"jsonrpc":"2.0","id":1,"result":7}', *payloads])
    shown = [(type(event), event.slot, event.raw, event.signature) for event in found.events]  # type: ignore[attr-defined]
    return shown, found.size, conversation.last_slot, conversation.ended, conversation.skipped.total


SUBSCRIPTIONS = st.sampled_from([7, 7, 7, 8, "7", None, 1.5])
METHODS = st.sampled_from(["transactionNotification", "transactionNotification", "transactionEnd", ""])
PAYLOADS = st.one_of(
    st.builds(notification, spoilt(), SUBSCRIPTIONS, METHODS),
    st.sampled_from([b"", b"{", b"\xff", notification({"completed": True}), notification(5), notification(None)]),
)


@FUZZ
@given(payloads=st.lists(PAYLOADS, max_size=6))
def test_both_ways_deliver_the_same(payloads: list[bytes]) -> None:
    assert received(payloads, quick=True) == received(payloads, quick=False)


@needs_msgspec
def test_the_usual_form_is_read_the_quick_way() -> None:
    payload = notification(RESULT)
    assert quick_transactions.read(payload) == transaction_fields(RESULT)
    fields = quick_transactions.read(payload)
    assert fields is not None
    assert fields.account_keys == ("a", "b", "c")


@needs_msgspec
def test_recorded_payloads_are_read_the_quick_way(data_folder: Any) -> None:
    total = quick = 0
    for path in sorted(data_folder.glob("mainnet/transactions_*.jsonl")):
        for line in path.read_bytes().splitlines():
            reply = json.loads(line)
            payload = notification(reply.get("result", reply))
            total += 1
            layouts = TransactionLayouts()
            layouts.learn(payload, "transactionNotification", 7, *_slot_and_signature(payload))
            assert layouts.find(payload) == (7, *_slot_and_signature(payload))
            found = quick_transactions.read(payload)
            quick += found is not None
            assert found in (None, transaction_fields(result_of(payload)))
            assert quick_transactions.read_programs(payload) == called_programs(result_of(payload))
    assert 0 < quick == total
