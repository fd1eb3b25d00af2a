"""Control frames: any spelling is read, the two paths of the decoder agree, and nothing that arrives raises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simsync.events import Completed, Event, Paused, ReadyForContinue, Slot
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import OWN_SESSION, ControlMessage, ErrorReported, NotUnderstood
from simsync.wire.dialect import Dialect

pytestmark = pytest.mark.usefixtures("codec")

_KINDS = tuple(getattr(kind, "__origin__", kind) for kind in ControlMessage.__args__)  # type: ignore[attr-defined]
_SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
FUZZ = settings(max_examples=60, deadline=None, database=None, suppress_health_check=_SUPPRESSED)


def decode(payload: bytes) -> ControlMessage:
    return ControlDecoder(Dialect()).decode(payload)


def session_event(event: Any, **more: Any) -> dict[str, Any]:
    return {"method": "sessionEventV2", "params": {"session_id": "s", "seq_id": 1, "event": event, **more}}


# Spellings.


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


SPELLINGS = [str, camel, pascal, str.upper, lambda name: camel(name).lower(), lambda name: f"_{name}_"]

MESSAGES: list[dict[str, Any]] = [
    {"method": "session_created", "params": {"session_id": "s", "rpc_endpoint": "/x", "task_id": "t"}},
    {"method": "session_attached", "params": {"session_id": "s", "rpc_endpoint": "/x", "task_id": None}},
    {
        "method": "sessions_created_v2",
        "params": {
            "control_session_id": "c",
            "session_ids": ["s"],
            "task_ids": [None],
            "start_slots": [1],
            "end_slots": [2],
        },
    },
    {"method": "parallel_session_attached_v2", "params": {"control_session_id": "c", "session_ids": ["s"]}},
    {"method": "ready_for_continue", "params": None, "seq_id": 3},
    {"method": "slot_notification", "params": 4, "seq_id": 3},
    {"method": "status", "params": {"status": "decodedTransactions"}},
    {"method": "success", "seq_id": 3},
    {"method": "error", "params": "no_more_blocks", "seq_id": 3},
    {"method": "session_event_v2", "params": {"session_id": "s", "seq_id": 1, "event": {"method": "success"}}},
    {
        "method": "session_event_v2",
        "params": {"session_id": "s", "seq_id": 1, "event": {"method": "slot_notification", "params": 5}},
    },
    {
        "method": "session_event_v2",
        "params": {"session_id": "s", "seq_id": 1, "event": {"method": "ready_for_continue"}},
    },
]

_SPELLED_VALUES = frozenset(("method",))


def respelled(message: Any, spellings: Sequence[Any]) -> Any:
    """The message with each key, and each name of a method, in one of the spellings, taken in turn."""
    turn = iter(range(10_000))

    def spell(name: str) -> str:
        return str(spellings[next(turn) % len(spellings)](name))

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {spell(key): spell(item) if key in _SPELLED_VALUES else walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    return walk(message)


def without_raw(message: ControlMessage) -> Any:
    """For comparing: the raw error is as it came, in its own spelling."""
    error = getattr(message, "error", None) or getattr(getattr(message, "event", None), "error", None)
    if error is not None:
        return type(message), error.name, error.fields, error.terminal
    return message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: str(message["method"]))
def test_every_spelling_of_keys_and_methods_reads_the_same(message: dict[str, Any]) -> None:
    plain = decode(json.dumps(message).encode())
    assert not isinstance(plain, NotUnderstood)
    for spelling in SPELLINGS:
        other = respelled(message, [spelling])
        assert without_raw(decode(json.dumps(other).encode())) == without_raw(plain), other


@pytest.mark.parametrize("key", ["start_slot", "startSlot", "StartSlot", "START_SLOT"])
def test_fields_of_an_error_are_given_in_snake_case(key: str) -> None:
    message = decode(json.dumps({"method": "error", "params": {"bundle_not_found": {key: 5}}}).encode())
    assert isinstance(message, ErrorReported)
    assert (message.error.name, message.error.fields) == ("BundleNotFound", {"start_slot": 5})


SLOTS = st.integers(0, 2**64 - 1)
IDS = st.text(max_size=12).filter(lambda text: text.isprintable())
INNER: st.SearchStrategy[tuple[dict[str, Any], Event]] = st.one_of(
    st.builds(lambda slot: ({"method": "slotNotification", "params": slot}, Slot(slot)), SLOTS),
    st.just(({"method": "readyForContinue"}, ReadyForContinue())),
    st.just(({"method": "readyForContinue", "params": None}, ReadyForContinue())),
)


@pytest.mark.parametrize("kind", ["slotNotification", "readyForContinue", "unheardOf"])
def test_every_payload_reads_the_same_in_every_spelling(kind: str) -> None:
    for payload in ("5", True, 1.5, None, [5], {}, {"slot": 5}, {"slot": "5"}, 2**64 - 1, -1, 0):
        short = decode(json.dumps(session_event({"method": kind, "params": payload})).encode())
        tolerant = decode(json.dumps(session_event({"Method": kind, "Params": payload})).encode())
        assert short == tolerant, payload
        assert type(short) is tuple
        assert type(getattr(short[2], "slot", 0)) is int, payload


@pytest.mark.parametrize(
    "message",
    [
        session_event({"method": "slotNotification", "params": 5}, sessionId=None, seqId=None),
        {"params": session_event({"method": "slotNotification", "params": 5})["params"], "method": "sessionEventV2"},
        session_event({"method": "slotNotification", "params": 5}, seqId=None, unknown={"a": 1}),
        session_event({"slotNotification": 5}, sessionId=None, seqId=None),
        {**session_event({"Method": "SLOT_NOTIFICATION", "Params": {"Slot": 5}}), "future": [1, 2]},
    ],
)
def test_nulls_and_unknown_keys_beside_the_known_ones_change_nothing(message: dict[str, Any]) -> None:
    assert decode(json.dumps(message).encode()) == ("s", 1, Slot(5))


@pytest.mark.parametrize("sequence", [None, "7", 1.0, True, [], -0.5])
def test_a_sequence_that_is_no_number_counts_as_missing(sequence: Any) -> None:
    message = session_event({"method": "slotNotification", "params": 5}, seq_id=sequence)
    assert decode(json.dumps(message).encode()) == ("s", None, Slot(5))


def test_addresses_and_outcome_names_are_not_respelled() -> None:
    stats = {"EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v": {"Some_Outcome": 1, "someoutcome": 2}}
    message = decode(json.dumps({"method": "completed", "params": {"summary": {"reroute_stats": stats}}}).encode())
    assert isinstance(message, tuple)
    event = message[2]
    assert isinstance(event, Completed)
    assert event.summary is not None
    assert event.summary.reroute_stats == stats


# Nothing raises.

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
METHODS = [
    "sessionCreated",
    "sessionAttached",
    "sessionsCreated",
    "sessionsCreatedV2",
    "parallelSessionAttachedV2",
    "readyForContinue",
    "slotNotification",
    "paused",
    "discoveryBatch",
    "status",
    "completed",
    "success",
    "error",
    "sessionEventV1",
    "sessionEventV2",
    "unheardOf",
]
FIELD_NAMES = [
    "session_id",
    "seqId",
    "event",
    "rpc_endpoint",
    "task_id",
    "control_session_id",
    "sessionIds",
    "task_ids",
    "start_slots",
    "end_slots",
    "slot",
    "batchIndex",
    "matched",
    "transactions",
    "status",
    "summary",
    "rerouteStats",
    "correctSimulation",
    "agent_stats",
    "method",
    "params",
    "type",
    "data",
    "error",
    "",
]
SCALARS = [None, True, False, 0, 1, -1, 2**63, 2**64 - 1, 0.5, -1e300, "", "x", "noMoreBlocks", "\u2603", "0"]


def plausible(random: Random, levels: int) -> Any:
    """A value built from the words of the protocol, put together without sense."""
    choice = random.randrange(8 if levels else 3)
    if choice < 2:
        return random.choice(SCALARS)
    if choice == 2:
        return random.choice(METHODS)
    if choice == 3:
        return [plausible(random, levels - 1) for _ in range(random.randrange(4))]
    if choice == 4:
        return {"method": random.choice(METHODS), "params": plausible(random, levels - 1)}
    if choice == 5:
        more = random.choice(["event", "rpcEndpoint"])
        return {"session_id": "s", "seq_id": random.choice(SCALARS), more: plausible(random, levels - 1)}
    return {random.choice(FIELD_NAMES): plausible(random, levels - 1) for _ in range(random.randrange(5))}


# feature: strict parsers fail on new fields
@FUZZ
@given(value=JSON_VALUES)
def test_any_json_is_decoded_to_something(value: Any) -> None:
    assert isinstance(decode(json.dumps(value).encode()), _KINDS)


@FUZZ
@given(method=st.sampled_from(METHODS), params=JSON_VALUES)
@example(method="completed", params={"summary": {"reroute_stats": [None, {}]}})
@example(method="sessionEventV2", params={"session_id": "s", "event": {"": None}})
def test_any_payload_of_a_known_method_is_decoded_to_something(method: str, params: Any) -> None:
    assert isinstance(decode(json.dumps({"method": method, "params": params}).encode()), _KINDS)


def test_any_mixture_of_the_words_of_the_protocol_is_decoded_to_something() -> None:
    random = Random(20260601)
    kinds = set()
    for _ in range(4_000):
        value = {"method": random.choice(METHODS), "params": plausible(random, 4), "seqId": plausible(random, 1)}
        message = decode(json.dumps(value).encode())
        assert isinstance(message, _KINDS), value
        assert repr(message)
        kinds.add(type(message))
    assert kinds == set(_KINDS), "the mixture is meant to reach every kind of message"


@FUZZ
@given(payload=st.binary(max_size=60))
@example(payload=b'{"method":"\\ud800"}')
@example(payload=b'{"method":"sessionEventV2","params":{"session_id":"\\udfff","seq_id":1,"event":"x"}}')
@example(payload=b"-")
@example(payload=b"tru")
@example(payload=b'"\\u12"')
def test_any_bytes_are_decoded_to_something(payload: bytes) -> None:
    assert isinstance(decode(payload), _KINDS)


@pytest.mark.parametrize("digits", [19, 20, 21, 100, 5000])
def test_huge_integers(digits: int) -> None:
    number = b"9" * digits
    for text in (
        b'{"method":"slotNotification","params":%s}',
        b'{"method":"sessionEventV2","params":{"session_id":"s","seq_id":%s,"event":"readyForContinue"}}',
        b'{"method":"sessionsCreatedV2","params":{"start_slots":[%s]}}',
        b'{"method":"error","params":{"internal":{"error":%s}}}',
        b'{"method":"completed","params":{"summary":{"logDiff":%s}}}',
    ):
        assert isinstance(decode(text % number), _KINDS)


def test_the_largest_slot_is_exact() -> None:
    assert decode(b'{"method":"slotNotification","params":18446744073709551615}') == (
        OWN_SESSION,
        None,
        Slot(2**64 - 1),
    )


DEEP_PLACES = [
    b"%s",
    b'{"method":%s}',
    b'{"method":"paused","params":%s}',
    b'{"method":"paused","params":{"slot":1,"more":%s}}',
    b'{"method":"status","params":%s}',
    b'{"method":"error","params":%s}',
    b'{"method":"error","params":{"internal":%s}}',
    b'{"method":"completed","params":{"summary":{"rerouteStats":%s}}}',
    b'{"method":"sessionsCreatedV2","params":{"session_ids":[%s],"task_ids":[%s]}}',
    b'{"method":"sessionEventV2","params":{"session_id":%s,"seq_id":1,"event":"x"}}',
    b'{"method":"sessionEventV2","params":{"session_id":"s","seq_id":1,"event":%s}}',
    b'{"method":"unheardOf","params":%s}',
]


@pytest.mark.parametrize("levels", [500, 900, 990, 1020, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deeply_nested_json(levels: int, opening: bytes, closing: bytes) -> None:
    deep = opening * levels + b"1" + closing * levels
    for place in DEEP_PLACES:
        message = decode(place.replace(b"%s", deep))
        assert isinstance(message, _KINDS)
        if levels == 100_000:
            assert isinstance(message, NotUnderstood)
            assert not message.is_json
        error = getattr(message, "error", None)
        assert len(str(error)) < 10_000, "an error has to be printable, also when it is nested deeply"


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_have(constant: bytes) -> None:
    message = decode(b'{"method":"slotNotification","params":%s}' % constant)
    assert isinstance(message, NotUnderstood)
    assert not message.is_json


def test_of_duplicate_keys_the_last_counts() -> None:
    assert decode(b'{"method":"status","params":1,"method":"slotNotification","params":2}') == (
        OWN_SESSION,
        None,
        Slot(2),
    )
    text = b'{"method":"sessionEventV2","params":{"session_id":"a","session_id":"b","seq_id":1,"event":"success"}}'
    assert decode(text) == ("b", 1, None)


def test_white_space_around_the_document_is_allowed() -> None:
    assert decode(b' \r\n\t{"method":"slotNotification","params":2}\n') == (OWN_SESSION, None, Slot(2))


def test_a_batch_index_of_the_wrong_type_counts_as_missing() -> None:
    message = decode(b'{"method":"paused","params":{"slot":5,"batchIndex":"3"}}')
    assert message == (OWN_SESSION, None, Paused(5, None, {"slot": 5, "batchIndex": "3"}))
