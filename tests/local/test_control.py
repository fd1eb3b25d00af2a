from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
import websocket

from simsync.local import Ledger, Simulator

from .actors import RICH, account_data, encoded, transfer
from .bare import Control, Data, Rpc, inner, name_of, slots_of

UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_single_session_from_create_to_close(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009})
        created, *statuses, start, ready = control.until("readyForContinue")
        assert created["method"] == "sessionCreated"
        session = created["params"]["session_id"]
        assert re.fullmatch(f"backtest_{UUID7}", session)
        assert created["params"] == {"session_id": session, "rpc_endpoint": f"/backtest/{session}", "task_id": None}
        assert {name_of(message) for message in statuses} == {"status"}
        assert start == {"method": "slotNotification", "params": 1000}
        assert ready == {"method": "readyForContinue"}
        control.proceed(3)
        assert slots_of(control.until("readyForContinue")) == [1001, 1002, 1003]
        control.proceed(1000)
        *rest, completed = control.until("completed")
        assert slots_of(rest) == [1004, 1005, 1007, 1008, 1009]
        assert completed == {"method": "completed", "params": {"summary": None}}
        control.proceed(1)
        assert control.recv() == {"method": "error", "params": "noMoreBlocks"}
        control.ask("closeBacktestSession")
        assert control.recv() == {"method": "success"}
        control.ask("closeBacktestSession")
        assert control.recv() == {"method": "success"}


def test_a_socket_can_have_another_session_after_a_close(simulator: Simulator) -> None:
    with Control(simulator) as control:
        first = control.create(1000, 1009)
        control.ask("createBacktestSession", {"startSlot": 1010, "endSlot": 1010})
        assert "already has" in control.recv()["params"]["invalidRequest"]["error"]
        control.ask("closeBacktestSession")
        control.until("success")
        assert requests.post(Rpc(simulator, first).url, json={}, timeout=5).status_code == 404
        assert control.create(1010, 1019) != first


