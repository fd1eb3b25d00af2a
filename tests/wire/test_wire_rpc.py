"""JSON-RPC bodies: what is sent, and what is made of each reply."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature

from simsync.errors import InvalidParams, ProtocolError, RpcError
from simsync.params import AccountData, checks
from simsync.reports import SignatureStatus, Simulation
from simsync.wire import rpc

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
SYSTEM = "11111111111111111111111111111111"
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

pytestmark = pytest.mark.usefixtures("codec")


def test_modify_accounts() -> None:
    body = rpc.modify_accounts({WALLET: AccountData(2_500_000_000)}).body(1)
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


def test_a_call_without_a_method_is_refused() -> None:
    with pytest.raises(InvalidParams, match=r"^method='': must be the name of a method"):
        rpc.request_body(1, "", [])


def test_configs() -> None:
    assert rpc.account_config() == {"commitment": "confirmed", "encoding": "base64"}
    rpc.account_config()["more"] = 1
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
    with pytest.raises(ProtocolError, match="getThing: the reply is not JSON") as caught:
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
    assert found.space == 3


@pytest.mark.parametrize(
    "value",
    [
        None,
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
        account(data=["YWJj", "base58+zstd"]),
        account(data=["YWJj", "base64+zstd"]),
        account(data=["YWJ", "base64"]),
        account(data=["!!!!", "base64"]),
        account(data=["YW Jj", "base64"]),
        account(data=[7, "base64"]),
        account(data={"parsed": {}, "program": "spl-token"}),
        account(data=None),
        account(executable=7),
        account(space=4),
    ],
)
def test_an_account_of_another_form(value: Any) -> None:
    with pytest.raises(ProtocolError, match="getAccountInfo") as caught:
        rpc.account_from_json("getAccountInfo", value)
    assert caught.value.raw == value
    assert caught.value.__cause__ is not None


CONFIRMED = {"commitment": "confirmed"}
BASE64 = {"commitment": "confirmed", "encoding": "base64"}
SIGNATURE = "1" * 64
STATE = AccountData(95000, TOKEN_PROGRAM, b"abc")
STATUS = {"slot": 5, "confirmations": None, "err": None, "confirmationStatus": "finalized"}
SIMULATED = {
    "err": {"InstructionError": [0, {"Custom": 1}]},
    "logs": ["a log"],
    "unitsConsumed": 900,
    "returnData": {"programId": TOKEN_PROGRAM, "data": ["YWJj", "base64"]},
    "accounts": [None, account()],
}


@pytest.mark.parametrize(
    ("call", "method", "params", "result", "decoded"),
    [
        (rpc.get_health(), "getHealth", [], "ok", "ok"),
        (rpc.get_slot(), "getSlot", [CONFIRMED], 7, 7),
        (rpc.get_balance(WALLET), "getBalance", [WALLET, CONFIRMED], {"value": 9}, 9),
        (rpc.get_account_info(WALLET), "getAccountInfo", [WALLET, BASE64], {"value": account()}, STATE),
        (rpc.get_account_info(WALLET), "getAccountInfo", [WALLET, BASE64], {"value": None}, None),
        (
            rpc.get_multiple_accounts([WALLET, SYSTEM]),
            "getMultipleAccounts",
            [[WALLET, SYSTEM], BASE64],
            {"value": [None, account()]},
            [None, STATE],
        ),
        (
            rpc.get_program_accounts(TOKEN_PROGRAM, []),
            "getProgramAccounts",
            [TOKEN_PROGRAM, BASE64],
            [{"pubkey": WALLET, "account": account()}],
            [(WALLET, STATE)],
        ),
        (
            rpc.get_program_accounts(TOKEN_PROGRAM, [{"dataSize": 3}]),
            "getProgramAccounts",
            [TOKEN_PROGRAM, {**BASE64, "filters": [{"dataSize": 3}]}],
            {"context": {"slot": 1}, "value": []},
            [],
        ),
        (rpc.get_latest_blockhash(), "getLatestBlockhash", [CONFIRMED], {"value": {"blockhash": "abc"}}, "abc"),
        (rpc.get_fee_for_message("AA=="), "getFeeForMessage", ["AA==", CONFIRMED], {"value": 5000}, 5000),
        (rpc.get_fee_for_message("AA=="), "getFeeForMessage", ["AA==", CONFIRMED], {"value": None}, None),
        (
            rpc.get_signature_statuses([SIGNATURE, SIGNATURE]),
            "getSignatureStatuses",
            [[SIGNATURE, SIGNATURE], {"searchTransactionHistory": True}],
            {"value": [None, STATUS]},
            [None, SignatureStatus(5, None, None, "finalized")],
        ),
        (
            rpc.get_transaction(SIGNATURE),
            "getTransaction",
            [SIGNATURE, {**CONFIRMED, "encoding": "json", "maxSupportedTransactionVersion": 0}],
            None,
            None,
        ),
        (
            rpc.get_minimum_balance_for_rent_exemption(165),
            "getMinimumBalanceForRentExemption",
            [165],
            2039280,
            2039280,
        ),
        (rpc.get_address_lookup_table(WALLET), "getAddressLookupTable", [WALLET], {"any": 1}, {"any": 1}),
        (
            rpc.simulate_transaction("AA==", [WALLET, SYSTEM], replace_blockhash=True),
            "simulateTransaction",
            [
                "AA==",
                {
                    **BASE64,
                    "replaceRecentBlockhash": True,
                    "accounts": {"encoding": "base64", "addresses": [WALLET, SYSTEM]},
                },
            ],
            {"value": SIMULATED},
            Simulation(SIMULATED["err"], ("a log",), 900, b"abc", (None, STATE)),
        ),
        (
            rpc.simulate_transaction("AA=="),
            "simulateTransaction",
            ["AA==", BASE64],
            {"value": {"err": None, "accounts": None}},
            Simulation(),
        ),
        (
            rpc.send_transaction("AA=="),
            "sendTransaction",
            ["AA==", {"encoding": "base64", "skipPreflight": False}],
            SIGNATURE,
            SIGNATURE,
        ),
    ],
)
def test_calls(call: rpc.Call[Any], method: str, params: list[Any], result: Any, decoded: Any) -> None:
    sent = json.loads(call.body(3))
    assert sent == {"jsonrpc": "2.0", "id": 3, "method": method, "params": params}
    assert call.read(json.dumps({"jsonrpc": "2.0", "id": 3, "result": result}).encode()) == decoded


def test_what_was_asked_for_is_kept_raw() -> None:
    simulation = rpc.simulate_transaction("AA==", [WALLET, SYSTEM]).decode("m", {"value": SIMULATED})
    assert simulation.raw == SIMULATED
    (status,) = rpc.get_signature_statuses([SIGNATURE]).decode("m", {"value": [STATUS]})
    assert status is not None
    assert status.raw == STATUS


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (rpc.get_health(), 7),
        (rpc.get_slot(), True),
        (rpc.get_slot(), -1),
        (rpc.get_balance(WALLET), 7),
        (rpc.get_balance(WALLET), {"value": None}),
        (rpc.get_multiple_accounts([WALLET, SYSTEM]), {"value": [None]}),
        (rpc.get_multiple_accounts([WALLET, SYSTEM]), {"value": None}),
        (rpc.get_multiple_accounts([WALLET]), {"value": [7]}),
        (rpc.get_program_accounts(WALLET, []), [[WALLET, account()]]),
        (rpc.get_program_accounts(WALLET, []), [{"pubkey": WALLET}]),
        (rpc.get_program_accounts(WALLET, []), [{"account": account()}]),
        (rpc.get_latest_blockhash(), {"value": {}}),
        (rpc.get_fee_for_message("AA=="), {"value": "5000"}),
        (rpc.get_signature_statuses([SIGNATURE]), {"value": [STATUS, STATUS]}),
        (rpc.get_signature_statuses([SIGNATURE]), {"value": [{"err": None}]}),
        (rpc.simulate_transaction("AA=="), {"value": None}),
        (rpc.simulate_transaction("AA=="), {"value": {"returnData": {"data": ["abc", "base58+zstd"]}}}),
        (rpc.simulate_transaction("AA==", [WALLET]), {"value": {"err": None, "accounts": None}}),
        (rpc.send_transaction("AA=="), None),
    ],
)
def test_results_of_another_form(call: rpc.Call[Any], result: Any) -> None:
    with pytest.raises(ProtocolError, match=call.method):
        call.read(json.dumps({"result": result}).encode())


@pytest.mark.parametrize(
    ("pair", "compare"),
    [
        ((0, b"abc"), {"offset": 0, "bytes": "YWJj", "encoding": "base64"}),
        ([32, WALLET], {"offset": 32, "bytes": WALLET}),
        ((1, Pubkey.from_string(SYSTEM)), {"offset": 1, "bytes": "A" * 43 + "=", "encoding": "base64"}),
    ],
)
def test_compare_filters(pair: Any, compare: dict[str, Any]) -> None:
    assert rpc.compare_filter("memcmp[0]", pair) == {"memcmp": compare}


@pytest.mark.parametrize(
    "pair",
    [
        7,
        (1,),
        (1, b"", 2),
        (-1, b"a"),
        ("0", b"a"),
        (0, b""),
        (0, bytes(129)),
        (0, ""),
        (0, "0O"),
        (0, 7),
        (0, "1" * 9999),
    ],
)
def test_bad_compare_filters(pair: Any) -> None:
    with pytest.raises(InvalidParams, match=r"^memcmp\[0\]"):
        rpc.compare_filter("memcmp[0]", pair)


def test_messages_of_version_0_are_sent_with_their_version() -> None:
    payer = Pubkey.from_string(WALLET)
    legacy = Message([], payer)
    newer = MessageV0.try_compile(payer, [], [], Hash.default())
    for message in (legacy, newer):
        assert base64.b64decode(rpc.message_text("message", message)) == to_bytes_versioned(message)
    assert rpc.message_text("message", to_bytes_versioned(newer)) == rpc.message_text("message", newer)
    for wrong in (b"", "", 7, "abc"):
        with pytest.raises(InvalidParams, match=r"^message="):
            rpc.message_text("message", wrong)


@pytest.mark.parametrize("good", [SIGNATURE, "5" * 87, Signature.default(), Signature(bytes(range(64)))])
def test_signatures(good: object) -> None:
    assert checks.signature("signature", good) == str(good)


@pytest.mark.parametrize("bad", ["", "sig1", "1" * 63, "1" * 65, "0" * 64, "z" * 88, "5" * 9999, None, b"1" * 64])
def test_bad_signatures(bad: object) -> None:
    with pytest.raises(InvalidParams, match=r"^signature="):
        checks.signature("signature", bad)


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=40))
def test_no_reply_raises_anything_else(body: bytes) -> None:
    try:
        rpc.result_of("getThing", body)
    except (RpcError, ProtocolError) as error:
        assert "getThing" in str(error)
    else:
        assert "result" in json.loads(body)
