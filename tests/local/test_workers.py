"""Sessions in worker processes: clients notice nothing."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local import Block, Bundle, Faults, Ledger, Simulator

from .actors import POOR, RICH, account_data, encoded, note, transfer
from .bare import TIMEOUT, Control, Data, Message, Rpc, inner, name_of, slots_of

pytestmark = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="connections cannot be handed over here")
BASE64 = {"encoding": "base64", "skipPreflight": True}


@pytest.fixture(scope="module")
def shared(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger, workers=2, batch_size=3) as simulator:
        yield simulator


@pytest.fixture
def faults(shared: Simulator) -> Iterator[Faults]:
    yield shared.faults.reset()
    shared.faults.reset()


# -- clients notice nothing


def all_of(simulator: Simulator) -> dict[str, Any]:
    """Return what a client gets that uses a bit of everything, without ids of sessions."""
    got: dict[str, Any] = {}
    with Control(simulator) as control, contextlib.ExitStack() as open_sockets:
        action = {
            "anchor": {"beforeMatch": {"programExecuted": "1" * 32}},
            "kind": "simulate",
            "transactions": [encoded(transfer(5))],
            "accountOverrides": {str(RICH.pubkey()): account_data(5_000_000_000)},
        }
        created = control.create_parallel(1000, 1039, sendSummary=True, disconnectTimeoutSecs=60, actions=[action])
        first, second, *_ = names = created["session_ids"]
        data = []
        for name, method, filter_, config in (
            (first, "transactionSubscribe", "all", {}),
            (second, "accountDiffSubscribe", {"address": "1" * 32, "address_type": "program"}, {}),
            (second, "logsSubscribe", "all", {"replayFromSlot": 1013}),
            (names[2], "slotSubscribe", None, {"replayFromSlot": 1020}),
            (names[3], "actionSubscribe", None, {}),
        ):
            data.append(open_sockets.enter_context(Data(simulator, name)))
            data[-1].subscribe(method, [filter_, config])
        rpc = Rpc(simulator, first)
        rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(5_000_000_000)})
        sent = rpc.call("sendTransaction", encoded(transfer(1_000_000)), BASE64)
        got["rpc"] = [
            rpc.post([{"jsonrpc": "2.0", "id": 1, "method": method, "params": params} for method, params in calls])
            for calls in (
                [("getSlot", []), ("getBalance", [str(POOR.pubkey())]), ("getTransaction", [sent])],
                [("simulateTransaction", [encoded(note("x")), {"encoding": "base64"}]), ("unheardOf", [])],
                [("getSlot", [{"commitment": "x"}]), ("getAccountInfo", ["x"])],
            )
        ]
        control.proceed(2, first, transactions=[encoded(transfer(7))])
        control.proceed(1, second, modifyAccountStates={str(POOR.pubkey()): account_data(77)})
        control.proceed(1, names[2], transactions=["nonsense"])
        ready = 0
        messages: list[Message] = []
        while ready < 3:
            messages.append(control.recv())
            ready += name_of(messages[-1]) == "readyForContinue"
        for name in names:
            control.proceed(100, name)
        completed = 0
        while completed < 4:
            messages.append(control.recv())
            completed += name_of(messages[-1]) == "completed"
        got["events"] = [
            [(one["params"]["seq_id"], inner(one)) for one in messages if one["params"]["session_id"] == name]
            for name in names
        ]
        got["data"] = [list(one.results()) for one in data]
        got["late"] = [
            Rpc(simulator, name).call("getBlock", 1000 + 10 * place, {"maxSupportedTransactionVersion": 0})
            for place, name in enumerate(names)
        ]
    return got


def test_a_client_gets_the_same(shared: Simulator, ledger: Ledger) -> None:
    with Simulator(ledger, batch_size=3) as simulator:
        expected = all_of(simulator)
    found = all_of(shared)
    assert min(len(one) for one in expected["data"]) >= 9
    for part in expected:
        assert found[part] == expected[part]


def test_compressed_notifications_and_replay_on_a_second_connection(shared: Simulator) -> None:
    zstandard: Any = pytest.importorskip("zstandard")
    with Control(shared) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        control.until("completed")
        for from_slot, count in ((None, 72), (1008, 16)):
            with Data(shared, session) as data:
                replay = {} if from_slot is None else {"replayFromSlot": from_slot}
                data.subscribe(params=["all", {"compression": "zstd", **replay}])
                inflate = zstandard.ZstdDecompressor().decompressobj()
                results = [json.loads(inflate.decompress(data.recv_frame()[1])) for _ in range(count + 1)]
                assert results[-1]["params"]["result"] == {"completed": True}
                assert results[0]["params"]["result"]["slot"] == (from_slot or 1000)


def test_only_simsync_and_who_uses_what_it_adds_gets_an_end(shared: Simulator) -> None:
    with Control(shared) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        control.until("completed")
        with Data(shared, session, {"User-Agent": "simsync/1"}) as own, Data(shared, session) as standard:
            own.subscribe("slotSubscribe", [])
            expected = list(own.results())
            assert expected[-1]["slot"] == 1009
            standard.send([{"jsonrpc": "2.0", "id": 1, "method": one} for one in ("slotSubscribe", "unheardOf")])
            assert [(one["id"], "error" in one) for one in json.loads(standard.recv_frame()[1])] == [
                (1, False),
                (1, True),
            ]
            assert [standard.recv()["params"]["result"] for _ in expected] == expected
            control.ask("closeBacktestSession")
            assert (standard.rest(), standard.close_code) == ([], 1001)


def test_a_page_in_a_browser_may_make_calls(shared: Simulator) -> None:
    with Control(shared) as control:
        url = f"{shared.url}/backtest/{control.create(1000, 1009)}"
        body = {"jsonrpc": "2.0", "id": 1, "method": "getSlot"}
        for reply in (requests.options(url, timeout=TIMEOUT), requests.post(url, json=body, timeout=TIMEOUT)):
            assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (200, "*")


def test_discoveries_and_a_pause_at_a_batch(shared: Simulator) -> None:
    with Control(shared) as control:
        control.ask(
            "createBacktestSession",
            {"startSlot": 1000, "endSlot": 1009, "discoveries": [{"programExecuted": "1" * 32}]},
        )
        found = [one for one in control.until("readyForContinue") if name_of(one) == "discoveryBatch"]
        assert found
        last = found[-1]["params"]
        control.ask("continueTo", {"slot": last["slot"], "batchIndex": last["batchIndex"]})
        assert control.until("paused")[-1]["params"] == {"slot": last["slot"], "batchIndex": last["batchIndex"]}


def test_a_session_goes_on_without_its_client_and_is_attached(shared: Simulator) -> None:
    with Control(shared) as control:
        created = control.create_parallel(1000, 1039, disconnectTimeoutSecs=60)
        name = created["session_ids"][1]
        control.proceed(3, name)
        control.recv()
    with Control(shared) as control:
        control.ask(
            "attachParallelControlSessionV2",
            {"controlSessionId": created["control_session_id"], "lastSequences": {name: 4}},
        )
        messages = [one for one in control.until("readyForContinue") if one["method"] == "sessionEventV2"]
        while name_of(messages[-1]) != "readyForContinue" or messages[-1]["params"]["session_id"] != name:
            messages.append(control.recv())
        assert slots_of([one for one in messages if one["params"]["session_id"] == name]) == [1011, 1012, 1014]
        control.ask("closeBacktestSession")
        control.until("success")
        assert shared.engines() == 0
        with pytest.raises(AssertionError):
            Rpc(shared, name).call("getSlot")


def test_an_error_of_the_simulator_fails_the_session(caplog: pytest.LogCaptureFixture) -> None:
    slot_hashes = "SysvarS1otHashes111111111111111111111111111"
    bad = {Pubkey.from_string(slot_hashes): Account(1, b"", Pubkey.default())}
    broken = Ledger([Block(slot, slot - 1, 1, 1_700_000_000, "1" * 32) for slot in (100, 101)], [Bundle(100, 101, bad)])
    with Simulator(broken, workers=2) as simulator, Control(simulator) as control:
        rpc = Rpc(simulator, control.create(100, 101))
        assert slot_hashes in rpc.error("getSlot")["message"]
        assert slot_hashes in str(control.until("error")[-1])
        assert len([one for one in caplog.records if "failed" in one.getMessage()]) == 1


# -- faults


def test_faults_count_over_the_data_sockets_of_all_workers(shared: Simulator, faults: Faults) -> None:
    with Control(shared) as control:
        names = control.create_parallel(1000, 1019)["session_ids"]
        for name in names:
            control.proceed(100, name)
        control.until("completed")
        control.until("completed")
        faults.drop_data_at(80).refuse_subscribe("not now", method="logsSubscribe")
        for name, expected in zip(names, (72, 8)):
            with Data(shared, name) as data:
                data.subscribe()
                assert len(data.rest() if expected == 8 else list(data.results())) == expected
        assert (faults.fired, faults.notifications_sent) == (("drop_data_at",), 80)
        with Data(shared, names[0]) as data:
            assert data.call("logsSubscribe", ["all"])["error"]["message"] == "not now"
        assert (faults.data_sockets_opened, faults.subscribes_received, faults.subscribes_refused) == (3, 3, 1)


def test_a_lag_that_is_set_later(shared: Simulator, faults: Faults) -> None:
    with Control(shared) as control:
        session = control.create(1000, 1009)
        with Data(shared, session) as data:
            data.subscribe("transactionSubscribe", ["all", {"replayFromSlot": 1001}])
            data.subscribe("slotSubscribe", [])
            assert data.recv()["params"]["result"]["slot"] == 1000
            faults.lag_data("slot", 20)
            kinds = []
            for _ in range(2):
                control.proceed(1)
                control.until("readyForContinue")
                kinds += [data.recv()["method"] for _ in range(8)]
            # Without the lag the slot would come before the second block.
            assert kinds == ["transactionNotification"] * 16


def test_a_stalled_socket_is_released_and_an_end_withheld(shared: Simulator, faults: Faults) -> None:
    faults.stall_data(after=5)
    with Control(shared) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        control.until("completed")
        with Data(shared, session) as data, Data(shared, session) as other:
            data.subscribe()
            for _ in range(5):
                data.recv()
            other.subscribe("transactionSubscribe", ["all", {"replayFromSlot": 1008}])
            assert len(list(other.results())) == 16
            assert faults.data_sockets_stalled == 1
            faults.withhold_terminal().release_data()
            assert len([data.recv() for _ in range(67)]) == 67
            control.ask("closeBacktestSession")
            assert data.rest() == []
    assert faults.data_sockets_stalled == 0