def test_the_summary_is_sent_on_request(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.create(1010, 1019, sendSummary=True)
        control.proceed(100)
        summary = control.until("completed")[-1]["params"]["summary"]
    assert summary == {
        "correctSimulation": 72,
        "incorrectSimulation": 0,
        "executionErrors": 0,
        "balanceDiff": 0,
        "logDiff": 0,
        "unsanitizable": 0,
        "rerouteStats": None,
    }


def test_parallel_session_by_bundles(simulator: Simulator) -> None:
    with Control(simulator) as control:
        # The start is inside a bundle: it moves to that bundle's start.
        control.ask(
            "createBacktestSession", {"startSlot": 1012, "endSlot": 1033, "parallel": True, "sendSummary": True}
        )
        *announced, created = control.until("sessionsCreatedV2")
        ids = [message["params"]["session_id"] for message in announced]
        assert [message["method"] for message in announced] == ["sessionCreated"] * 3
        assert re.fullmatch(f"parallel_{UUID7}", created["params"].pop("control_session_id"))
        assert created["params"] == {
            "session_ids": ids,
            "task_ids": [None] * 3,
            "start_slots": [1010, 1020, 1030],
            "end_slots": [1019, 1029, 1033],
        }
        numbers: dict[str, list[int]] = {session: [] for session in ids}
        slots: dict[str, list[int]] = {session: [] for session in ids}
        summaries: dict[str, Any] = {}
        while len(summaries) < 3:
            message = control.recv()
            params = message["params"]
            numbers[params["session_id"]].append(params["seq_id"])
            if name_of(message) == "readyForContinue":
                control.proceed(4, params["session_id"])
            elif name_of(message) == "slotNotification":
                slots[params["session_id"]].append(params["event"]["params"])
            elif name_of(message) == "completed":
                summaries[params["session_id"]] = params["event"]["params"]["summary"]
    assert slots == {
        ids[0]: [slot for slot in range(1010, 1020) if slot != 1013],
        ids[1]: [slot for slot in range(1020, 1030) if slot != 1027],
        ids[2]: [1030, 1031, 1032, 1033],
    }
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    assert [summaries[session]["correctSimulation"] for session in ids] == [72, 72, 32]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"startSlot": 1001, "endSlot": 1009}, {"bundleNotFound": {"start_slot": 1001, "end_slot": 1009}}),
        ({"startSlot": 1000, "endSlot": 1010}, {"bundleNotFound": {"start_slot": 1000, "end_slot": 1010}}),
        (
            {"startSlot": 900, "endSlot": 1010, "parallel": True},
            {"bundleNotFound": {"start_slot": 900, "end_slot": 1010}},
        ),
        (
            {"startSlot": 1000, "endSlot": 1040, "parallel": True},
            {"bundleNotFound": {"start_slot": 1000, "end_slot": 1040}},
        ),
    ],
)
def test_ranges_that_the_ledger_does_not_have(simulator: Simulator, params: Any, error: Any) -> None:
    with Control(simulator) as control:
        control.ask("createBacktestSession", params)
        assert control.recv() == {"method": "error", "params": error}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("nonsense", "not JSON"),
        ("[1]", "a method"),
        ('{"method":7}', "a method"),
        ('{"method":"fly"}', "unknown method 'fly'"),
        ('{"method":"createBacktestSession","params":[]}', "must be an object"),
        ('{"method":"createBacktestSession","params":{"endSlot":5}}', "startSlot"),
        ('{"method":"createBacktestSession","params":{"startSlot":-1,"endSlot":5}}', "startSlot"),
        ('{"method":"createBacktestSession","params":{"startSlot":true,"endSlot":5}}', "startSlot"),
        ('{"method":"createBacktestSession","params":{"startSlot":9,"endSlot":5}}', "below startSlot"),
        (
            '{"method":"createBacktestSession","params":{"startSlot":1000,"endSlot":1005,"disconnectTimeoutSecs":901}}',
            "900",
        ),
        (
            '{"method":"createBacktestSession","params":{"startSlot":1000,"endSlot":1005,"parallel":1}}',
            "parallel",
        ),
        (
            '{"method":"createBacktestSession","params":{"startSlot":1000,"endSlot":1005,"signerFilter":["x"]}}',
            "signerFilter",
        ),
        (
            '{"method":"createBacktestSession","params":{"startSlot":1000,"endSlot":1005,"reroute":{"requote":true}}}',
            "reroute is not supported",
        ),
        (
            '{"method":"createBacktestSession","params":{"startSlot":1000,"endSlot":1005,"actions":[{}]}}',
            "kind of actions[0]",
        ),
        (
            '{"method":"createBacktestSession","params":{"startSlot":1000,"endSlot":1005,"discoveries":[{"oracleUpdate":{}}]}}',
            "programExecuted is the only discovery",
        ),
        ('{"method":"continue","params":{"advanceCount":1}}', "no session"),
        ('{"method":"continueSessionV1","params":{"advanceCount":1}}', "sessionId"),
        ('{"method":"resumeAttachedSession"}', "no session"),
        ('{"method":"attachParallelControlSessionV2","params":{"control_session_id":"p","last_sequences":[1]}}', "map"),
    ],
)
def test_bad_requests_are_answered_and_leave_the_socket_open(simulator: Simulator, text: str, part: str) -> None:
    with Control(simulator) as control:
        control.send_text(text)
        reply = control.recv()
        assert reply["method"] == "error"
        assert part in reply["params"]["invalidRequest"]["error"]
        control.ask("closeBacktestSession")
        assert control.recv() == {"method": "success"}


def test_an_empty_range_has_no_blocks(simulate: Callable[..., Simulator]) -> None:
    from simsync.local import Block, Bundle

    empty = simulate(Ledger([Block(1, 0, 1, 0, "1" * 32)], [Bundle(1, 9), Bundle(10, 19)]))
    with Control(empty) as control:
        control.ask("createBacktestSession", {"startSlot": 10, "endSlot": 19})
        assert control.recv()["params"] == {"noProducedBlocksInRange": {"start_slot": 10, "end_slot": 19}}


@pytest.mark.parametrize("name", ["session_id", "sessionId", "SessionID"])
@pytest.mark.parametrize("nested", [True, False])
def test_both_layouts_of_a_session_continue(simulator: Simulator, name: str, nested: bool) -> None:
    with Control(simulator) as control:
        session = control.create_parallel(1000, 1009)["session_ids"][0]
        body = {"advance_count" if name == "session_id" else "advanceCount": 2, "unheardOf": 1}
        params = {name: session, "request": body} if nested else {name: session, **body}
        control.ask("continueSessionV1", params)
        assert slots_of(control.until("readyForContinue")) == [1001, 1002]
        body = {"slot": 1005, "batchIndex": 1}
        params = {name: session, "request": body} if nested else {name: session, **body}
        control.ask("continueToSessionV1", params)
        paused = control.until("paused")[-1]["params"]["event"]
        assert paused == {"method": "paused", "params": {"slot": 1005, "batchIndex": 1}}


