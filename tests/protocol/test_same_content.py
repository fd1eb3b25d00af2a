"""The same notification in other bytes: delivered once. Another one with the same signature: delivered too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simsync.events import Transaction
from simsync.protocol.content_keys import ContentKeys
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.wire.dialect import Dialect
from simsync.wire.pubsub import SubscribeSpec, has_same_content
from simsync.wire.streams import STREAMS

from .test_subscription_conversation import OTHER, PROGRAM, ack

SIGNED = {"slot": 5, "transaction": {"signatures": ["s"], "message": {"a": 1, "b": [2, {"c": 3, "d": None}]}}}
UNSIGNED = {"slot": 5, "signature": "s", "transaction": {"a": 1, "b": 2}}


def reverse(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reverse(one) for key, one in reversed(value.items())}
    return [reverse(one) for one in value] if isinstance(value, list) else value


def note(number: int, result: Any, form: str) -> bytes:
    params = {"subscription": number, "result": result}
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": "transactionNotification", "params": params}
    if form == "reversed":
        message = reverse(message)
    elif form == "subscription last":
        message["params"] = {"result": result, "subscription": number}
    separators = (", ", ": ") if form == "spaces" else (",", ":")
    return json.dumps(message, separators=separators).encode()


def count(conversation: SubscriptionProtocol, *payloads: bytes) -> int:
    return sum(isinstance(event, Transaction) for event in conversation.receive(payloads).events)


@pytest.mark.parametrize("form", ["plain", "spaces", "reversed", "subscription last"])
@pytest.mark.parametrize("result", [SIGNED, UNSIGNED])
@pytest.mark.parametrize("quick", [False, True])
def test_the_same_transaction_in_another_form_comes_once(result: dict[str, Any], form: str, quick: bool) -> None:
    specs = [SubscribeSpec.of(STREAMS["transactions"], program) for program in (PROGRAM, OTHER)]
    conversation = SubscriptionProtocol(specs, Dialect(), compressed=False, quick=quick)
    conversation.connected()
    assert count(conversation, ack(1, 1), ack(2, 2), note(1, result, "plain"), note(2, result, form)) == 1
    conversation.lost(flowing=True)
    conversation.connected()
    assert count(conversation, ack(1, 1), ack(2, 2), note(1, result, form), note(2, result, "plain")) == 0
    other = {**result, "transaction": {**result["transaction"], "fee": 1}}
    assert count(conversation, note(1, other, form)) == 1


def test_only_so_many_bytes_are_kept_for_comparing() -> None:
    payloads = {slot: note(1, {**UNSIGNED, "slot": slot}, "plain") for slot in range(5)}
    keys = ContentKeys(kept_bytes=2 * len(payloads[0]))
    first = {slot: keys.key(slot, "s", payload) for slot, payload in payloads.items()}
    assert first == {slot: keys.key(slot, "s", payload) for slot, payload in payloads.items()}  # equal bytes
    for slot in range(5):
        spaced = note(1, {**UNSIGNED, "slot": slot}, "spaces")
        known = keys.key(slot, "s", spaced) == first[slot]
        assert known == (slot >= 3)


def test_what_cannot_come_again_is_forgotten() -> None:
    keys = ContentKeys()
    first = keys.key(5, "s", note(1, UNSIGNED, "plain"))
    keys.forget_before(5)
    assert keys.key(5, "s", note(1, UNSIGNED, "spaces")) == first
    keys.forget_before(6)
    assert keys.key(5, "s", note(1, UNSIGNED, "spaces")) != first


def test_what_is_no_notification_or_nested_too_deeply_has_no_equal() -> None:
    assert not has_same_content(b"junk", b"junk")
    deep = b"[" * 900 + b"]" * 900
    payload = b'{"method":"x","params":{"subscription":1,"result":' + deep + b"}}"
    has_same_content(payload, payload)  # whatever the limit of recursion is, nothing is raised
