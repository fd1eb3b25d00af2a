"""A message says the same in each spelling of its keys and in each form that a server may give it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simsync.events import Event
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import NotUnderstood
from simsync.wire.dialect import Dialect
from simsync.wire.notifications import account_diff_fields, action_result_fields
from simsync.wire.pubsub import decode_pubsub

from .json_texts import spellings
from .profiles import effort

EVENTS: list[tuple[str, Any]] = [
    ("readyForContinue", None),
    ("slotNotification", 105),
    ("paused", {"slot": 105, "batch_index": 2}),
    ("discoveryBatch", {"slot": 105, "batch_index": None, "matched": [{"a_b": 1}], "transactions": [], "new_key": 1}),
    ("status", {"status": "startingRuntime"}),
    ("completed", {"summary": {"correct_simulation": 5, "balance_diff": 1, "reroute_stats": {"keep_me": 1}}}),
    ("completed", {"summary": None, "agent_stats": [{"as_it_is": 1}]}),
    ("error", "noMoreBlocks"),
]
REPLIES: list[tuple[str, dict[str, Any]]] = [
    ("sessionCreated", {"session_id": "backtest_a", "rpc_endpoint": "/x", "task_id": None}),
    ("sessionAttached", {"session_id": "backtest_a", "task_id": "t"}),
    (
        "sessionsCreatedV2",
        {
            "control_session_id": "parallel_c",
            "session_ids": ["backtest_a"],
            "task_ids": [None],
            "start_slots": [1],
            "end_slots": [9],
        },
    ),
    ("parallelSessionAttachedV2", {"control_session_id": "parallel_c", "session_ids": []}),
]
DATA_MAPS = ("reroute_stats", "agent_stats", "matched", "transactions", "data")
"""What is below these is the user's own."""

decode = ControlDecoder(Dialect()).decode


def respelled(draw: st.DrawFn, value: Any) -> Any:
    """The same fields in other spellings, in another order; null or missing where there is nothing."""
    if not isinstance(value, dict):
        return value
    fields = []
    for key, content in value.items():
        if content is None and draw(st.booleans()):
            continue
        name, other = draw(st.permutations(sorted(set(spellings(key)))))[:2]
        if draw(st.booleans()):
            fields.append((other, None))
        fields.append((name, content if key in DATA_MAPS else respelled(draw, content)))
    return dict(draw(st.permutations(fields)))


def essence(value: Any) -> Any:
    """All that a message or an event says, without the text that it was."""
    if isinstance(value, Event):
        names = [name for base in type(value).__mro__ for name in getattr(base, "__slots__", ())]
        return type(value), {name: essence(getattr(value, name)) for name in names if name != "raw"}
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return type(value), {field.name: essence(getattr(value, field.name)) for field in fields if field.name != "raw"}
    if isinstance(value, tuple):
        return tuple(essence(part) for part in value)
    return value


def read(message: Any) -> Any:
    decoded = decode(json.dumps(message).encode())
    assert not isinstance(decoded, NotUnderstood), decoded
    return essence(decoded)


@st.composite
def events_in_two_ways(draw: st.DrawFn) -> tuple[Any, Any]:
    kind, params = draw(st.sampled_from(EVENTS))
    number = draw(st.sampled_from([0, 7, (1 << 64) - 1]))
    if draw(st.booleans()):
        plain = {"method": kind, "params": params, "seq_id": number}
        return plain, respelled(draw, plain)
    inner: Any = {"method": kind, "params": params}
    plain = {"method": "sessionEventV2", "params": {"session_id": "backtest_a", "seq_id": number, "event": inner}}
    other = respelled(draw, params)
    forms = [respelled(draw, {"method": kind, "params": params}), {kind: other}]
    if params is None:
        forms.append(kind)
    envelope = {"session_id": "backtest_a", "seq_id": number, "event": draw(st.sampled_from(forms))}
    spelled = {draw(st.sampled_from(spellings(key))): value for key, value in envelope.items()}
    return plain, {"method": draw(st.sampled_from(["sessionEventV2", "session_event_v2"])), "params": spelled}


@st.composite
def replies_in_two_ways(draw: st.DrawFn) -> tuple[Any, Any]:
    kind, params = draw(st.sampled_from(REPLIES))
    return {"method": kind, "params": params}, respelled(draw, {"method": kind, "params": params})


def test_a_control_message_says_the_same_in_each_spelling(thorough: bool) -> None:
    @effort(thorough, 200)
    @given(st.one_of(events_in_two_ways(), replies_in_two_ways()))
    def check(pair: tuple[Any, Any]) -> None:
        plain, other = pair
        assert read(other) == read(plain)
        decoded = decode(json.dumps(other).encode())
        numbered = plain if "seq_id" in plain else plain["params"]
        assert type(decoded) is not tuple or decoded[1] == numbered["seq_id"]

    check()


ERRORS: list[dict[str, Any]] = [
    {"advance_slot_failed": {"slot": 3, "error": "frozen"}},
    {"bundle_not_found": {"start_slot": 1, "end_slot": 2}},
    {"simulation_error": {"error": "bad"}},
]


@st.composite
def errors_in_two_ways(draw: st.DrawFn) -> tuple[Any, Any]:
    plain = draw(st.sampled_from(ERRORS))
    ((name, content),) = plain.items()
    name = draw(st.sampled_from(spellings(name)))
    fields = {draw(st.sampled_from(spellings(key)[:2])): value for key, value in content.items()}
    tag = draw(st.sampled_from(["type", "kind", "code", "Type"]))
    return plain, draw(st.sampled_from([{name: fields}, {tag: name, "data": fields}, {tag: name, **fields}]))


def test_an_error_is_the_same_in_each_form(thorough: bool) -> None:
    @effort(thorough, 100)
    @given(errors_in_two_ways())
    def check(pair: tuple[Any, Any]) -> None:
        plain, other = ({"method": "error", "params": error} for error in pair)
        assert read(other) == read(plain)

    check()


ACCOUNT = {"lamports": 1, "owner": "o", "data": ["AA==", "base64"], "executable": True, "rent_epoch": 3, "space": 1}
DIFF = {"context": {"slot": 3}, "account": "a", "signature": "s", "pre": None, "post": ACCOUNT}
ACTION = {
    "batch_index": 1,
    "action_index": 2,
    "label": "l",
    "committed": True,
    "transaction_outcomes": [{"err": None, "logs": ["x"], "unitsConsumed": 5, "fee": 1}],
    "accounts": [ACCOUNT, None],
}


@st.composite
def results_in_two_ways(draw: st.DrawFn) -> tuple[Any, Any]:
    plain = draw(st.sampled_from([DIFF, ACTION]))
    return plain, respelled(draw, plain)


def test_data_say_the_same_in_each_spelling(thorough: bool) -> None:
    @effort(thorough, 100)
    @given(results_in_two_ways(), st.sampled_from(spellings("subscription")), st.sampled_from(spellings("result")))
    def check(pair: tuple[Any, Any], subscription: str, result: str) -> None:
        plain, other = pair
        notification = {"method": "xNotification", "params": {subscription: 7, result: plain}}
        assert repr(decode_pubsub(json.dumps(notification).encode())) == repr(
            decode_pubsub(
                json.dumps({"method": "xNotification", "params": {"subscription": 7, "result": plain}}).encode()
            )
        )
        for fields in (account_diff_fields, action_result_fields):
            assert repr(fields(plain)) == repr(fields(other))

    check()