def test_unknown_sessions(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.create_parallel(1000, 1009)
        for method in ("continueSessionV1", "closeSessionV1", "attachBacktestSession"):
            control.ask(method, {"session_id": "backtest_x"})
            assert control.recv()["params"] == {"sessionNotFound": {"session_id": "backtest_x"}}
        control.ask("attachParallelControlSessionV2", {"control_session_id": "parallel_x"})
        assert control.recv()["params"] == {"sessionNotFound": {"session_id": "parallel_x"}}
        control.ask("continue", {"advanceCount": 1})
        assert "continueSessionV1" in control.recv()["params"]["invalidRequest"]["error"]


def test_closing_one_sub_session(simulator: Simulator) -> None:
    with Control(simulator) as control:
        first, second = control.create_parallel(1000, 1019)["session_ids"]
        control.ask("closeSessionV1", {"session_id": first})
        reply = control.recv()["params"]
        assert (reply["session_id"], reply["event"]) == (first, {"method": "success"})
        assert requests.post(Rpc(simulator, first).url, json={}, timeout=5).status_code == 404
        control.proceed(1, first)
        assert control.recv()["params"] == {"sessionNotFound": {"session_id": first}}
        control.proceed(1, second)
        assert slots_of(control.until("readyForContinue")) == [1011]


ADDRESS = str(RICH.pubkey())


@pytest.mark.parametrize(
    ("body", "name", "fields"),
    [
        ({"transactions": ["AQID", "%%%"]}, "invalidTransactionFormat", {"index": 0}),
        ({"transactions": [encoded(transfer(1)), "%%%"]}, "invalidTransactionEncoding", {"index": 1}),
        ({"transactions": [7]}, "invalidRequest", {}),
        ({"transactions": "AQID"}, "invalidRequest", {}),
        ({"advanceCount": "many"}, "invalidRequest", {}),
        ({"modifyAccountStates": {"here": account_data(1)}}, "invalidAccountPubkey", {"address": "here"}),
        (
            {"modifyAccountStates": {ADDRESS: {**account_data(1), "owner": "me"}}},
            "invalidAccountOwner",
            {"address": ADDRESS},
        ),
        (
            {"modifyAccountStates": {ADDRESS: {**account_data(1), "data": {"data": "", "encoding": "utf8"}}}},
            "invalidAccountEncoding",
            {"address": ADDRESS, "encoding": "utf8"},
        ),
        (
            {"modifyAccountStates": {ADDRESS: {**account_data(1), "data": {"data": "%", "encoding": "base64"}}}},
            "invalidAccountEncoding",
            {"address": ADDRESS, "encoding": "base64"},
        ),
        ({"modifyAccountStates": {ADDRESS: {**account_data(1), "lamports": -1}}}, "invalidRequest", {}),
    ],
)
def test_a_continue_with_bad_content_executes_nothing(
    simulator: Simulator, body: dict[str, Any], name: str, fields: dict[str, Any]
) -> None:
    with Control(simulator) as control:
        session = control.create_parallel(1000, 1009)["session_ids"][0]
        control.ask("continueSessionV1", {"session_id": session, "request": {"advanceCount": 1, **body}})
        error, _ = control.until("readyForContinue")
        ((found, content),) = inner(error)["params"].items()
        assert found == name
        assert content.pop("error")
        assert content == fields
        assert Rpc(simulator, session).call("getSlot") == 1000
        control.proceed(1, session)
        assert slots_of(control.until("readyForContinue")) == [1001]


def test_overrides_and_own_transactions_of_a_continue(simulator: Simulator) -> None:
    own = transfer(400_000_000)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(
            2,
            transactions=[encoded(own)],
            modifyAccountStates={ADDRESS: account_data(1_000_000_000)},
        )
        control.until("readyForContinue")
        rpc = Rpc(simulator, session)
        assert rpc.value("getBalance", ADDRESS) == 1_000_000_000 - 400_000_000 - 5000
        found = rpc.call("getTransaction", str(own.signatures[0]), {"encoding": "json"})
        assert (found["slot"], found["meta"]["err"]) == (1001, None)


def test_continues_to_a_busy_session_are_queued(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.create(1000, 1009)
        for count in (2, 1, 3):
            control.proceed(count)
        assert slots_of(control.until("readyForContinue")) == [1001, 1002]
        assert slots_of(control.until("readyForContinue")) == [1003]
        assert slots_of(control.until("readyForContinue")) == [1004, 1005, 1007]


def test_a_strict_simulator_refuses_a_continue_to_a_busy_session(simulate: Callable[..., Simulator]) -> None:
    with Control(simulate(strict_continue=True, slot_delay=0.05)) as control:
        control.create(1000, 1009)
        for count in (3, 1):
            control.proceed(count)
        messages = control.until("readyForContinue")
        (error,) = [message["params"] for message in messages if message["method"] == "error"]
        assert "not ready" in error["invalidRequest"]["error"]
        assert slots_of(messages) == [1001, 1002, 1003]


def test_pause_and_readable_state_between_batches(simulator: Simulator, ledger: Ledger) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.ask("continueTo", {"slot": 1002, "batchIndex": 1})
        *before, paused = control.until("paused")
        assert slots_of(before) == [1001]
        assert paused["params"] == {"slot": 1002, "batchIndex": 1}
        rpc = Rpc(simulator, session)
        assert rpc.call("getSlot") == 1002
        signatures = _signatures(ledger, 1002)
        statuses = rpc.value("getSignatureStatuses", signatures)
        assert [status is not None for status in statuses] == [True] * 3 + [False] * 5
        control.ask("continueTo", {"slot": 1004})
        assert control.until("paused")[-1]["params"] == {"slot": 1004, "batchIndex": None}
        assert rpc.call("getSlot") == 1003
        control.ask("continueTo", {"slot": 1001})
        assert "already executed" in control.recv()["params"]["invalidRequest"]["error"]


def test_discoveries_are_announced_before_the_first_ready(simulator: Simulator) -> None:
    memo = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
    with Control(simulator) as control:
        control.ask(
            "createBacktestSession",
            {"startSlot": 1000, "endSlot": 1009, "discoveries": [{"programExecuted": memo}]},
        )
        found = [
            message["params"] for message in control.until("readyForContinue") if name_of(message) == "discoveryBatch"
        ]
        assert found
        first = found[0]
        assert first["matched"] == [{"programExecuted": memo}]
        assert first["transactions"][0]["encoding"] == "base64"
        assert len(first["transactions"]) == len(first["transactionIndices"])
        control.ask("continueTo", {"slot": first["slot"], "batchIndex": first["batchIndex"]})
        assert control.until("paused")[-1]["params"] == {"slot": first["slot"], "batchIndex": first["batchIndex"]}


def test_losing_the_socket_destroys_a_session_without_timeout(simulator: Simulator) -> None:
    control = Control(simulator)
    session = control.create(1000, 1009)
    data = Data(simulator, session)
    data.subscribe()
    control.drop()
    # The data socket ends as soon as the session is closed.
    data.rest()
    assert data.close_code == 1001
    assert requests.post(Rpc(simulator, session).url, json={}, timeout=5).status_code == 404
    data.drop()


# feature: routes, wrong key, unknown id
@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_wrong_key_is_refused(simulator: Simulator, key: str) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Control(simulator, key)
    assert caught.value.status_code == 401


def test_without_a_key_every_client_is_accepted(simulate: Callable[..., Simulator]) -> None:
    with Control(simulate(api_key=""), "anything") as control:
        assert control.create(1000, 1001)


def test_a_request_may_come_in_a_binary_frame(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.raw.send_binary(json.dumps({"method": "closeBacktestSession"}).encode())
        assert control.recv() == {"method": "success"}


def test_pings_are_answered_while_blocks_are_executed(simulate: Callable[..., Simulator], long_ledger: Ledger) -> None:
    with Control(simulate(long_ledger)) as control:
        control.create(1000, 1149)
        control.proceed(149)
        control.raw.ping("still there?")
        pong = None
        completed = False
        while pong is None:
            opcode, frame = control.raw.recv_data_frame(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_PONG:
                pong = frame.data
            completed = completed or b"completed" in frame.data
        assert pong == b"still there?"
        assert not completed


def _signatures(ledger: Ledger, slot: int) -> list[str]:
    from solders.transaction import VersionedTransaction

    block = ledger.block(slot)
    assert block is not None
    return [str(VersionedTransaction.from_bytes(item.wire).signatures[0]) for item in block.transactions]
