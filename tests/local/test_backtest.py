"""The session without sockets: what is executed when, and which events it reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import pytest
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local import Behaviour, Ledger
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
    StatusChanged,
)
from simsync.local.backtest.stream import TRANSACTIONS, ExecutedTransaction
from simsync.local.engine.programs import MEMO_PROGRAM
from simsync.local.request_fields import Refused

from .actors import RICH, transfer, wallet


def make(
    ledger: Ledger, start: int = 1000, end: int = 1009, plan: Optional[dict[str, Any]] = None, **switches: Any
) -> Backtest:
    switches.setdefault("batch_size", 3)
    return Backtest(ledger, Plan(start, end, **(plan or {})), Behaviour(**switches))


def events(steps: Iterator[Optional[Event]]) -> list[Event]:
    return [step for step in steps if step is not None]


def shown(backtest: Backtest) -> list[tuple[int, str]]:
    items = backtest.stream.reader(None).read(10_000)
    return [(item.slot, item.signature) for item in items if isinstance(item, TRANSACTIONS)]


def recorded(ledger: Ledger, start: int, end: int) -> list[tuple[int, str]]:
    return [
        (block.slot, str(VersionedTransaction.from_bytes(item.wire).signatures[0]))
        for block in ledger.blocks_between(start, end)
        for item in block.transactions
    ]


def test_the_state_is_that_of_the_start_slot_when_ready(ledger: Ledger) -> None:
    backtest = make(ledger)
    said = events(backtest.opening())
    assert said[-2:] == [SlotExecuted(1000), Ready()]
    assert all(isinstance(event, StatusChanged) for event in said[:-2])
    backtest.ensure_started()
    assert backtest.slot == 1000
    assert shown(backtest) == recorded(ledger, 1000, 1000)


def test_a_continue_executes_that_many_blocks(ledger: Ledger) -> None:
    backtest = make(ledger)
    assert events(backtest.advance(Advance(2))) == [SlotExecuted(1001), SlotExecuted(1002), Ready()]
    assert backtest.slot == 1002
    # 1006 carries no block and does not count.
    assert events(backtest.advance(Advance(4)))[-2:] == [SlotExecuted(1007), Ready()]
    assert events(backtest.advance(Advance(0))) == [Ready()]
    assert events(backtest.advance(Advance(1000))) == [SlotExecuted(1008), SlotExecuted(1009), Completed(None)]
    assert backtest.completed
    assert shown(backtest) == recorded(ledger, 1000, 1009)
    assert backtest.stream.finished
    assert events(backtest.advance(Advance(1))) == [Refused("noMoreBlocks", {})]
    assert events(backtest.advance_to(AdvanceTo(1009))) == [Refused("noMoreBlocks", {})]


def test_the_exact_number_of_blocks_completes_too(ledger: Ledger) -> None:
    backtest = make(ledger, 1000, 1001)
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1001), Completed(None)]


def test_a_range_of_one_slot_completes_on_the_first_continue(ledger: Ledger) -> None:
    backtest = make(ledger, 1000, 1000)
    assert events(backtest.opening())[-2:] == [SlotExecuted(1000), Ready()]
    assert events(backtest.advance(Advance(1))) == [Completed(None)]
    assert shown(backtest) == recorded(ledger, 1000, 1000)


def test_slots_without_a_block_are_notified_on_request(ledger: Ledger) -> None:
    backtest = make(ledger, 1030, 1034, notify_skipped=True)
    said = events(backtest.advance(Advance(10)))
    assert said == [*[SlotExecuted(slot) for slot in range(1031, 1035)], Completed(None)]
    quiet = make(ledger, 1030, 1034)
    assert events(quiet.advance(Advance(10)))[-2:] == [SlotExecuted(1033), Completed(None)]


def test_the_summary_counts_what_differs_from_the_recording(ledger: Ledger) -> None:
    backtest = make(ledger, plan={"send_summary": True})
    (completed,) = [event for event in events(backtest.advance(Advance(100))) if isinstance(event, Completed)]
    assert completed.summary is not None
    assert completed.summary.correct == len(recorded(ledger, 1000, 1009))
    changed = make(ledger, plan={"send_summary": True})
    first = VersionedTransaction.from_bytes(ledger.blocks[1].transactions[0].wire)
    payer = first.message.account_keys[0]
    events(changed.advance(Advance(100, accounts=((payer, wallet(0)),))))
    summary = changed.summary
    assert summary.incorrect >= 1
    assert summary.execution_errors >= 1
    assert summary.balance_diff >= summary.execution_errors
    assert summary.log_diff >= 1
    assert summary.correct + summary.incorrect == len(recorded(ledger, 1000, 1009))


def test_filtered_signers_are_left_out(ledger: Ledger) -> None:
    first = VersionedTransaction.from_bytes(ledger.blocks[0].transactions[0].wire)
    signer = str(first.message.account_keys[0])
    backtest = make(ledger, plan={"signer_filter": frozenset({signer})})
    events(backtest.advance(Advance(100)))
    left: list[str] = []
    for item in backtest.stream.reader(None).read(10_000):
        if isinstance(item, ExecutedTransaction):
            message = item.transaction.message
            left.extend(map(str, message.account_keys[: message.header.num_required_signatures]))
    assert left
    assert signer not in left
    assert len(shown(backtest)) < len(recorded(ledger, 1000, 1009))


def test_overrides_come_before_and_own_transactions_after_the_first_block(ledger: Ledger) -> None:
    backtest = make(ledger, statuses=True)
    own = transfer(5_000_000)
    said = events(backtest.advance(Advance(2, (own,), ((RICH.pubkey(), wallet(10**9)),))))
    assert said == [
        StatusChanged("appliedAccountModifications"),
        StatusChanged("decodedTransactions"),
        StatusChanged("executingBlockTransactions"),
        StatusChanged("executedBlockTransactions"),
        StatusChanged("readyToExecuteUserTransactions"),
        StatusChanged("executedUserTransactions"),
        SlotExecuted(1001),
        StatusChanged("decodedTransactions"),
        StatusChanged("executingBlockTransactions"),
        StatusChanged("executedBlockTransactions"),
        SlotExecuted(1002),
        Ready(),
    ]
    history = recorded(ledger, 1000, 1002)
    assert shown(backtest) == [*history[:16], (1001, str(own.signatures[0])), *history[16:]]
    found = backtest.history.get(str(own.signatures[0]))
    assert found is not None
    assert found.error is None


def test_own_transactions_run_even_when_no_block_is_left(ledger: Ledger) -> None:
    backtest = make(ledger, 1000, 1000)
    backtest.engine.set_accounts([(RICH.pubkey(), wallet(10**9))])
    assert events(backtest.advance(Advance(1, (transfer(5_000_000),)))) == [Completed(None)]
    assert shown(backtest)[-1] == (1000, str(transfer(5_000_000).signatures[0]))


def test_an_account_that_the_engine_refuses_changes_nothing(ledger: Ledger) -> None:
    backtest = make(ledger)
    clock = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
    refused, ready = events(backtest.advance(Advance(1, (), ((clock, wallet(1)),))))
    assert isinstance(refused, Refused)
    assert refused.name == "invalidRequest"
    assert ready == Ready()
    assert backtest.slot == 1000


def test_pause_at_a_slot_boundary_leaves_the_slot_unexecuted(ledger: Ledger) -> None:
    backtest = make(ledger)
    assert events(backtest.advance_to(AdvanceTo(1003))) == [SlotExecuted(1001), SlotExecuted(1002), Paused(1003, None)]
    assert backtest.slot == 1002
    assert shown(backtest) == recorded(ledger, 1000, 1002)
    assert events(backtest.advance_to(AdvanceTo(1003))) == [Paused(1003, None)]
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1003), Ready()]


def test_pause_between_batches(ledger: Ledger) -> None:
    backtest = make(ledger, ready_after_paused=True)
    assert events(backtest.advance_to(AdvanceTo(1002, 1))) == [SlotExecuted(1001), Paused(1002, 1), Ready()]
    assert backtest.slot == 1002
    assert len(shown(backtest)) == 8 + 8 + 3
    assert events(backtest.advance_to(AdvanceTo(1002, 2))) == [Paused(1002, 2), Ready()]
    assert len(shown(backtest)) == 8 + 8 + 6
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1002), Ready()]
    assert shown(backtest) == recorded(ledger, 1000, 1002)


def test_a_batch_index_beyond_the_last_pauses_at_the_end_of_the_slot(ledger: Ledger) -> None:
    backtest = make(ledger)
    assert events(backtest.advance_to(AdvanceTo(1001, 99))) == [Paused(1001, 3)]
    assert len(shown(backtest)) == 16
    assert events(backtest.advance(Advance(1))) == [SlotExecuted(1001), Ready()]
    assert len(shown(backtest)) == 16


def test_a_batch_of_a_slot_without_a_block_pauses_before_the_slot(ledger: Ledger) -> None:
    backtest = make(ledger)
    assert events(backtest.advance_to(AdvanceTo(1006, 2)))[-1] == Paused(1006, None)
    assert backtest.slot == 1005


@pytest.mark.parametrize(("slot", "batch"), [(1000, None), (1002, None), (1002, 0), (5, None)])
def test_a_slot_already_executed_is_refused(ledger: Ledger, slot: int, batch: Optional[int]) -> None:
    backtest = make(ledger)
    events(backtest.advance_to(AdvanceTo(1002, 2)))
    refused, ready = events(backtest.advance_to(AdvanceTo(slot, batch)))
    assert isinstance(refused, Refused)
    assert refused.name == "invalidRequest"
    assert ready == Ready()


def test_a_slot_beyond_the_range_completes(ledger: Ledger) -> None:
    backtest = make(ledger)
    assert events(backtest.advance_to(AdvanceTo(2000, 3)))[-1] == Completed(None)
    assert shown(backtest) == recorded(ledger, 1000, 1009)


def test_discoveries_name_the_batches_ahead(ledger: Ledger) -> None:
    backtest = make(ledger, 1000, 1039, plan={"discover_programs": (str(MEMO_PROGRAM),)})
    found = [event for event in events(backtest.opening()) if isinstance(event, Discovered)]
    assert found
    for event in found:
        block = ledger.block(event.slot)
        assert block is not None
        assert event.programs == (str(MEMO_PROGRAM),)
        for index, wire in zip(event.indices, event.transactions):
            assert index // 3 == event.batch_index
            assert block.transactions[index].wire == wire
            assert MEMO_PROGRAM in VersionedTransaction.from_bytes(wire).message.account_keys
    every = sum(
        MEMO_PROGRAM in VersionedTransaction.from_bytes(item.wire).message.account_keys
        for block in ledger.blocks
        for item in block.transactions
    )
    assert sum(len(event.indices) for event in found) == every


def test_events_are_kept_for_a_number_of_slots(long_ledger: Ledger) -> None:
    backtest = make(long_ledger, 1000, 1149, replay_slots=100)
    backtest.ensure_started()
    slow = backtest.stream.reader(None)
    assert slow.read(1)
    events(backtest.advance(Advance(120)))
    assert shown(backtest) == recorded(long_ledger, 1021, 1120)
    assert shown(backtest) == [
        (item.slot, item.signature) for item in backtest.stream.reader(5).read(10_000) if isinstance(item, TRANSACTIONS)
    ]
    from_slot = backtest.stream.reader(1100).read(1)[0]
    assert from_slot.slot == 1100
    assert backtest.stream.reader(1121).read(10) == []
    # A reader that was connected before has lost nothing.
    assert [item.slot for item in slow.read(10_000)] == [
        slot for slot in range(1000, 1121) for _ in range(4 if slot > 1000 else 3)
    ]


def test_rpc_history_has_its_own_length(long_ledger: Ledger) -> None:
    backtest = make(long_ledger, 1000, 1149, history_slots=10)
    events(backtest.advance(Advance(50)))
    signatures = [signature for _, signature in recorded(long_ledger, 1000, 1050)]
    kept = [signature for signature in signatures if backtest.history.get(signature) is not None]
    assert kept == signatures[-20:]
