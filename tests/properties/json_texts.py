"""JSON as no sane server writes it: nested deep, with huge numbers, keys that come twice, and types that do not fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st


def _words(text: str) -> list[str]:
    return text.split()


METHODS = _words(
    "readyForContinue slotNotification paused discoveryBatch status completed success error sessionCreated"
    " sessionAttached sessionsCreatedV2 sessionsCreated parallelSessionAttachedV2 sessionEventV2 sessionEventV1 weather"
)
FIELDS = _words(
    "session_id seq_id event method params slot batch_index matched transactions status summary agent_stats error"
    " control_session_id session_ids task_ids task_id start_slots end_slots rpc_endpoint correct_simulation type data"
)
ERRORS = _words(
    "sessionNotFound noMoreBlocks advanceSlotFailed simulationError internal invalidTransactionFormat somethingElse"
)
SESSION_IDS = ("backtest_a", "backtest_b", "backtest_e", "")

numbers = st.one_of(
    st.sampled_from(_words("0 1 2 3 7 105 -1 18446744073709551615 18446744073709551616 1e400 -1e5 1.5 3.0 1E2 -0")),
    st.sampled_from([400, 4_300, 5_000]).map(lambda digits: "9" * digits),
)
texts = st.one_of(
    st.sampled_from(METHODS + FIELDS + ERRORS + list(SESSION_IDS)).map(json.dumps),
    st.text(max_size=8).map(json.dumps),
    st.sampled_from([r'"\ud800"', r'"\u0000"']),
    st.just(3_000).map(lambda length: '"' + "x" * length + '"'),
)
scalars = st.one_of(numbers, texts, st.sampled_from(["null", "true", "false"]))


def spellings(name: str) -> list[str]:
    """A field under each name that the vendor's source and documentation let expect."""
    words = name.split("_")
    pascal = "".join(word.title() for word in words)
    return [name, pascal[0].lower() + pascal[1:], pascal]


keys = st.one_of(
    st.sampled_from(FIELDS).flatmap(lambda name: st.sampled_from(spellings(name))).map(json.dumps),
    st.sampled_from(METHODS + ERRORS).map(json.dumps),
    st.text(max_size=3).map(json.dumps),
)


def array(items: Sequence[str]) -> str:
    return "[" + ",".join(items) + "]"


def obj(pairs: Sequence[tuple[str, str]]) -> str:
    """Keys may come twice."""
    return "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"


def _nested(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(children, max_size=4).map(array),
        st.lists(st.tuples(keys, children), max_size=5).map(obj),
    )


def _deep(depth: int, opening: str) -> str:
    closing = "".join({"[": "]", "{": "}"}.get(letter, "") for letter in reversed(opening))
    return opening * depth + "1" + closing * depth


deep = st.builds(_deep, st.sampled_from([30, 900, 1_100, 100_000]), st.sampled_from(["[", '{"a":', '[{"params":']))
values = st.one_of(
    st.recursive(scalars, _nested, max_leaves=12),
    st.recursive(scalars, _nested, max_leaves=3),
    st.sampled_from(["[]", "{}", "[null]", '{"a":[]}']),
    deep,
)
"""Any JSON value as text."""


def fields(**correct: Any) -> st.SearchStrategy[str]:
    """An object with these fields, each right, missing, null, of any type, or there twice; in any spelling."""

    def one(name: str, value: Any) -> st.SearchStrategy[list[tuple[str, str]]]:
        right = value if isinstance(value, st.SearchStrategy) else st.just(json.dumps(value))
        key = st.sampled_from([name, name, *spellings(name)]).map(json.dumps)
        written = st.tuples(key, right)
        odd = st.tuples(key, values)
        return st.one_of(
            written.map(lambda pair: [pair]),
            written.map(lambda pair: [pair]),
            st.just([]),
            key.map(lambda text: [(text, "null")]),
            odd.map(lambda pair: [pair]),
            st.tuples(odd, written).map(list),
        )

    parts = [one(name, value) for name, value in correct.items()]
    more = st.lists(st.tuples(keys, scalars), max_size=1)
    return st.tuples(*parts, more).flatmap(
        lambda lists: st.permutations([pair for pairs in lists for pair in pairs]).map(obj)
    )


_ids = st.sampled_from(SESSION_IDS).map(json.dumps)
_slots = st.sampled_from(["1", "105", "109"])
errors = st.one_of(
    st.sampled_from(ERRORS).map(json.dumps),
    st.sampled_from(ERRORS).flatmap(lambda name: values.map(lambda value: obj([(json.dumps(name), value)]))),
    fields(type="internal", data={"error": "x"}),
)


