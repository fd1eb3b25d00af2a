from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from solders.signature import Signature

from simsync.errors import InvalidParams
from simsync.local import Ledger, Simulator
from simsync.local.command import describe

from .actors import POOR, RICH, account_data, encoded, transfer
from .bare import Control, Data, Rpc, slots_of


def signature_of(number: int) -> str:
    return str(Signature(bytes([number]) * 64))


def reply(number: int, slot: int, signer: str = str(RICH.pubkey())) -> dict[str, Any]:
    return {
        "slot": slot,
        "blockTime": 1_600_000_000 + slot,
        "version": "legacy",
        "transaction": {
            "signatures": [signature_of(number)],
            "message": {"accountKeys": [signer, str(POOR.pubkey())], "instructions": []},
        },
        "meta": {"err": None, "fee": 5000, "logMessages": ["Program log: hi"], "x": number},
    }


def block(slot: int, parent: int, *numbers: int) -> dict[str, Any]:
    rows = [
        {key: value for key, value in reply(number, slot).items() if key not in ("slot", "blockTime")}
        for number in numbers
    ]
    return {
        "blockHeight": slot - 100,
        "blockTime": 1_600_000_000 + slot,
        "blockhash": f"hash{slot}",
        "parentSlot": parent,
        "transactions": rows,
    }


def replayed(simulator: Simulator, start: int, end: int, **create: Any) -> tuple[list[Any], list[int], Any]:
    """Run a session over a range; return the transactions, the slots and the summary."""
    with Control(simulator) as control:
        session = control.create(start, end, sendSummary=True, **create)
        with Data(simulator, session) as data:
            data.subscribe()
            control.proceed(1000)
            messages = control.until("completed")
            return list(data.results()), slots_of(messages), messages[-1]["params"]["summary"]


def test_blocks_are_served_as_recorded(simulate: Callable[..., Simulator], tmp_path: Path) -> None:
    blocks = [(200, block(200, 199, 1, 2)), {"slot": 203, **block(203, 200, 3)}, (204, block(204, 203))]
    ledger = Ledger.from_blocks(blocks)
    assert [(bundle.start_slot, bundle.end_slot) for bundle in ledger.bundles] == [(200, 204)]
    ledger.save(tmp_path / "ledger")
    shown, slots, summary = replayed(simulate(Ledger.load(tmp_path / "ledger")), 200, 204)
    assert shown == [reply(1, 200), reply(2, 200), reply(3, 203)]
    assert slots == [203, 204]
    assert set(summary.values()) == {0, None}


REWARD = {"pubkey": str(RICH.pubkey()), "lamports": 5, "postBalance": 7, "rewardType": "Fee", "commission": None}
CLOCK = "SysvarC1ock11111111111111111111111111111111"


@pytest.mark.parametrize("execute", [False, True])
def test_what_a_block_does_not_tell_stays_unknown(
    simulate: Callable[..., Simulator], tmp_path: Path, execute: bool
) -> None:
    row = {"transaction": [encoded(transfer(5)), "base64"], "meta": {"err": None, "postBalances": [0, 0, 0]}}
    known = {**block(200, 199), "previousBlockhash": "hash199", "rewards": [REWARD], "transactions": [row]}
    unknown = {**known, "blockTime": None, "blockHeight": None, "parentSlot": 200, "previousBlockhash": "hash200"}
    last = {**known, "parentSlot": 201, "rewards": None}
    Ledger.from_blocks([(200, known), (201, unknown), (202, last)], execute=execute).save(tmp_path / "ledger")
    simulator = simulate(Ledger.load(tmp_path / "ledger"))
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(200, 202))
        control.proceed(1)
        control.until("readyForContinue")
        for slot, given in ((200, known), (201, unknown)):
            shown = rpc.call("getBlock", slot, {"maxSupportedTransactionVersion": 0})
            names = ("blockTime", "blockHeight", "parentSlot", "previousBlockhash", "rewards")
            assert [shown[name] for name in names] == [given[name] for name in names]
            assert rpc.call("getBlockTime", slot) == given["blockTime"]
            signature = shown["transactions"][0]["transaction"]["signatures"][0]
        assert rpc.call("getTransaction", signature)["blockTime"] is None
        assert rpc.call("getSignaturesForAddress", str(RICH.pubkey()))[0]["blockTime"] is None
        assert rpc.call("getBlockHeight") == 0
        # The clock needs a time: that of the last block whose time is known.
        clock = base64.b64decode(rpc.value("getAccountInfo", CLOCK, {"encoding": "base64"})["data"][0])
        assert (int.from_bytes(clock[:8], "little"), int.from_bytes(clock[32:], "little")) == (201, known["blockTime"])
        assert rpc.call("getRecentPerformanceSamples")[0]["samplePeriodSecs"] == 1
        control.proceed(1)
        control.until("completed")
        assert rpc.call("getBlock", 202, {"transactionDetails": "none"})["rewards"] == []


