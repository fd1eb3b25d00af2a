"""The data plane: subscribe requests, acknowledgements, refusals, notifications, and whatever else may arrive."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simsync.errors import InvalidParams
from simsync.events import AccountDiff, ActionResult, Notification, Transaction
from simsync.wire.pubsub import (
    Incoming,
    NotPubsub,
    PubsubMessage,
    SubscribeAck,
    SubscribeRefused,
    SubscribeSpec,
    decode_pubsub,
    slot_of,
    subscribe_request,
)
from simsync.wire.streams import STREAMS

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"

pytestmark = pytest.mark.usefixtures("codec")

_KINDS = PubsubMessage.__args__  # type: ignore[attr-defined]
FUZZ = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def decode(text: str) -> PubsubMessage:
    return decode_pubsub(text.encode())


# What is sent.


def spec(kind: str, value: str | None = None) -> SubscribeSpec:
    return SubscribeSpec.of(STREAMS[kind], value)


ID = TOKEN_PROGRAM
CONFIGS = {"accounts": {"encoding": "base64"}, "programs": {"encoding": "base64"}}
"""What kinds ask for besides the commitment."""


@pytest.mark.parametrize(
    ("kind", "value", "method", "filter"),
    [
        ("transactions", None, "transactionSubscribe", "all"),
        ("transactions", ID, "transactionSubscribe", {"mentions": [ID]}),
        ("program_diffs", ID, "accountDiffSubscribe", {"address": ID, "address_type": "program"}),
        ("account_diffs", ID, "accountDiffSubscribe", {"address": ID, "address_type": "account"}),
        ("actions", None, "actionSubscribe", None),
        ("logs", None, "logsSubscribe", "all"),
        ("logs", ID, "logsSubscribe", {"mentions": [ID]}),
        ("accounts", ID, "accountSubscribe", ID),
        ("programs", ID, "programSubscribe", ID),
        ("signatures", "sig", "signatureSubscribe", "sig"),
        ("slots", None, "slotSubscribe", None),
        ("reroutes", None, "rerouteSubscribe", None),
        ("replacements", None, "replacementSubscribe", None),
        ("diagnostics", None, "diagnosticSubscribe", None),
    ],
)
def test_every_kind_of_subscribe(kind: str, value: str | None, method: str, filter: Any) -> None:
    """A filter of null is sent too, so that the config keeps its place."""
    assert json.loads(subscribe_request(7, spec(kind, value))) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": method,
        "params": [filter, {"commitment": "confirmed", **CONFIGS.get(kind, {})}],
    }


def test_every_row_of_the_table_is_listed_above() -> None:
    (mark,) = test_every_kind_of_subscribe.pytestmark
    assert {row[0] for row in mark.args[1]} == set(STREAMS)


@pytest.mark.parametrize("slot", [0, 312000004])
def test_replay_names_the_last_slot_that_was_seen(slot: int) -> None:
    config = json.loads(subscribe_request(1, spec("transactions"), replay_from_slot=slot))["params"][1]
    assert config == {"commitment": "confirmed", "replayFromSlot": slot}


def test_compression_is_asked_for_by_name() -> None:
    config = json.loads(subscribe_request(1, spec("transactions"), compressed=True))["params"][1]
    assert config == {"commitment": "confirmed", "compression": "zstd"}


def own(method: Any, filter: Any) -> SubscribeSpec:
    return SubscribeSpec.custom(method, filter, None, STREAMS)


def test_a_subscribe_of_the_users_own() -> None:
    wanted = MappingProxyType({"address": TOKEN_PROGRAM, "address_type": "program"})
    made = own("accountDiffSubscribe", wanted)
    request = json.loads(subscribe_request(2, made))
    assert request["method"] == "accountDiffSubscribe"
    assert request["params"][0] == {"address": TOKEN_PROGRAM, "address_type": "program"}
    assert str(made) == f'accountDiffSubscribe({{"address":"{TOKEN_PROGRAM}","address_type":"program"}})'
    assert made.key is STREAMS["program_diffs"].key


def config_of(method: str, config: Any = None, **more: Any) -> Any:
    made = SubscribeSpec.custom(method, ID, None, STREAMS, config, **more)
    return json.loads(subscribe_request(1, made, replay_from_slot=5))["params"][1]


@pytest.mark.parametrize("method", ["accountSubscribe", "programSubscribe"])
def test_config_keys_of_the_users_own_replace_those_of_the_kind(method: str) -> None:
    own_keys = {"commitment": "confirmed", "replayFromSlot": 5}
    assert config_of(method) == {**own_keys, "encoding": "base64"}
    assert config_of(method, {"filters": [{"dataSize": 165}]}) == {
        **own_keys,
        "encoding": "base64",
        "filters": [{"dataSize": 165}],
    }
    assert config_of(method, {"encoding": "jsonParsed", "commitment": "processed"}) == {
        "commitment": "processed",
        "replayFromSlot": 5,
        "encoding": "jsonParsed",
    }
    assert config_of("fooSubscribe", {"bar": None}) == {**own_keys, "bar": None}


def test_updates_within_a_slot_are_asked_for_in_both_spellings() -> None:
    config = config_of("programSubscribe", intra_slot_updates=True)
    assert (config["intra_slot_updates"], config["intraSlotUpdates"], config["encoding"]) == (True, True, "base64")
    with pytest.raises(InvalidParams, match="only allowed with accountSubscribe and programSubscribe"):
        config_of("slotSubscribe", intra_slot_updates=True)
    with pytest.raises(InvalidParams, match="intra_slot_updates"):
        config_of("programSubscribe", intra_slot_updates="yes")


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"replayFromSlot": 7}, "use from_slot"),
        ({"replay_from_slot": 7}, "use from_slot"),
        ({"compression": "zstd"}, r"use Options\(compression"),
        ({1: 2}, "config key"),
        ({"filters": [object()]}, r"config\['filters'\]"),
        ([], "config"),
    ],
)
def test_config_keys_that_cannot_be_sent_are_refused_with_the_remedy(wrong: Any, remedy: str) -> None:
    with pytest.raises(InvalidParams, match=remedy):
        config_of("accountSubscribe", wrong)


@pytest.mark.parametrize("wrong", [object(), {1: 2}, {"a": b"bytes"}, [float("nan")], {1, 2}, 2**64])
def test_a_filter_that_cannot_be_sent_is_refused_when_it_is_made(wrong: Any) -> None:
    with pytest.raises(InvalidParams, match="filter"):
        own("xSubscribe", wrong)


@pytest.mark.parametrize("wrong", ["", None, 7])
def test_a_method_without_a_name_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidParams, match="method"):
        own(wrong, None)


def test_kinds_with_a_type_of_their_own_become_it() -> None:
    payload = b'{"params":{"subscription":1,"result":{"slot":5}}}'
    for kind, cls in (("transactions", Transaction), ("account_diffs", AccountDiff), ("actions", ActionResult)):
        event = spec(kind, ID).make_event("x", 5, {"slot": 5}, payload)
        assert type(event) is cls
        assert event.slot == 5


def test_other_kinds_become_notifications() -> None:
    event = spec("slots").make_event("slotNotification", 5, {"slot": 5}, b"")
    assert event == Notification("slotNotification", {"slot": 5})


SIGNED = {"transaction": {"signatures": ["sig1", "sig2"]}}


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("transactions", SIGNED, {"transaction": {"signatures": ["sig2"]}}),
        ("transactions", {"slot": 1}, {"slot": 2}),
        ("program_diffs", {"signature": "s", "account": "a"}, {"signature": "s", "account": "b"}),
        ("program_diffs", {"account": "a", "post": 1}, {"account": "a", "post": 2}),
        ("actions", {"batchIndex": 0, "actionIndex": 1}, {"batchIndex": 0, "actionIndex": 2}),
        ("actions", {"matched": {"data": "AQ=="}}, {"matched": {"data": "Ag=="}}),
        ("logs", {"value": {"signature": "s"}}, {"value": {"signature": "t"}}),
        ("reroutes", {"originalSignature": "s"}, {"originalSignature": "t"}),
        ("accounts", {"value": 1}, {"value": 2}),
    ],
)
def test_the_key_tells_notifications_apart(kind: str, one: Any, other: Any) -> None:
    key = STREAMS[kind].key
    assert key(one) == key(json.loads(json.dumps(one)))
    assert key(one) != key(other)


@pytest.mark.parametrize("kind", list(STREAMS))
@pytest.mark.parametrize("junk", [None, 7, [], {}, {"transaction": 7}, {"transaction": {"signatures": []}}])
def test_the_key_of_junk_is_a_key(kind: str, junk: Any) -> None:
    hash(STREAMS[kind].key(junk))


# What comes back.


def test_acknowledgement() -> None:
    assert decode('{"jsonrpc":"2.0","id":1,"result":7}') == SubscribeAck(1, 7)
    assert decode('{"jsonrpc":"2.0","id":1,"result":0}') == SubscribeAck(1, 0)
    assert decode('{"jsonrpc":"2.0","id":1,"error":null,"result":"sub-7"}') == SubscribeAck(1, "sub-7")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"no such program"}}',
            SubscribeRefused(2, -32602, "no such program"),
        ),
        (
            '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}',
            SubscribeRefused(None, -32700, "Parse error"),
        ),
        ('{"id":2,"error":{"Code":1,"Message":"busy"}}', SubscribeRefused(2, 1, "busy")),
        ('{"id":2,"error":"busy"}', SubscribeRefused(2, 0, "busy")),
        ('{"id":2,"error":{}}', SubscribeRefused(2, 0, "no reason given")),
        ('{"id":2,"error":7}', SubscribeRefused(2, 0, "no reason given")),
        ('{"id":2,"error":{"code":"x","message":7}}', SubscribeRefused(2, 0, "no reason given")),
        ('{"id":"2","error":{"code":1,"message":"busy"}}', SubscribeRefused(None, 1, "busy")),
    ],
)
def test_refusal(text: str, expected: SubscribeRefused) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"jsonrpc":"2.0","method":"slotNotification","params":{"subscription":12,"result":{"slot":312000004,'
            '"parent":312000003,"root":311999972}}}',
            Incoming(12, "slotNotification", {"slot": 312000004, "parent": 312000003, "root": 311999972}),
        ),
        (
            '{"jsonrpc":"2.0","method":"logsNotification","params":{"subscription":11,"result":{"context":'
            '{"slot":312000004},"value":{"signature":"sig1","err":null,"logs":["Program log: hi"]}}}}',
            Incoming(
                11,
                "logsNotification",
                {
                    "context": {"slot": 312000004},
                    "value": {"signature": "sig1", "err": None, "logs": ["Program log: hi"]},
                },
            ),
        ),
        (
            '{"jsonrpc":"2.0","method":"transactionNotification","params":{"subscription":7,"result":'
            '{"completed":true}}}',
            Incoming(7, "transactionNotification", {"completed": True}),
        ),
        (
            '{"jsonrpc":"2.0","method":"transactionStreamEnd","params":{"subscription":7}}',
            Incoming(7, "transactionStreamEnd", None),
        ),
        ('{"method":"transactionStreamEnd"}', Incoming(None, "transactionStreamEnd", None)),
        ('{"method":"x","params":null}', Incoming(None, "x", None)),
        ('{"method":"x","params":{"Subscription":7,"RESULT":5}}', Incoming(7, "x", 5)),
        ('{"method":"x","params":{"subscription":"seven","result":[]}}', Incoming("seven", "x", [])),
        ('{"id":1,"method":"x","params":{"subscription":7,"result":1},"result":2}', Incoming(7, "x", 1)),
    ],
)
def test_notification(text: str, expected: Incoming) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "7",
        "[]",
        "{}",
        '"x"',
        '{"id":1}',
        '{"id":1,"result":null}',
        '{"id":1,"result":true}',
        '{"id":1,"result":[7]}',
        '{"id":1,"result":{"subscription":7}}',
        '{"id":1,"result":7.5}',
        '{"id":"1","result":7}',
        '{"id":true,"result":7}',
        '{"result":7}',
        '{"method":7,"params":{}}',
        '{"method":"x","params":{"subscription":[7],"result":1}}',
        '{"method":"x","params":{"subscription":{"a":1},"result":1}}',
        '{"method":"x","params":{"subscription":true,"result":1}}',
    ],
)
def test_messages_that_make_no_sense_are_kept(text: str) -> None:
    message = decode(text)
    assert isinstance(message, NotPubsub)
    assert message.raw == json.loads(text)
    assert message.reason


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000])
def test_frames_that_are_no_json(payload: bytes) -> None:
    message = decode_pubsub(payload)
    assert isinstance(message, NotPubsub)
    assert message.raw == payload
    assert message.reason.startswith("not JSON")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "result", "error", "method", "params", "subscription", "code", "message", "slot"]),
            children,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@FUZZ
@given(value=JSON_VALUES)
@example(value={"method": "x", "params": {"result": {"slot": {}}}})
def test_any_json_is_decoded_to_something(value: Any) -> None:
    message = decode_pubsub(json.dumps(value).encode())
    assert isinstance(message, _KINDS)
    if isinstance(message, Incoming):
        assert slot_of(message.result) is None or isinstance(slot_of(message.result), int)
        hash(message.subscription)
    if isinstance(message, SubscribeAck):
        hash(message.subscription)


@FUZZ
@given(payload=st.binary(max_size=40))
def test_any_bytes_are_decoded_to_something(payload: bytes) -> None:
    assert isinstance(decode_pubsub(payload), _KINDS)


@pytest.mark.parametrize("levels", [900, 1020])
def test_deeply_nested_json(levels: int) -> None:
    deep = "[" * levels + "]" * levels
    for place in ('{"id":1,"error":%s}', '{"id":1,"result":%s}', '{"method":"x","params":{"result":%s}}'):
        assert isinstance(decode(place.replace("%s", deep)), _KINDS)


@pytest.mark.parametrize(
    ("result", "slot"),
    [
        ({"slot": 5}, 5),
        ({"slot": 0}, 0),
        ({"context": {"slot": 6}}, 6),
        ({"slot": 5, "context": {"slot": 6}}, 5),
        ({"slot": None, "context": {"slot": 6}}, 6),
        ({"slot": "5", "context": {"slot": 6}}, 6),
        ({"slot": True}, None),
        ({"context": {"slot": False}}, None),
        ({"context": {}}, None),
        ({"context": [6]}, None),
        ({}, None),
        (None, None),
        (5, None),
        ([5], None),
        ("5", None),
    ],
)
def test_slot_of(result: Any, slot: int | None) -> None:
    found = slot_of(result)
    assert found == slot
    assert found is None or type(found) is int
