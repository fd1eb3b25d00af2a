"""JSON-RPC bodies: what is sent, and what is made of each reply."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simsync.errors import InvalidParams, ProtocolError, RpcError
from simsync.params import AccountData
from simsync.wire import rpc

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
SYSTEM = "11111111111111111111111111111111"
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

pytestmark = pytest.mark.usefixtures("codec")


def test_modify_accounts() -> None:
    body = rpc.request_body(1, "modifyAccounts", [rpc.modifications({WALLET: AccountData(2_500_000_000)})])
    documented = (
        '{"jsonrpc":"2.0","id":1,"method":"modifyAccounts","params":[{"9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM":'
        '{"data":{"data":"","encoding":"base64"},"executable":false,"lamports":2500000000,'
        '"owner":"11111111111111111111111111111111","space":0}}]}'
    )
    assert json.loads(body) == json.loads(documented)


def test_params_are_a_list_also_when_there_are_none() -> None:
    assert json.loads(rpc.request_body(7, "getSlot", ())) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "getSlot",
        "params": [],
    }


@pytest.mark.parametrize("wrong", [object(), {1: 2}, b"bytes", float("inf"), 2**64, {1}])
def test_params_that_cannot_be_sent(wrong: Any) -> None:
    with pytest.raises(InvalidParams, match=r"params\[1\]"):
        rpc.request_body(1, "getThing", [1, wrong])


def test_configs() -> None:
    assert rpc.account_config() == {"commitment": "confirmed", "encoding": "base64"}
    assert rpc.transaction_config(skipPreflight=True) == {"encoding": "base64", "skipPreflight": True}


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":null}', None),
        (b'{"jsonrpc":"2.0","id":1,"result":0}', 0),
        (b'{"jsonrpc":"2.0","id":1,"error":null,"result":{"value":[1]}}', {"value": [1]}),
    ],
)
def test_result(body: bytes, result: Any) -> None:
    assert rpc.result_of("getThing", body) == result


@pytest.mark.parametrize(
    ("body", "code", "message", "data"),
    [
        (
            b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"account data is not base64"}}',
            -32602,
            "account data is not base64",
            None,
        ),
        (b'{"error":{"code":-32002,"message":"failed","data":{"logs":[]}}}', -32002, "failed", {"logs": []}),
        (b'{"error":{"message":"failed"},"result":7}', 0, "failed", None),
        (b'{"error":{"code":"x","message":7}}', 0, "no reason given", None),
        (b'{"error":{"code":true}}', 0, "no reason given", None),
        (b'{"error":"failed"}', 0, "failed", None),
        (b'{"error":7}', 0, "no reason given", None),
        (b'{"error":%s}' % (b"[" * 900 + b"]" * 900), 0, "no reason given", None),
    ],
)
def test_error_reply(body: bytes, code: int, message: str, data: Any) -> None:
    with pytest.raises(RpcError, match="getThing") as caught:
        rpc.result_of("getThing", body)
    error = caught.value
    assert (error.method, error.code, error.message, error.data) == ("getThing", code, message, data)
    assert message in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_a_reply_that_is_no_json(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="getThing: the reply is no JSON") as caught:
        rpc.result_of("getThing", body)
    assert caught.value.raw == body[:1000]
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("body", [b"null", b"7", b"[]", b'[{"result":7}]', b"{}", b'{"jsonrpc":"2.0","id":1}'])
def test_a_reply_of_another_form(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="getThing") as caught:
        rpc.result_of("getThing", body)
    assert caught.value.raw == json.loads(body)


def test_value() -> None:
    assert rpc.value_of("getThing", {"context": {"slot": 5}, "value": 7}) == 7
    assert rpc.value_of("getThing", {"value": None}) is None


@pytest.mark.parametrize("result", [None, 7, [], "value", {}, {"context": {}}])
def test_a_result_without_a_value(result: Any) -> None:
    with pytest.raises(ProtocolError, match="getThing") as caught:
        rpc.value_of("getThing", result)
    assert caught.value.raw == result


def account(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "lamports": 95000,
        "owner": TOKEN_PROGRAM,
        "data": ["YWJj", "base64"],
        "executable": False,
        "rentEpoch": 18446744073709551615,
        "space": 3,
    }
    return {**fields, **changes}


def test_account() -> None:
    found = rpc.account_from_json("getAccountInfo", account())
    assert found == AccountData(95000, TOKEN_PROGRAM, b"abc")
    assert found is not None
    assert found.space == 3
    assert rpc.account_from_json("getAccountInfo", None) is None


@pytest.mark.parametrize(
    "value",
    [
        7,
        "account",
        [],
        {},
        account(lamports=-1),
        account(lamports="5"),
        account(lamports=True),
        account(owner="nobody"),
        account(owner=None),
        account(data="YWJj"),
        account(data=["YWJj"]),
        account(data=["YWJj", "base58"]),
        account(data=["YWJj", "base64+zstd"]),
        account(data=["YWJ", "base64"]),
        account(data=["!!!!", "base64"]),
        account(data=["YW Jj", "base64"]),
        account(data=[7, "base64"]),
        account(data={"parsed": {}, "program": "spl-token"}),
        account(data=None),
        account(executable=0),
        {key: value for key, value in account().items() if key != "executable"},
    ],
)
def test_an_account_of_another_form(value: Any) -> None:
    with pytest.raises(ProtocolError, match="getAccountInfo") as caught:
        rpc.account_from_json("getAccountInfo", value)
    assert caught.value.raw == value
    assert caught.value.__cause__ is not None


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=40))
def test_no_reply_raises_anything_else(body: bytes) -> None:
    try:
        rpc.result_of("getThing", body)
    except (RpcError, ProtocolError) as error:
        assert "getThing" in str(error)
    else:
        assert "result" in json.loads(body)