def test_times_are_those_of_the_blocks_that_tell_them() -> None:
    untold = {**block(200, 199), "blockTime": None}
    ledger = Ledger.from_blocks([(200, untold), (203, block(203, 200)), (204, {**untold, "parentSlot": 203})])
    assert {ledger.time_of(slot) for slot in (1, 200, 203, 204, 900)} == {1_600_000_203}
    assert ledger.epoch_start_of(204) == int(1_600_000_203 - 203 * 0.4)
    nothing = Ledger.from_blocks([(200, untold)])
    assert (nothing.time_of(200), nothing.epoch_start_of(200)) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rewards", {}, "rewards must be a list of objects"),
        ("rewards", [5], "rewards must be a list of objects"),
        ("rewards", [{"lamports": 2**70}], "integers of at most 64 bits"),
        ("previousBlockhash", 5, "previousBlockhash must be a text in base58"),
    ],
)
def test_what_cannot_be_served_of_a_block_is_refused(name: str, value: object, text: str) -> None:
    with pytest.raises(InvalidParams, match=text):
        Ledger.from_blocks([(200, {**block(200, 199), name: value})])


def test_transactions_are_grouped_into_blocks(simulate: Callable[..., Simulator]) -> None:
    ledger = Ledger.from_transactions([reply(3, 302), reply(1, 300), reply(2, 302)], bundle_size=2)
    assert [(bundle.start_slot, bundle.end_slot) for bundle in ledger.bundles] == [(300, 301), (302, 302)]
    simulator = simulate(ledger)
    assert replayed(simulator, 300, 301)[0] == [reply(1, 300)]
    assert replayed(simulator, 302, 302)[0] == [reply(3, 302), reply(2, 302)]
    assert "served unchanged" in describe(ledger)


def test_recorded_signers_are_filtered(simulate: Callable[..., Simulator]) -> None:
    ledger = Ledger.from_transactions([reply(1, 300), reply(2, 300, str(POOR.pubkey()))])
    shown, _, _ = replayed(simulate(ledger), 300, 300, signerFilter=[str(POOR.pubkey())])
    assert shown == [reply(1, 300)]


def test_transactions_in_base64_are_decoded(simulate: Callable[..., Simulator]) -> None:
    row = {"transaction": [encoded(transfer(5)), "base64"], "meta": reply(1, 400)["meta"]}
    ledger = Ledger.from_blocks([(400, {**block(400, 399), "transactions": [row]})])
    (shown,), _, _ = replayed(simulate(ledger), 400, 400)
    assert shown["transaction"]["signatures"] == [str(transfer(5).signatures[0])]
    assert shown["transaction"]["message"]["accountKeys"][:2] == [str(RICH.pubkey()), str(POOR.pubkey())]
    assert shown["slot"] == 400


def test_own_transactions_still_run(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(Ledger.from_transactions([reply(1, 300), reply(2, 301)]))
    with Control(simulator) as control:
        session = control.create(300, 301)
        rpc = Rpc(simulator, session)
        rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(10**9)})
        assert rpc.call("sendTransaction", encoded(transfer(400_000_000)), {"encoding": "base64"})
        assert rpc.value("getBalance", str(POOR.pubkey())) == 400_000_000
        assert rpc.call("getTransaction", signature_of(1), {"maxSupportedTransactionVersion": 0}) == reply(1, 300)


@pytest.mark.parametrize(
    "blocks",
    [[], [{}], [("x", {})], [(1, {"transactions": None})], [(1, {**block(1, 0), "transactions": [{}]})]],
)
def test_invalid_blocks_are_refused(blocks: Any) -> None:
    with pytest.raises(InvalidParams):
        Ledger.from_blocks(blocks)


def test_invalid_transactions_are_refused() -> None:
    with pytest.raises(InvalidParams, match="slot"):
        Ledger.from_transactions([{"transaction": {}}])
    with pytest.raises(InvalidParams, match="signatures"):
        Ledger.from_transactions([{"slot": 1, "transaction": {}}])
    with pytest.raises(InvalidParams, match="decoded"):
        Ledger.from_transactions([{"slot": 1, "transaction": ["AQID", "base64"]}])
    with pytest.raises(InvalidParams, match="bundle_size"):
        Ledger.from_transactions([reply(1, 1)], bundle_size=0)


def test_real_recordings(simulate: Callable[..., Simulator], data_folder: Path) -> None:
    files = sorted(data_folder.glob("mainnet/*.jsonl"))
    assert files
    for path in files:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        slots = sorted({row["slot"] for row in rows})
        # Recordings may be far apart, so they are taken block by block.
        for slot in slots:
            expected = [row for row in rows if row["slot"] == slot]
            shown, _, _ = replayed(simulate(Ledger.from_transactions(expected)), slot, slot)
            assert shown == expected
