"""What the data plane delivers: lazy events of every kind, the keys that tell repetitions, and compressed frames."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simsync.errors import ProtocolError
from simsync.events import AccountDiff, ActionResult, Notification, Reading, Transaction, TransactionOutcome
from simsync.wire import compression
from simsync.wire.accounts import account_state, decode_data
from simsync.wire.notifications import account_diff_fields, action_result_fields
from simsync.wire.pubsub import Incoming, SubscribeSpec, decode_pubsub, slot_of
from simsync.wire.streams import STREAMS

pytestmark = pytest.mark.usefixtures("codec")

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
SYSTEM = "11111111111111111111111111111111"
_SUPPRESSED = [HealthCheck.function_scoped_fixture]
FUZZ = settings(max_examples=60, deadline=None, database=None, suppress_health_check=_SUPPRESSED)

TRANSACTION = (
    '{"jsonrpc":"2.0","method":"transactionNotification","params":{"subscription":7,"result":{"slot":312000004,'
    '"blockTime":1761000000,"version":"legacy","transaction":{"signatures":["sig1"],"message":{"header":'
    '{"numRequiredSignatures":1,"numReadonlySignedAccounts":0,"numReadonlyUnsignedAccounts":1},"accountKeys":'
    '["9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM","MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"],"recentBlockhash":'
    '"So11111111111111111111111111111111111111112","instructions":[{"programIdIndex":1,"accounts":[],"data":"3Bxs"}]}},'
    '"meta":{"err":null,"fee":5000,"preBalances":[100000,1],"postBalances":[95000,1],"logMessages":[]}}}}'
)
ACCOUNT_DIFF = (
    '{"jsonrpc":"2.0","method":"accountDiffNotification","params":{"subscription":8,"result":{"context":'
    '{"slot":312000004},"account":"9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM","signature":"sig1","pre":{"lamports":100000,'
    '"owner":"11111111111111111111111111111111","data":["","base64"],"executable":false,"rentEpoch":0,"space":0},"post":'
    '{"lamports":95000,"owner":"11111111111111111111111111111111","data":["","base64"],"executable":false,"rentEpoch":0,'
    '"space":0}}}}'
)
ACTION = (
    '{"jsonrpc":"2.0","method":"actionNotification","params":{"subscription":9,"result":{"context":{"slot":312000004},'
    '"slot":312000004,"batchIndex":null,"actionIndex":0,"label":"probe-a","committed":false,"transactionOutcomes":'
    '[{"err":null,"logs":[],"unitsConsumed":1450,"fee":5000,"returnData":null}],"accounts":[null],"matched":null}}}'
)
OLD_ACTION = (
    '{"jsonrpc":"2.0","method":"actionNotification","params":{"subscription":9,"result":{"context":{"slot":312000005},'
    '"slot":312000005,"batchIndex":2,"actionIndex":1,"committed":true,"err":"custom program error: 0x1","logs":[],'
    '"unitsConsumed":900,"accounts":[],"matched":{"data":"AQIDBA==","encoding":"base64"}}}}'
)
REROUTE = (
    '{"jsonrpc":"2.0","method":"rerouteNotification","params":{"subscription":10,"result":{"context":{"slot":312000004},'
    '"slot":312000004,"batchIndex":1,"originalSignature":"sig1","legs":[{"inputMint":'
    '"So11111111111111111111111111111111111111112","outputMint":"EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",'
    '"amount":1000,"swapMode":"ExactIn","metisQuotedOut":151}],"routedTransaction":{"data":"AQIDBA==","encoding":"base64"},'
    '"err":null,"logs":[],"fee":5000,"realizedOutputAmount":151}}}'
)


def event(kind: str, text: str) -> Any:
    """The event of a notification, made as the subscription makes it."""
    payload = text.encode()
    message = decode_pubsub(payload)
    assert isinstance(message, Incoming)
    return STREAMS[kind].make_event(message.method, slot_of(message.result) or 0, message.result, payload)


# The documented notifications.


def test_transaction() -> None:
    transaction = event("transactions", TRANSACTION)
    assert isinstance(transaction, Transaction)
    assert (transaction.slot, transaction.signature, transaction.error) == (312000004, "sig1", None)
    assert (transaction.fee, transaction.pre_balances, transaction.post_balances) == (5000, (100000, 1), (95000, 1))
    assert transaction.raw == json.loads(TRANSACTION)["params"]["result"]


@pytest.mark.parametrize("kind", ["program_diffs", "account_diffs"])
def test_account_diff(kind: str) -> None:
    diff = event(kind, ACCOUNT_DIFF)
    assert isinstance(diff, AccountDiff)
    assert (diff.slot, diff.account, diff.signature) == (312000004, WALLET, "sig1")
    assert diff.before is not None
    assert diff.after is not None
    assert (diff.before.lamports, diff.after.lamports) == (100000, 95000)
    assert (diff.after.owner, diff.after.executable, diff.after.data, diff.after.space) == (SYSTEM, False, b"", 0)
    assert not diff.created
    assert not diff.deleted


def test_action_result() -> None:
    result = event("actions", ACTION)
    assert isinstance(result, ActionResult)
    assert (result.slot, result.batch_index, result.action_index, result.label) == (312000004, None, 0, "probe-a")
    assert (result.committed, result.accounts, result.matched) == (False, (None,), None)
    assert result.outcomes == (TransactionOutcome(None, (), 1450, 5000, None),)


def test_action_result_of_the_older_generation() -> None:
    result = event("actions", OLD_ACTION)
    assert (result.slot, result.batch_index, result.action_index, result.label) == (312000005, 2, 1, None)
    assert (result.committed, result.accounts, result.matched) == (True, (), b"\x01\x02\x03\x04")
    assert result.outcomes == (TransactionOutcome("custom program error: 0x1", (), 900, None, None),)


def test_reroute() -> None:
    result = json.loads(REROUTE)["params"]["result"]
    assert event("reroutes", REROUTE) == Notification("rerouteNotification", result)


SWAP = {"inputMint": "So1", "outputMint": "EPj", "inAmount": "18446744073709551616", "outAmount": "151"}
LATER_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "a leg with its realized route plan": (
        "reroutes",
        {"slot": 5, "originalSignature": "s", "legs": [{"amount": 1, "realizedRoutePlan": [{"percent": 100}]}]},
    ),
    "a quote that was asked for again": (
        "replacements",
        {"requote": {"core": {"slot": 5, "originalSignature": "s", "error": None}, "cost": {}, "legs": [], "logs": []}},
    ),
    "a direct fill": ("replacements", {"directFill": {"anything": [1]}}),
    "the original": ("replacements", {"original": {"simulatedOutputAmount": "7", "comparison": None}}),
    "a kind that nobody knows": ("replacements", {"somethingElse": 1}),
    "results of a probe": ("diagnostics", {"market": "m", "err": None, "results": [{"swapInfo": SWAP}]}),
    "a probe that failed": ("diagnostics", {"market": "m", "err": {"InstructionError": [0, "Custom"]}}),
    "a probe without a quote": ("diagnostics", {"market": "m", "results": [{"quoteFailure": {"error": "no route"}}]}),
}


@pytest.mark.parametrize("name", LATER_KINDS)
def test_content_without_an_event_class_is_delivered_as_it_is(name: str) -> None:
    kind, result = LATER_KINDS[name]
    payload = json.dumps({"jsonrpc": "2.0", "method": "m", "params": {"subscription": 1, "result": result}})
    assert event(kind, payload) == Notification("m", result)
    assert STREAMS[kind].key(result) != STREAMS[kind].key({**result, "slot": 6, "originalSignature": "other"})


# Account diffs.


def diff_of(**changes: Any) -> Any:
    return account_diff_fields({**json.loads(ACCOUNT_DIFF)["params"]["result"], **changes})


@pytest.mark.parametrize("absent", [None, "gone"])
def test_created_and_deleted(absent: Any) -> None:
    for side, created, deleted in (("pre", True, False), ("post", False, True)):
        message = json.loads(ACCOUNT_DIFF)
        result = message["params"]["result"]
        if absent is None:
            result[side] = None
        else:
            del result[side]
        diff = event("account_diffs", json.dumps(message))
        assert (diff.created, diff.deleted) == (created, deleted)


def test_a_diff_of_nothing_is_neither() -> None:
    diff = event("account_diffs", '{"method":"x","params":{"subscription":1,"result":{"slot":5}}}')
    assert (diff.before, diff.after, diff.created, diff.deleted) == (None, None, False, False)


def test_outcomes_that_make_no_sense_are_left_out() -> None:
    fields = action_result_fields({"transactionOutcomes": [7, None, {"err": "x", "logs": None, "unitsConsumed": "y"}]})
    assert fields.outcomes == (TransactionOutcome("x", (), None, None, None),)


def test_a_diff_of_an_override_has_no_signature() -> None:
    assert diff_of(signature=None).signature is None


def test_keys_of_a_diff_in_any_spelling() -> None:
    state = {"Lamports": 5, "OWNER": SYSTEM, "Data": ["YWI=", "base64"], "rent_epoch": 7, "Space": 2}
    fields = account_diff_fields({"Account": WALLET, "Signature": "s", "Pre": None, "POST": state})
    assert (fields.account, fields.signature, fields.before) == (WALLET, "s", None)
    assert fields.after is not None
    assert (fields.after.lamports, fields.after.rent_epoch, fields.after.data) == (5, 7, b"ab")


def test_account_data_are_decoded_when_they_are_asked_for() -> None:
    state = account_state({"lamports": 5, "data": ["!", "base58"]})
    assert state is not None
    assert (state.lamports, state.owner, state.executable, state.space) == (5, "", False, None)
    with pytest.raises(ProtocolError, match="base58"):
        state.data  # noqa: B018


@pytest.mark.parametrize("encoded", [["YWI=", "base64"], {"data": "YWI=", "encoding": "base64"}])
def test_data_in_both_forms(encoded: Any) -> None:
    assert decode_data(encoded) == b"ab"


@pytest.mark.parametrize(
    "encoded",
    [None, 7, "YWI=", [], ["YWI="], ["YWI=", "base64+zstd"], ["YW", "base64"], ["!!!!", "base64"], [7, "base64"], {}],
)
def test_data_that_cannot_be_read(encoded: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_data(encoded)
    assert caught.value.raw is not None or encoded is None


# Nothing that arrives raises, neither when it is taken nor when it is looked at.

WORDS = [
    "slot",
    "context",
    "account",
    "signature",
    "pre",
    "post",
    "data",
    "lamports",
    "encoding",
    "accounts",
    "transactionOutcomes",
    "matched",
    "label",
    "err",
    "logs",
    "transaction",
    "signatures",
    "value",
    "originalSignature",
    "batchIndex",
    "actionIndex",
    "meta",
    "message",
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(WORDS), children, max_size=5),
    max_leaves=8,
)


@FUZZ
@given(result=JSON_VALUES)
def test_no_payload_raises(result: Any) -> None:
    text = json.dumps({"method": "x", "params": {"subscription": 1, "result": result}})
    for kind, row in STREAMS.items():
        made = event(kind, text)
        hash(row.key(result))
        for name in [name for name in dir(made) if not name.startswith("_")]:
            getattr(made, name)
        assert repr(made)


@pytest.mark.parametrize("params", ['{"subscription":1}', "null", "7", '{"subscription":1,"result":null}'])
@pytest.mark.parametrize("kind", ["transactions", "account_diffs", "actions"])
def test_a_notification_without_a_result_reads_as_empty(kind: str, params: str) -> None:
    made = event(kind, f'{{"method":"x","params":{params}}}')
    assert made.raw is None
    assert repr(made)


@pytest.mark.parametrize("key", ["result", "Result", "RESULT"])
def test_the_result_is_found_under_any_spelling_also_later(key: str) -> None:
    text = json.dumps({"method": "x", "params": {"Subscription": 1, key: {"slot": 5, "account": WALLET}}})
    diff = event("account_diffs", text)
    assert (diff.slot, diff.account) == (5, WALLET)


@pytest.mark.parametrize("levels", [300, 1000])
def test_the_key_of_deep_content_is_a_key(levels: int) -> None:
    deep: Any = 1
    for _ in range(levels):
        deep = [deep]
    for row in STREAMS.values():
        hash(row.key({"value": deep, "transaction": {"signatures": [deep]}, "signature": deep, "label": deep}))


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("transactions", {"transaction": {"signatures": [["s"]]}}),
        ("transactions", {"transaction": {"signatures": [{"s": 1}]}}),
        ("program_diffs", {"signature": ["s"], "account": {"a": 1}}),
        ("actions", {"batchIndex": [1], "actionIndex": {}, "label": ["x"]}),
        ("logs", {"value": {"signature": ["s"]}}),
        ("reroutes", {"originalSignature": {"s": 1}}),
    ],
)
def test_a_key_of_the_wrong_type_falls_back_to_the_content(kind: str, result: Any) -> None:
    key = STREAMS[kind].key
    hash(key(result))
    assert key(result) == key(json.loads(json.dumps(result)))
    assert key(result) != key({**result, "slot": 6, "batchIndex": 7})


def test_actions_differ_by_what_triggered_them() -> None:
    key = STREAMS["actions"].key
    same = {"batchIndex": 1, "actionIndex": 0, "label": "a"}
    assert key({**same, "matched": {"data": "AQ=="}}) != key({**same, "matched": {"data": "Ag=="}})
    assert key({**same, "logs": ["x"]}) == key({**same, "logs": ["y"]})


# Events in several threads.


_FIELDS: Any = inspect.getattr_static(AccountDiff, "_fields")


class Overtaken(AccountDiff):
    """Another thread decodes it completely after this one saw that it was not decoded yet."""

    __slots__ = ("_overtaken",)

    _overtaken: bool

    @property
    def _fields(self) -> Any:
        seen = _FIELDS.__get__(self)
        if not self._overtaken:
            self._overtaken = True
            self._load()
        return seen

    @_fields.setter
    def _fields(self, value: Any) -> None:
        self._overtaken = value is not None
        _FIELDS.__set__(self, value)


def test_an_event_may_be_looked_at_by_two_threads_at_once() -> None:
    reading = Reading(lambda payload: account_diff_fields(json.loads(payload)), json.loads)
    assert Overtaken(5, b'{"account":"a"}', reading).account == "a"


# A subscription of the user's own.


def test_a_decoder_of_the_users_own_gets_the_method_and_the_result() -> None:
    calls: list[Any] = []

    def decode(method: str, result: Any) -> Notification:
        calls.append((method, result))
        return Notification("mine", result)

    spec = SubscribeSpec.custom("transactionSubscribe", "all", decode, STREAMS)
    assert spec.make_event("transactionNotification", 5, {"slot": 5}, b"...") == Notification("mine", {"slot": 5})
    assert calls == [("transactionNotification", {"slot": 5})]
    assert spec.key is STREAMS["transactions"].key
    assert not spec.single


def test_what_is_known_of_a_kind_holds_for_a_subscription_of_the_users_own() -> None:
    assert SubscribeSpec.custom("signatureSubscribe", "sig", None, STREAMS).single
    changed = {**STREAMS, "slots": dataclasses.replace(STREAMS["slots"], method="blockSubscribe", single=True)}
    assert SubscribeSpec.custom("blockSubscribe", None, None, changed).single
    assert not SubscribeSpec.custom("unheardOfSubscribe", None, None, STREAMS).single


# Compressed frames.


def test_one_stream_for_all_frames_of_a_connection() -> None:
    zstandard = pytest.importorskip("zstandard")
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    texts = [ACCOUNT_DIFF.encode(), TRANSACTION.encode(), ACCOUNT_DIFF.encode(), b"{}"]
    frames = [compressor.compress(text) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for text in texts]
    assert len(frames[2]) < len(texts[2]) / 4, "the window is kept across frames"
    inflater = compression.Inflater()
    assert [inflater.inflate(frame) for frame in frames] == texts
    with pytest.raises(ValueError, match="broken"):
        compression.Inflater().inflate(frames[2])


@pytest.mark.parametrize("payload", [b'{"plain":"json"}', b"\x00" * 40, b"(\xb5/\xfd" + b"\xff" * 60])
def test_a_broken_stream_is_a_value_error(payload: bytes) -> None:
    pytest.importorskip("zstandard")
    assert compression.is_available()
    with pytest.raises(ValueError, match="broken"):
        compression.Inflater().inflate(payload)
