"""JSON-RPC 2.0 around the calls, over HTTP and over the WebSocket: batches, notifications, ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simsync.local import Simulator, encoding
from simsync.local.pubsub.kinds import SUBSCRIBE
from simsync.local.rpc.calls import CALLS

from .bare import TIMEOUT, Control, Data, Rpc

SLOT = {"jsonrpc": "2.0", "method": "getSlot"}
PING = {"jsonrpc": "2.0", "method": "ping"}


@pytest.fixture
def control(simulator: Simulator) -> Iterator[Control]:
    with Control(simulator) as control:
        yield control


@pytest.fixture
def rpc(simulator: Simulator, control: Control) -> Rpc:
    return Rpc(simulator, control.create(1000, 1009))


@pytest.fixture
def data(simulator: Simulator, rpc: Rpc) -> Iterator[Data]:
    with Data(simulator, rpc.url.rpartition("/")[2]) as data:
        yield data


def body_of(rpc: Rpc, request: Any) -> tuple[int, str]:
    with requests.post(rpc.url, json=request, timeout=TIMEOUT) as reply:
        return reply.status_code, reply.text


def test_a_request_without_an_id_is_carried_out_and_not_answered(rpc: Rpc) -> None:
    address = "1" * 31 + "2"
    lamports = {"lamports": 7, "owner": "1" * 32, "data": {"data": "", "encoding": "base64"}}
    for request in (
        PING,
        {"jsonrpc": "2.0", "method": "modifyAccounts", "params": [{address: lamports}]},
        [PING, SLOT],
    ):
        assert body_of(rpc, request) == (200, "")
    assert rpc.value("getBalance", address) == 7


def test_notifications_in_a_batch_are_left_out_of_the_reply(rpc: Rpc) -> None:
    replies = rpc.post([{**SLOT, "id": 1}, PING, SLOT, {**SLOT, "id": None}, {**SLOT, "id": "x"}])
    assert [(reply["id"], reply["result"]) for reply in replies] == [(1, 1000), (None, 1000), ("x", 1000)]


@pytest.mark.parametrize("request_", [{"id": 7}, {"id": 7, "method": 5}])
def test_an_invalid_request_keeps_its_id(rpc: Rpc, data: Data, request_: Any) -> None:
    reply = rpc.post(request_)
    assert (reply["id"], reply["error"]["code"], reply["error"]["message"]) == (7, -32600, "Invalid request")
    data.send(request_)
    assert data.recv() == reply


@pytest.fixture(params=["orjson", "standard library"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "orjson":
        pytest.importorskip("orjson")
    else:
        monkeypatch.setattr(encoding, "orjson", None)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize(
    "text",
    [
        '{"id": "\\ud800", "method": "slotSubscribe"}',
        '{"id": 1, "method": "slotSubscribe", "params": [{"commitment": "\\uDFFF"}]}',
        '{"id": NaN, "method": "slotSubscribe"}',
        '{"id": 1, "method": "slotSubscribe", "params": [-Infinity]}',
        '{"id": 1e999, "method": "slotSubscribe"}',
        nested(100_000),
    ],
)
def test_what_is_not_json_is_a_parse_error(simulator: Simulator, rpc: Rpc, data: Data, text: str) -> None:
    assert rpc.post(text)["error"]["code"] == -32700
    data.send_text(text)
    assert data.recv() == rpc.post(text)
    assert data.call("slotSubscribe", [])["id"] == 7
    with Control(simulator) as control:
        control.send_text(text)
        assert control.recv()["params"]["invalidRequest"]["error"].startswith("not JSON: ")


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize("value", ["[]", "{}", "true", nested(500)])
def test_only_a_string_a_number_or_null_is_an_id(rpc: Rpc, data: Data, value: str) -> None:
    text = f'{{"id": {value}, "method": "slotSubscribe"}}'
    reply = rpc.post(text)
    assert (reply["id"], reply["error"]["code"]) == (None, -32600)
    data.send_text(text)
    assert data.recv() == reply
    assert data.call("slotSubscribe", [])["id"] == 7


@pytest.mark.usefixtures("codec")
def test_the_text_of_an_error_is_short_however_deep_the_value_is(simulator: Simulator, rpc: Rpc, data: Data) -> None:
    deep = nested(900)
    head = '{"id": 7, "method": '
    key = "1" * 32
    error = rpc.post(f'{head}"getProgramAccounts", "params": ["{key}", {{"filters": [{deep}]}}]}}')["error"]
    assert (
        error["message"]
        == "Invalid params: unknown filter [[[[[[[...]]]]]]], expected dataSize, memcmp or tokenAccountState."
    )
    data.send_text(f'{head}"programSubscribe", "params": ["{key}", {{"filters": [{deep}]}}]}}')
    assert data.recv()["error"] == error
    with Control(simulator) as control:
        control.send_text(f'{{"method": "createBacktestSession", "params": {{"startSlot": {deep}}}}}')
        text = control.recv()["params"]["invalidRequest"]["error"]
        assert text.endswith(", not [[[[[[[...]]]]]]]")


class Broken:
    stem = "root"
    once = False

    def picker(self, params: list[Any], find: Any) -> Any:
        raise KeyError("a bug")


def test_a_bug_in_one_call_does_not_end_the_connection(rpc: Rpc, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SUBSCRIBE, "rootSubscribe", Broken())
    monkeypatch.setitem(CALLS, "rootSubscribe", lambda backtest, params: Broken().picker(params, None))
    request = {"id": 7, "method": "rootSubscribe"}
    expected = {"code": -32603, "message": "Internal error", "data": "KeyError('a bug')"}
    assert rpc.post(request)["error"] == data.call("rootSubscribe", [])["error"] == expected
    assert data.call("slotSubscribe", [])["id"] == 7


def test_a_surrogate_pair_is_a_character(rpc: Rpc) -> None:
    assert rpc.post('{"id": "\\ud83d\\ude00", "method": "getSlot"}') == {"jsonrpc": "2.0", "id": "😀", "result": 1000}


def test_true_is_the_number_of_no_subscription(data: Data) -> None:
    assert data.subscribe("slotSubscribe", []) == 1
    assert data.call_after("slotUnsubscribe", [True])["error"]["message"] == "Invalid subscription id."
    assert data.call_after("slotUnsubscribe", [1])["result"] is True


def test_a_batch_over_the_websocket_is_answered_in_one_message(data: Data) -> None:
    asked = ["slotSubscribe", "getSlot", "rootSubscribe"]
    data.send([PING, *({"jsonrpc": "2.0", "id": index, "method": name} for index, name in enumerate(asked))])
    replies: Any = data.recv()
    assert [reply["id"] for reply in replies] == [0, 1, 2]
    assert replies[1]["error"]["code"] == -32601
    numbers = {replies[0]["result"], replies[2]["result"]}
    assert {data.recv()["params"]["subscription"] for _ in numbers} == numbers


def test_a_ping_over_the_websocket_is_not_answered(data: Data) -> None:
    data.send(PING)
    data.send([PING])
    # The next message is the answer to the next request.
    assert data.call("slotSubscribe", [])["id"] == 7


def test_a_page_in_a_browser_may_call_a_session_whose_id_it_knows(simulator: Simulator, rpc: Rpc) -> None:
    asked = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,solana-client",
    }
    with requests.options(rpc.url, headers=asked, timeout=TIMEOUT) as reply:
        assert reply.status_code == 200
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in reply.headers["Access-Control-Allow-Methods"]
        assert reply.headers["Access-Control-Allow-Headers"] == "content-type,solana-client"
    for url in (rpc.url, f"{simulator.url}/backtest/backtest_x"):
        with requests.post(url, json={**SLOT, "id": 1}, headers={"Origin": "null"}, timeout=TIMEOUT) as reply:
            assert reply.headers["Access-Control-Allow-Origin"] == "*"


def test_a_page_in_a_browser_may_use_nothing_that_asks_for_the_key(simulator: Simulator) -> None:
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Headers": "x-api-key"}
    for path in ("/backtest", "/usage", "/build-bundle"):
        with requests.options(simulator.url + path, headers=asked, timeout=TIMEOUT) as reply:
            assert reply.status_code == 405
            assert "Access-Control-Allow-Origin" not in reply.headers