def messages(method: str, params: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The envelope may be odd, too."""
    return fields(method=method, params=params, seq_id=st.sampled_from(["2", "3", "4", "9"]))


_OWN = {
    "readyForContinue": st.just("null"),
    "slotNotification": _slots,
    "paused": fields(slot=105, batch_index=2),
    "discoveryBatch": fields(slot=105, batch_index=2, matched=[{}], transactions=[]),
    "status": fields(status="startingRuntime"),
    "completed": fields(summary=fields(correct_simulation=5, reroute_stats={"a": 1}), agent_stats=[]),
    "error": errors,
}
own_events = st.one_of([messages(method, params) for method, params in _OWN.items()])


def _one_key(kind: str, params: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return params.map(lambda text: obj([(json.dumps(kind), text)]))


_inner = st.one_of(
    *(fields(method=method, params=params) for method, params in _OWN.items()),
    *(_one_key(method, params) for method, params in _OWN.items()),
    st.sampled_from(METHODS).map(json.dumps),
)
session_events = messages(
    "sessionEventV2", fields(session_id=_ids, seq_id=st.sampled_from(["2", "3", "9"]), event=_inner)
)


def _all_but_one_right(odd: str, value: str) -> str:
    """The likeliest spelling, which a decoder may take a short way for."""
    parts = {"session_id": '"backtest_a"', "seq_id": "2", "method": '"slotNotification"', "params": "105", odd: value}
    event = parts.get("event", obj([('"method"', parts["method"]), ('"params"', parts["params"])]))
    inner = obj([('"session_id"', parts["session_id"]), ('"seq_id"', parts["seq_id"]), ('"event"', event)])
    return obj([('"method"', '"sessionEventV2"'), ('"params"', inner)])


nearly_right = st.builds(
    _all_but_one_right, st.sampled_from(["session_id", "seq_id", "method", "params", "event"]), values
)
replies = st.one_of(
    messages("success", st.just("null")),
    messages("sessionCreated", fields(session_id=_ids, rpc_endpoint="/backtest/x", task_id="t")),
    messages("sessionAttached", fields(session_id=_ids, rpc_endpoint="/backtest/x", task_id="t")),
    messages(
        "sessionsCreatedV2",
        fields(
            control_session_id="parallel_c",
            session_ids=["backtest_a", "backtest_b"],
            task_ids=[None, None],
            start_slots=[100, 105],
            end_slots=[104, 109],
        ),
    ),
    messages("parallelSessionAttachedV2", fields(control_session_id="parallel_c", session_ids=["backtest_a"])),
)
control_messages = st.one_of(own_events, session_events, nearly_right, replies, values).map(
    lambda text: text.encode("utf-8")
)
"""Messages of the control connection, more or less right."""

bodies = st.one_of(values.map(lambda text: text.encode("utf-8")), st.binary(max_size=20), control_messages)
"""What may come where a document is expected."""

_transaction = fields(
    slot=105,
    transaction=fields(signatures=["sig"], message=fields(accountKeys=["a", {"pubkey": "b"}])),
    meta=fields(
        fee=5, err=None, logMessages=["x"], preBalances=[1], postBalances=[2], loadedAddresses={"writable": ["c"]}
    ),
    version=0,
)
_account = fields(lamports=1, owner="o", data=["AA==", "base64"], executable=False, rent_epoch=0, space=1)
_diff = fields(context=fields(slot=105), account="a", signature="s", pre=_account, post=_account)
_action = fields(
    slot=105, batch_index=1, action_index=0, label="l", accounts=["null"], transaction_outcomes=[{"err": None}]
)
_end = st.sampled_from(['{"completed":true}', '{"done":1}', '{"endOfStream":"yes"}', '{"completed":false}'])
_unwritable = st.sampled_from([r'{"value":"\ud800"}', "[" * 600 + "]" * 600])
results = st.one_of(_transaction, _diff, _action, _end, _unwritable, values)
notifications = st.builds(
    lambda method, params, more: obj([('"jsonrpc"', '"2.0"'), ('"method"', method), ('"params"', params), *more]),
    st.sampled_from(['"transactionNotification"', '"accountDiffNotification"', '"logsEnd"', "5", '"x"']),
    st.one_of(fields(subscription=st.sampled_from(["7", "8", '"7"', "99"]), result=results), values),
    st.lists(st.tuples(keys, scalars), max_size=1),
)
answers = st.builds(
    lambda identifier, what, value: obj([('"id"', identifier), (what, value)]),
    st.one_of(st.sampled_from(["1", "2", "3"]), scalars),
    st.sampled_from(['"result"', '"error"']),
    st.one_of(st.sampled_from(["7", "8"]), values, fields(code=-32000, message="too many")),
)
data_messages = st.one_of(notifications, answers, values).map(lambda text: text.encode("utf-8"))
"""Messages of a data connection, more or less right."""
