from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

import pytest
import websocket
from solders.transaction import VersionedTransaction

from simsync.local import Ledger, Simulator

from .actors import RICH, account_data, encoded, transfer
from .bare import Control, Data, Dropped, Rpc

TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
Start = Callable[..., Simulator]


def signatures(ledger: Ledger, start: int, end: int, mentioning: Optional[str] = None) -> list[str]:
    found = []
    for block in ledger.blocks_between(start, end):
        for item in block.transactions:
            transaction = VersionedTransaction.from_bytes(item.wire)
            if mentioning is None or mentioning in map(str, transaction.message.account_keys):
                found.append(str(transaction.signatures[0]))
    return found


def signature(result: Any) -> str:
    first: str = result["transaction"]["signatures"][0]
    return first


def test_all_transactions_of_the_range_and_then_the_end(simulator: Simulator, ledger: Ledger) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            number = data.subscribe()
            control.proceed(5)
            control.until("readyForContinue")
            control.proceed(5)
            first = data.recv()
            assert first["method"] == "transactionNotification"
            assert first["params"]["subscription"] == number
            results = [first["params"]["result"], *data.results()]
    assert [signature(result) for result in results] == signatures(ledger, 1000, 1009)
    assert {result["version"] for result in results} == {"legacy", 0}
    for result in results:
        meta = result["meta"]
        keys = result["transaction"]["message"]["accountKeys"]
        loaded = meta["loadedAddresses"]
        total = len(keys) + len(loaded["writable"]) + len(loaded["readonly"])
        assert len(meta["preBalances"]) == len(meta["postBalances"]) == total
        assert sum(meta["preBalances"]) - sum(meta["postBalances"]) == meta["fee"]
        assert isinstance(meta["computeUnitsConsumed"], int)
        assert meta["logMessages"]
    opened = [result for result in results if result["meta"]["innerInstructions"]]
    assert all(result["meta"]["innerInstructions"][0]["instructions"][0]["stackHeight"] == 2 for result in opened)


def test_a_filter_by_mentions(simulator: Simulator, ledger: Ledger) -> None:
    wallet = str(next(iter(ledger.accounts)))
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        with Data(simulator, session) as data:
            data.subscribe(params=[{"mentions": [TOKEN]}, {"commitment": "confirmed"}])
            assert [signature(result) for result in data.results()] == signatures(ledger, 1000, 1009, TOKEN)
        with Data(simulator, session) as data:
            data.subscribe(params=[{"mentions": [TOKEN, wallet]}])
            expected = set(signatures(ledger, 1000, 1009, TOKEN)) | set(signatures(ledger, 1000, 1009, wallet))
            assert {signature(result) for result in data.results()} == expected


def test_several_subscriptions_on_one_socket(simulator: Simulator, ledger: Ledger) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            everything = data.subscribe()
            # From here on acknowledgements and notifications may be interleaved.
            data.send({"jsonrpc": "2.0", "id": 8, "method": "slotSubscribe"})
            data.send(
                {"jsonrpc": "2.0", "id": 9, "method": "transactionSubscribe", "params": [{"mentions": [TOKEN]}, {}]}
            )
            control.proceed(100)
            names: dict[int, int] = {7: everything}
            found: dict[int, list[Any]] = {}
            ended: set[int] = set()
            while len(ended) < 3:
                message = data.recv()
                if "id" in message:
                    names[message["id"]] = message["result"]
                    continue
                params = message["params"]
                assert params["subscription"] not in ended
                if params["result"] == {"completed": True}:
                    ended.add(params["subscription"])
                else:
                    found.setdefault(params["subscription"], []).append(params["result"])
    assert [signature(result) for result in found[names[7]]] == signatures(ledger, 1000, 1009)
    assert [signature(result) for result in found.get(names[9], [])] == signatures(ledger, 1000, 1009, TOKEN)
    slots = [block.slot for block in ledger.blocks_between(1000, 1009)]
    assert [result["slot"] for result in found[names[8]]] == slots
    assert found[names[8]][6] == {"slot": 1007, "parent": 1005, "root": 975}


@pytest.mark.parametrize(
    ("from_slot", "first"), [(None, 1000), (1003, 1003), (1006, 1007), (5, 1000), (5000, None), ("x", 1000)]
)
def test_replay(simulator: Simulator, ledger: Ledger, from_slot: Any, first: Optional[int]) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        control.until("completed")
        with Data(simulator, session) as data:
            data.subscribe(params=["all", {} if from_slot is None else {"replayFromSlot": from_slot}])
            received = [signature(result) for result in data.results()]
    assert received == ([] if first is None else signatures(ledger, first, 1009))


def test_replay_covers_one_hundred_slots(simulate: Start, long_ledger: Ledger) -> None:
    simulator = simulate(long_ledger)
    with Control(simulator) as control:
        session = control.create(1000, 1149)
        control.proceed(120)
        control.until("readyForContinue")
        with Data(simulator, session) as data:
            data.subscribe(params=["all", {"replayFromSlot": 1000}])
            assert data.recv()["params"]["result"]["slot"] == 1021


