"""The dialect: its defaults, its checks, and the end of a stream."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from simsync.errors import InvalidParams
from simsync.wire import server_errors
from simsync.wire.dialect import Dialect, ends_stream, is_capacity
from simsync.wire.streams import STREAMS

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
ACCOUNT = {
    "lamports": 100000,
    "owner": "11111111111111111111111111111111",
    "data": ["", "base64"],
    "executable": False,
    "rentEpoch": 0,
    "space": 0,
}


@pytest.mark.parametrize("key", ["completed", "done", "eof", "endOfStream", "end_of_stream", "EOF", "Completed"])
@pytest.mark.parametrize("value", [True, 1, "yes", {"slot": 5}])
def test_a_result_that_says_so_ends_the_stream(key: str, value: Any) -> None:
    assert ends_stream("transactionNotification", {key: value})
    assert ends_stream("transactionNotification", {"slot": 5, key: value, "reason": "range finished"})


@pytest.mark.parametrize("method", ["transactionStreamEnd", "transactionCompleted", "actionComplete", "End"])
@pytest.mark.parametrize("result", [None, {}, {"slot": 5}, 7])
def test_a_method_that_says_so_ends_the_stream(method: str, result: Any) -> None:
    assert ends_stream(method, result)


TRANSACTION = {
    "slot": 312000004,
    "blockTime": 1761000000,
    "version": "legacy",
    "transaction": {"signatures": ["sig1"], "message": {"accountKeys": [WALLET], "instructions": []}},
    "meta": {"err": None, "fee": 5000, "preBalances": [1], "postBalances": [1], "logMessages": []},
}


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("transactionNotification", TRANSACTION),
        ("transactionNotification", {key: TRANSACTION[key] for key in ("slot", "transaction", "meta")}),
        (
            "accountDiffNotification",
            {"context": {"slot": 312000004}, "account": WALLET, "signature": "sig1", "pre": ACCOUNT, "post": ACCOUNT},
        ),
        ("accountDiffNotification", {"context": {"slot": 312000004}, "account": WALLET, "post": ACCOUNT}),
        (
            "actionNotification",
            {"context": {"slot": 5}, "slot": 5, "batchIndex": None, "actionIndex": 0, "committed": True, "err": None},
        ),
        ("logsNotification", {"context": {"slot": 5}, "value": {"signature": "s", "err": None, "logs": ["completed"]}}),
        ("slotNotification", {"slot": 312000004, "parent": 312000003, "root": 311999972}),
        ("signatureNotification", {"context": {"slot": 5}, "value": {"err": None}}),
        ("transactionNotification", {"completed": False}),
        ("transactionNotification", {"completed": None, "done": 0, "eof": ""}),
        ("transactionNotification", {"result": {"completed": True}}),
        ("transactionNotification", {"incompleted": True, "undone": True}),
        ("transactionNotification", "completed"),
        ("transactionNotification", ["done"]),
        ("transactionNotification", None),
        ("transactionNotification", 1),
        ("endOfWorldNotification", {}),
        ("pending", None),
    ],
)
def test_ordinary_payloads_do_not_end_it(method: str, result: Any) -> None:
    assert not ends_stream(method, result)


def test_defaults() -> None:
    dialect = Dialect()
    assert dialect.nested_continue
    assert dialect.both_id_spellings
    assert dialect.inline_case == "snake"
    assert dialect.is_terminal is server_errors.is_terminal
    assert dialect.ends_stream is ends_stream
    assert dialect.is_capacity is is_capacity
    assert dialect.streams is STREAMS


@pytest.mark.parametrize(
    ("message", "passing"),
    [
        ("no capacity left", True),
        ("Server Busy", True),
        ("too many subscriptions", True),
        ("temporarily unavailable, try again later", True),
        ("overloaded", True),
        ("Method not found: weatherSubscribe", False),
        ("invalid filter", False),
        ("", False),
    ],
)
def test_refusals_that_pass_by_themselves(message: str, passing: bool) -> None:
    assert is_capacity(-32000, message) is passing


def test_rows_of_the_table_are_replaced_by_the_user() -> None:
    row = dataclasses.replace(STREAMS["transactions"], method="txSubscribe", filter=lambda key: {"program": key})
    dialect = Dialect(streams={**STREAMS, "transactions": row, "weather": row})
    assert dialect.streams["transactions"].method == "txSubscribe"
    assert dialect.streams["slots"] is STREAMS["slots"]


def test_choices_are_replaced_by_the_user() -> None:
    def never(_method: str, _result: Any) -> bool:
        return False

    dialect = Dialect(nested_continue=False, ends_stream=never)
    assert not dialect.nested_continue
    assert not dialect.ends_stream("transactionStreamEnd", {"completed": True})


def test_a_dialect_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dialect().nested_continue = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nested_continue", "no"),
        ("nested_continue", None),
        ("both_id_spellings", 1),
        ("inline_case", "kebab"),
        ("inline_case", None),
        ("is_terminal", None),
        ("is_terminal", ["NoMoreBlocks"]),
        ("ends_stream", "completed"),
        ("is_capacity", True),
        ("streams", None),
        ("streams", ["transactionSubscribe"]),
        ("streams", {"transactions": STREAMS["transactions"]}),
        ("streams", {**STREAMS, "transactions": "transactionSubscribe"}),
    ],
)
def test_bad_choices(name: str, value: Any) -> None:
    with pytest.raises(InvalidParams, match=name) as caught:
        Dialect(**{name: value})
    assert caught.value.argument == name
    assert caught.value.value == value
