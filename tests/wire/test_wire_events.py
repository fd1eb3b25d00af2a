"""Events: small, comparable, and decoded only when asked."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from typing import Any

import pytest

from simsync import events
from simsync.events import (
    BacktestError,
    Completed,
    Created,
    DiscoveryBatch,
    Event,
    Notification,
    Paused,
    ReadyForContinue,
    SessionError,
    SessionSummary,
    Slot,
    Status,
    Transaction,
    TransactionFields,
    TransactionReading,
    TransactionStatus,
    UnknownEvent,
)
from simsync.wire.notifications import transaction_fields
from simsync.wire.streams import STREAMS

ERROR = BacktestError("Internal", {"error": "bad"}, {"internal": {"error": "bad"}})


def data_event(kind: str, result: Any) -> Any:
    """An event of the data plane, made as the subscription makes it."""
    payload = json.dumps({"method": "x", "params": {"subscription": 1, "result": result}}).encode()
    return STREAMS[kind].make_event("x", result["slot"], result, payload)


EXAMPLES: list[Event] = [
    Created("backtest_a", None),
    ReadyForContinue(),
    Slot(5),
    Paused(5, 2, {"slot": 5}),
    DiscoveryBatch(5, 2, ({"programExecuted": "x"},), (), {}),
    Status("bundleReady"),
    SessionError(ERROR),
    Completed(SessionSummary(correct_simulation=3), None),
    UnknownEvent("new", {"a": 1}),
    Notification("slotNotification", {"slot": 5}),
    data_event("transactions", {"slot": 5}),
    data_event("program_diffs", {"slot": 5, "account": "a"}),
    data_event("actions", {"slot": 5, "label": "probe"}),
]


def test_the_examples_are_all_there_is() -> None:
    kinds = {
        kind
        for _name, kind in inspect.getmembers(events, inspect.isclass)
        if issubclass(kind, Event) and kind is not Event and not kind.__name__.startswith("_")
    }
    assert kinds == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_events_have_slots(event: Event) -> None:
    assert not hasattr(event, "__dict__")
    with pytest.raises(AttributeError):
        event.unheard_of = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_events_can_be_copied_pickled_compared_and_shown(event: Event) -> None:
    assert copy.copy(event) == event
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event
    assert type(event).__name__ in repr(event)
    assert event != object()


def test_events_of_different_kinds_differ() -> None:
    for index, one in enumerate(EXAMPLES):
        assert [one == other for other in EXAMPLES].index(True) == index


def test_events_compare_by_their_content() -> None:
    assert Slot(5) == Slot(5)
    assert Slot(5) != Slot(6)
    assert Paused(5, None, {}) != Paused(5, 0, {})


# Transactions.


PAYLOAD = {
    "slot": 5,
    "blockTime": 17,
    "version": 0,
    "transaction": {"signatures": ["sig"], "message": {"accountKeys": ["a"]}},
    "meta": {
        "err": "AccountInUse",
        "fee": 5000,
        "computeUnitsConsumed": 1450,
        "preBalances": [3],
        "postBalances": [2],
        "preTokenBalances": [{"mint": "m"}],
        "postTokenBalances": [{"mint": "n"}],
        "logMessages": ["hi"],
    },
}

FIELDS: list[tuple[str, Any]] = [
    ("slot", 5),
    ("signature", "sig"),
    ("error", "AccountInUse"),
    ("logs", ("hi",)),
    ("fee", 5000),
    ("compute_units", 1450),
    ("version", 0),
    ("block_time", 17),
    ("account_keys", ("a",)),
    ("pre_balances", (3,)),
    ("post_balances", (2,)),
    ("pre_token_balances", ({"mint": "m"},)),
    ("post_token_balances", ({"mint": "n"},)),
]


def test_every_field_is_listed_here() -> None:
    assert [name for name, _value in FIELDS] == ["slot", *TransactionFields._fields]


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_fields_of_a_transaction(name: str, value: Any) -> None:
    assert getattr(data_event("transactions", PAYLOAD), name) == value


def test_a_transaction_is_decoded_on_first_use_and_only_once() -> None:
    calls: list[str] = []

    def fields(_payload: bytes) -> TransactionFields:
        calls.append("fields")
        return transaction_fields(PAYLOAD)

    def raw(_payload: bytes) -> Any:
        calls.append("raw")
        return PAYLOAD

    def status(_payload: bytes) -> TransactionStatus:
        calls.append("status")
        return TransactionStatus("AccountInUse", 5_000, 150)

    reading = TransactionReading(fields, raw, status, lambda _payload: ["p"], lambda _raw: [], lambda _raw: b"")

    def of(*names: str) -> list[str]:
        """What is decoded to read these of a transaction."""
        calls.clear()
        transaction = Transaction(5, b"...", reading)
        for name in names:
            getattr(transaction, name)
        return list(calls)

    of("error")  # whatever was read before, by other tests
    assert of("slot", "programs") == []
    assert of("error", "fee", "compute_units", "error") == ["status"]
    assert of("error", "logs") == ["status", "fields"]
    assert of("error", "fee", "logs") == ["fields"]  # the last one was read completely, too
    assert of("error") == ["fields"]
    assert of("error") == ["status"]  # and the last one was not
    assert of("logs", "fee") == ["fields"]

    transaction = Transaction(5, b"...", reading)
    for name, _value in FIELDS:
        getattr(transaction, name)
    calls[:] = ["fields"]
    assert transaction.raw is transaction.raw is PAYLOAD
    assert repr(transaction) == "Transaction(slot=5, signature='sig', error='AccountInUse')"
    assert calls == ["fields", "raw"]


def test_transactions_compare_by_their_content() -> None:
    assert data_event("transactions", PAYLOAD) == data_event("transactions", PAYLOAD)
    assert data_event("transactions", PAYLOAD) != data_event("transactions", {**PAYLOAD, "version": 1})
    assert len({data_event("transactions", PAYLOAD), data_event("transactions", PAYLOAD)}) == 1


# Summaries.


def test_summary_round_trip() -> None:
    summary = SessionSummary(1, 2, 3, 4, 5, 6, {"a": 1})
    summary.raw = {"correctSimulation": 1}
    assert SessionSummary.from_json(summary.to_json()) == summary
    assert "raw" not in summary.to_dict()


def test_summary_ignores_unknown_keys_and_defaults_to_zero() -> None:
    assert SessionSummary.from_dict({"log_diff": 2, "unheard_of": 1}) == SessionSummary(log_diff=2)
    assert SessionSummary.from_dict({}) == SessionSummary(0, 0, 0, 0, 0, 0, None)


def test_what_came_raw_does_not_make_summaries_differ() -> None:
    one, other = SessionSummary(1), SessionSummary(1)
    one.raw = {"correctSimulation": 1}
    assert one == other
    assert "raw" not in repr(one)