def test_a_slow_reader_loses_nothing(simulate: Start, long_ledger: Ledger) -> None:
    simulator = simulate(long_ledger, replay_slots=3)
    with Control(simulator) as control:
        session = control.create(1000, 1149)
        with Data(simulator, session) as data:
            data.subscribe()
            control.proceed(1000)
            control.until("completed")
            assert [signature(result) for result in data.results()] == signatures(long_ledger, 1000, 1149)


def test_transactions_of_the_client_are_shown_too(simulator: Simulator) -> None:
    own, sent = transfer(400_000_000), transfer(300_000_000)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe(params=[{"mentions": [str(RICH.pubkey())]}, {}])
            Rpc(simulator, session).call("modifyAccounts", {str(RICH.pubkey()): account_data(10**9)})
            Rpc(simulator, session).call("sendTransaction", encoded(sent), {"encoding": "base64"})
            control.proceed(3, transactions=[encoded(own)])
            control.until("readyForContinue")
            control.proceed(100)
            found = [(result["slot"], signature(result)) for result in data.results()]
    assert found == [(1000, str(sent.signatures[0])), (1001, str(own.signatures[0]))]


@pytest.mark.parametrize("form", ["a", "b", "c"])
def test_the_forms_of_the_end(simulate: Start, form: str) -> None:
    simulator = simulate(end_of_stream=form)
    with Control(simulator) as control:
        session = control.create(1000, 1000)
        control.proceed(1)
        with Data(simulator, session) as data:
            number = data.subscribe()
            for _ in range(8):
                assert "meta" in data.recv()["params"]["result"]
            if form == "c":
                with pytest.raises(Dropped, match="close 1000"):
                    data.recv()
                return
            end = data.recv()
    if form == "a":
        assert end["method"] == "transactionNotification"
        assert end["params"] == {"subscription": number, "result": {"completed": True}}
    else:
        assert end == {"jsonrpc": "2.0", "method": "transactionStreamEnd", "params": {"subscription": number}}


def test_compressed_notifications_are_one_stream(simulator: Simulator, ledger: Ledger) -> None:
    zstandard = pytest.importorskip("zstandard")
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe(params=["all", {"compression": "zstd"}])
            control.proceed(100)
            inflate = zstandard.ZstdDecompressor().decompressobj()
            texts: list[bytes] = []
            packed = 0
            while not texts or b'"completed":true' not in texts[-1]:
                opcode, payload = data.recv_frame()
                assert opcode == websocket.ABNF.OPCODE_BINARY
                texts.append(inflate.decompress(payload))
                packed += len(payload)
    assert [signature(json.loads(text)["params"]["result"]) for text in texts[:-1]] == signatures(ledger, 1000, 1009)
    assert packed < sum(map(len, texts)) / 2


def test_the_first_notifications_may_overtake_the_acknowledgement(simulate: Start) -> None:
    simulator = simulate(overtake_acks=True)
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        data.send({"jsonrpc": "2.0", "id": 1, "method": "transactionSubscribe", "params": ["all", {}]})
        early = [data.recv() for _ in range(8)]
        ack = data.recv()
        assert {message["params"]["subscription"] for message in early} == {ack["result"]}


def test_unsubscribe(simulator: Simulator) -> None:
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        number = data.subscribe(params=[{"mentions": [str(RICH.pubkey())]}, {}])
        assert data.call("transactionUnsubscribe", [number])["result"] is True
        assert data.call("transactionUnsubscribe", [number])["error"]["code"] == -32602
        control.proceed(100)
        control.until("completed")
        assert "error" in data.call("transactionUnsubscribe", [number])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", -32700),
        ("[]", -32600),
        ('{"id":1}', -32600),
        ('{"id":1,"method":"getSlot"}', -32601),
        ('{"id":1,"method":"voteSubscribe","params":[]}', -32601),
        ('{"id":1,"method":"transactionSubscribe","params":{}}', -32602),
        ('{"id":1,"method":"transactionSubscribe"}', -32602),
        ('{"id":1,"method":"transactionSubscribe","params":[null,{}]}', -32602),
        ('{"id":1,"method":"transactionSubscribe","params":["some",{}]}', -32602),
        ('{"id":1,"method":"transactionSubscribe","params":[{"mentions":[]},{}]}', -32602),
        ('{"id":1,"method":"transactionSubscribe","params":[{"mentions":["x"]},{}]}', -32602),
    ],
)
def test_refusals_leave_the_socket_open(simulator: Simulator, text: str, code: int) -> None:
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        data.send_text(text)
        assert data.recv()["error"]["code"] == code
        assert data.subscribe()


def test_unknown_sessions_have_no_data_plane(simulator: Simulator) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Data(simulator, "backtest_x")
    assert caught.value.status_code == 404


def test_sub_sessions_show_only_their_own(simulator: Simulator, ledger: Ledger) -> None:
    with Control(simulator) as control:
        ids = control.create_parallel(1000, 1019)["session_ids"]
        sockets = [Data(simulator, session) for session in ids]
        for data, session in zip(sockets, ids):
            data.subscribe()
            control.proceed(100, session)
        for data, start in zip(sockets, (1000, 1010)):
            assert [signature(result) for result in data.results()] == signatures(ledger, start, start + 9)
            data.drop()
