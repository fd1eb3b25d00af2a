"""Discoveries, and the start slot of a session that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local import Behaviour, Ledger, Simulator
from simsync.local.backtest.backtest import Backtest
from simsync.local.backtest.messages import (
    Advance,
    AdvanceTo,
    Completed,
    Discovered,
    Event,
    Paused,
    Plan,
    Ready,
    SlotExecuted,
)
from simsync.local.backtest.stream import TRANSACTIONS
from simsync.local.engine.programs import SYSTEM_PROGRAM
from simsync.local.request_fields import Refused

from .actors import POOR, RICH, account_data, encoded, transfer, wallet
from .bare import Control, Data, Message, Rpc, inner, name_of, slots_of

Start = Callable[..., Simulator]

SYSTEM = str(SYSTEM_PROGRAM)
DISCOVERIES = {"discoveries": [{"programExecuted": SYSTEM}]}


def make(ledger: Ledger, start: int = 1000, end: int = 1009, program: str = SYSTEM, **switches: Any) -> Backtest:
    switches.setdefault("batch_size", 3)
    return Backtest(ledger, Plan(start, end, discover_programs=(program,)), Behaviour(**switches))


def events(steps: Iterator[Optional[Event]]) -> list[Event]:
    return [step for step in steps if step is not None]


def found(backtest: Backtest) -> list[Discovered]:
    return [event for event in events(backtest.opening()) if isinstance(event, Discovered)]


def count_shown(backtest: Backtest) -> int:
    return sum(isinstance(item, TRANSACTIONS) for item in backtest.stream.reader(None).read(10_000))


def test_the_batches_of_the_start_slot_are_announced_like_the_others(ledger: Ledger) -> None:
    start, following = ledger.blocks[:2]
    named: dict[int, set[int]] = {}
    for event in found(make(ledger)):
        named.setdefault(event.slot, set()).update(event.indices)
    for block in (start, following):
        assert named[block.slot] == {
            index
            for index, item in enumerate(block.transactions)
            if SYSTEM_PROGRAM in VersionedTransaction.from_bytes(item.wire).message.account_keys
        }
        assert named[block.slot]


def test_nothing_of_the_start_slot_is_executed_or_notified_before_the_first_continue(ledger: Ledger) -> None:
    backtest = make(ledger)
    opening = events(backtest.opening())
    assert opening[-1] == Ready()
    assert not [event for event in opening if isinstance(event, SlotExecuted)]
    backtest.ensure_started()
    assert backtest.slot == 1000
    assert count_shown(backtest) == 0
    assert backtest.engine.snapshot() == ledger.bundles[0].accounts
    assert (backtest.blockhash, backtest.time_of(backtest.slot)) == (ledger.blocks[0].blockhash, ledger.blocks[0].time)
    assert events(backtest.advance(Advance(0))) == [Ready()]
    assert count_shown(backtest) == 0
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1000), Ready()]
    assert backtest.slot == 1000
    assert count_shown(backtest) == 8
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1001), Ready()]


def test_without_discoveries_the_start_slot_is_executed_at_the_start(ledger: Ledger) -> None:
    backtest = Backtest(ledger, Plan(1000, 1009), Behaviour())
    assert events(backtest.opening())[-2:] == [SlotExecuted(1000), Ready()]
    assert backtest.engine.snapshot() != ledger.bundles[0].accounts
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1001), Ready()]


@pytest.mark.parametrize("skipped", [False, True])
def test_every_slot_is_notified_once(ledger: Ledger, skipped: bool) -> None:
    backtest = make(ledger, notify_skipped=skipped)
    said = [*events(backtest.opening()), *events(backtest.advance(Advance(100)))]
    slots = [event.slot for event in said if isinstance(event, SlotExecuted)]
    assert slots == [slot for slot in range(1000, 1010) if skipped or slot != 1006]
    assert said[-1] == Completed(None)


def test_a_pause_inside_the_start_slot(ledger: Ledger) -> None:
    backtest = make(ledger)
    for batch in (0, 1, 1, 2):
        assert events(backtest.advance_to(AdvanceTo(1000, batch))) == [Paused(1000, batch)]
        assert backtest.slot == 1000
        assert count_shown(backtest) == 3 * batch
    refused, ready = events(backtest.advance_to(AdvanceTo(1000, 1)))
    assert isinstance(refused, Refused)
    assert ready == Ready()
    assert events(backtest.advance_to(AdvanceTo(1000, 99))) == [Paused(1000, 3)]
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1000), Ready()]
    assert count_shown(backtest) == 8
    for batch_index in (None, 0, 3):
        refused, _ = events(backtest.advance_to(AdvanceTo(1000, batch_index)))
        assert isinstance(refused, Refused)


def test_a_pause_before_the_start_slot(ledger: Ledger) -> None:
    backtest = make(ledger)
    for _ in range(2):
        assert events(backtest.advance_to(AdvanceTo(1000))) == [Paused(1000, None)]
        assert count_shown(backtest) == 0
    refused, _ = events(backtest.advance_to(AdvanceTo(999)))
    assert isinstance(refused, Refused)
    assert events(backtest.advance_to(AdvanceTo(1002))) == [SlotExecuted(1000), SlotExecuted(1001), Paused(1002, None)]


def test_a_session_can_pause_inside_a_range_of_one_slot(ledger: Ledger) -> None:
    backtest = make(ledger, 1000, 1000)
    first = found(backtest)[0]
    assert events(backtest.advance_to(AdvanceTo(first.slot, first.batch_index))) == [Paused(1000, first.batch_index)]
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1000), Completed(None)]
    assert count_shown(backtest) == 8


def test_overrides_come_before_and_own_transactions_after_the_start_slot(ledger: Ledger) -> None:
    backtest = make(ledger)
    own = transfer(5_000_000)
    said = events(backtest.advance(Advance(1, (own,), ((RICH.pubkey(), wallet(10**9)),))))
    assert said == [SlotExecuted(1000), Ready()]
    items = [item for item in backtest.stream.reader(None).read(100) if isinstance(item, TRANSACTIONS)]
    assert len(items) == 9
    assert (items[-1].signature, items[-1].slot, items[-1].error) == (str(own.signatures[0]), 1000, None)


def test_a_start_slot_without_a_block_has_nothing_to_wait_for() -> None:
    recorded = Ledger.from_transactions([reply(1, 300), reply(2, 303)], bundle_size=2)
    backtest = make(recorded, 302, 303)
    assert events(backtest.opening())[-2:] == [SlotExecuted(302), Ready()]
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(303), Completed(None)]


def test_rpc_shows_the_state_before_the_start_slot(simulator: Simulator, ledger: Ledger) -> None:
    changed = changed_by_the_start_slot(ledger)
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009, **DISCOVERIES))
        assert rpc.call("getSlot") == 1000
        assert rpc.value("getLatestBlockhash")["blockhash"] == ledger.blocks[0].blockhash
        before = rpc.value("getBalance", str(changed))
        assert before == ledger.accounts[changed].lamports
        rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(10**9)})
        assert rpc.call("sendTransaction", encoded(transfer(400_000_000)), {"encoding": "base64"})
        assert rpc.value("getBalance", str(POOR.pubkey())) == 400_000_000
        control.proceed(1)
        assert slots_of(control.until("readyForContinue")) == [1000]
        assert rpc.call("getSlot") == 1000
        assert rpc.value("getBalance", str(changed)) != before


def changed_by_the_start_slot(ledger: Ledger) -> Pubkey:
    """Return an account with another balance after the first block."""
    backtest = Backtest(ledger, Plan(1000, 1009), Behaviour())
    after = backtest.engine.snapshot()
    return next(key for key, account in ledger.accounts.items() if after[key].lamports != account.lamports)


def test_subscriptions_get_the_start_slot_when_it_is_executed(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1001, **DISCOVERIES)
        with Data(simulator, session) as data:
            data.subscribe()
            control.ask("continueTo", {"slot": 1000, "batchIndex": 1})
            assert control.until("paused")[-1]["params"] == {"slot": 1000, "batchIndex": 1}
            assert [data.recv()["params"]["result"]["slot"] for _ in range(3)] == [1000] * 3
            control.proceed(2)
            control.until("completed")
            assert [result["slot"] for result in data.results()] == [1000] * 5 + [1001] * 8


def test_each_sub_session_delays_its_own_start_slot(simulator: Simulator) -> None:
    with Control(simulator) as control:
        created = control.create_parallel(1000, 1019, **DISCOVERIES)
        first, second = created["session_ids"]
        for session, start in ((first, 1000), (second, 1010)):
            control.ask("continueToSessionV1", {"session_id": session, "request": {"slot": start, "batchIndex": 2}})
            assert inner(control.until("paused")[-1])["params"] == {"slot": start, "batchIndex": 2}
            control.proceed(1, session)
            assert slots_of(control.until("readyForContinue")) == [start]


def test_an_attach_finds_the_start_slot_still_ahead(simulator: Simulator) -> None:
    control = Control(simulator)
    control.ask(
        "createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "disconnectTimeoutSecs": 60, **DISCOVERIES}
    )
    messages = control.until("readyForContinue")
    control.ask("continueTo", {"slot": 1000, "batchIndex": 1})
    control.until("paused")
    control.drop()
    with Control(simulator) as again:
        session = messages[0]["params"]["session_id"]
        again.ask("attachBacktestSession", {"session_id": session, "last_sequence": messages[-1]["seqId"]})
        assert [name_of(message) for message in again.until("paused")] == ["sessionAttached", "paused"]
        again.proceed(1)
        assert slots_of(again.until("readyForContinue")) == [1000]


def test_actions_of_the_start_slot_wait_until_it_is_executed(simulator: Simulator) -> None:
    action = {"anchor": {"afterSlot": {"slots": [1000]}}, "kind": "simulate", "returnAccounts": [], "transactions": []}
    with Control(simulator) as control:
        session = control.create(1000, 1000, actions=[action], **DISCOVERIES)
        with Data(simulator, session) as data:
            data.subscribe("actionSubscribe", [None, {}])
            control.ask("continueTo", {"slot": 1000, "batchIndex": 99})
            control.until("paused")
            control.proceed(1)
            control.until("completed")
            assert [result["slot"] for result in data.results()] == [1000]


def reply(number: int, slot: int, *more: str) -> dict[str, Any]:
    return {
        "slot": slot,
        "blockTime": 1_600_000_000 + slot,
        "transaction": {
            "signatures": [f"signature{number}"],
            "message": {"accountKeys": [str(RICH.pubkey())], "instructions": []},
        },
        "meta": {"err": None, "loadedAddresses": {"writable": [], "readonly": list(more)}},
    }


def test_recorded_batches_are_found(simulate: Start) -> None:
    program = str(POOR.pubkey())
    replies = [reply(1, 300), reply(2, 300), reply(3, 300, program), reply(4, 301), reply(5, 301, program)]
    simulator = simulate(Ledger.from_transactions(replies), batch_size=2)
    with Control(simulator) as control:
        control.ask(
            "createBacktestSession", {"startSlot": 300, "endSlot": 301, "discoveries": [{"programExecuted": program}]}
        )
        batches: list[Message] = [
            message["params"] for message in control.until("readyForContinue") if name_of(message) == "discoveryBatch"
        ]
        assert batches == [
            {
                "slot": slot,
                "batchIndex": batch,
                "matched": [{"programExecuted": program}],
                "transactions": [],
                "transactionIndices": [index],
            }
            for slot, batch, index in ((300, 1, 2), (301, 0, 1))
        ]
        for batch in batches:
            control.ask("continueTo", {"slot": batch["slot"], "batchIndex": batch["batchIndex"]})
            assert control.until("paused")[-1]["params"] == {"slot": batch["slot"], "batchIndex": batch["batchIndex"]}
        control.proceed(1)
        assert slots_of(control.until("completed")) == [301]
