"""Scheduled actions and actionSubscribe."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from solders.account import Account
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local import Ledger, Simulator
from simsync.local.actions import Action, Schedule, SlotAnchor
from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.engine import Engine

from .actors import (
    POOR,
    RICH,
    UPGRADEABLE_LOADER,
    account_data,
    encoded,
    program_account,
    program_data,
    transaction,
    transfer,
    wallet,
)
from .bare import Control, Data, Message, Rpc

MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
CLOCK = "SysvarC1ock11111111111111111111111111111111"
SOL = 10**9
ADDRESS, OTHER = str(RICH.pubkey()), str(POOR.pubkey())
Start = Callable[..., Simulator]


def action(anchor: Any, *transactions: VersionedTransaction, kind: str = "simulate", **more: Any) -> dict[str, Any]:
    return {"anchor": anchor, "kind": kind, "transactions": [encoded(one) for one in transactions], **more}


def results(simulator: Simulator, *actions: dict[str, Any], start: int = 1000, end: int = 1009) -> list[Message]:
    """Run a session with these actions to its end; return the results from actionSubscribe."""
    with Control(simulator) as control:
        session = control.create(start, end, actions=list(actions))
        with Data(simulator, session) as data:
            data.subscribe("actionSubscribe", [None, {}])
            control.proceed(1000)
            return list(data.results())


def blocks(ledger: Ledger, start: int = 1000, end: int = 1009) -> list[int]:
    return [block.slot for block in ledger.blocks_between(start, end)]


def test_simulate_sees_its_own_earlier_transactions_and_leaves_nothing(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session = control.create(
            1000,
            1009,
            actions=[
                action(
                    {"afterSlot": {"slots": [1002, 1002, 1002]}},
                    transfer(SOL),
                    transfer(SOL // 2, sender=POOR, receiver=RICH),
                    transfer(50 * SOL),
                    accountOverrides={ADDRESS: account_data(10 * SOL)},
                    returnAccounts=[ADDRESS, OTHER, CLOCK, "11111111111111111111111111111112"],
                    label="probe",
                ),
                action({"afterSlot": {"slots": [1002]}}, returnAccounts=[ADDRESS, OTHER]),
            ],
        )
        with Data(simulator, session) as data:
            number = data.subscribe("actionSubscribe", [None, {}])
            control.proceed(100)
            first, second = data.recv(), data.recv()
            assert first["method"] == "actionNotification"
            assert first["params"]["subscription"] == number
            assert list(data.results()) == []
        with Data(simulator, session) as data:
            data.subscribe("accountDiffSubscribe", [{"address": ADDRESS, "address_type": "account"}, {}])
            assert list(data.results()) == []
        with Data(simulator, session) as data:
            data.subscribe(params=[{"mentions": [ADDRESS]}, {}])
            assert list(data.results()) == []
        assert Rpc(simulator, session).value("getBalance", ADDRESS) == 0
    result = first["params"]["result"]
    accounts = result.pop("accounts")
    outcomes = result.pop("transactionOutcomes")
    assert result == {
        "context": {"slot": 1002},
        "slot": 1002,
        "batchIndex": None,
        "actionIndex": 0,
        "label": "probe",
        "committed": False,
        "matched": None,
    }
    assert [outcome["err"] for outcome in outcomes] == [
        None,
        None,
        "Error processing Instruction 0: custom program error: 0x1",
    ]
    for outcome in outcomes:
        assert outcome["unitsConsumed"] == 150
        assert outcome["fee"] == 5000
        assert outcome["returnData"] is None
        assert outcome["logs"]
    assert accounts[0] == {
        "lamports": 10 * SOL - SOL + SOL // 2 - 2 * 5000,
        "owner": "1" * 32,
        "data": ["", "base64"],
        "executable": False,
        "rentEpoch": 2**64 - 1,
        "space": 0,
    }
    assert accounts[1]["lamports"] == SOL // 2 - 5000
    assert accounts[2]["owner"].startswith("Sysvar")
    assert accounts[3] is None
    # An action that only reads, after the first one left no trace.
    assert second["params"]["result"]["transactionOutcomes"] == []
    assert second["params"]["result"]["accounts"] == [None, None]
    assert (second["params"]["result"]["actionIndex"], second["params"]["result"]["label"]) == (1, None)


def test_send_is_committed_and_shown(simulator: Simulator, ledger: Ledger) -> None:
    own = transfer(SOL)
    with Control(simulator) as control:
        session = control.create(
            1000,
            1009,
            actions=[
                action({"beforeSlot": {"slots": [1000]}}, accountOverrides={ADDRESS: account_data(5 * SOL)}),
                action({"beforeSlot": {"slots": [1002]}}, own, kind="send", returnAccounts=[OTHER]),
                action("afterSlot", transfer(2 * SOL), returnAccounts=[OTHER]),
            ],
        )
        with Data(simulator, session) as data:
            data.subscribe("actionSubscribe", [None, {}])
            control.proceed(100)
            found = list(data.results())
        with Data(simulator, session) as data:
            data.subscribe(params=[{"mentions": [ADDRESS]}, {}])
            (shown,) = data.results()
        with Data(simulator, session) as data:
            data.subscribe("accountDiffSubscribe", [{"address": ADDRESS, "address_type": "account"}, {}])
            diffs = [(one["context"]["slot"], one.get("signature"), one["post"]["lamports"]) for one in data.results()]
        assert Rpc(simulator, session).value("getBalance", OTHER) == SOL
    (sent,) = [one for one in found if one["committed"]]
    assert (sent["slot"], sent["actionIndex"]) == (1002, 1)
    assert sent["accounts"][0]["lamports"] == SOL
    assert (shown["slot"], shown["transaction"]["signatures"]) == (1002, [str(own.signatures[0])])
    # The override alone has no result but a diff, and it stays in place.
    assert diffs == [(1000, None, 5 * SOL), (1002, str(own.signatures[0]), 4 * SOL - 5000)]
    simulated = [one for one in found if one["actionIndex"] == 2]
    balances = [(one["slot"], one["accounts"][0]["lamports"]) for one in simulated]
    assert balances == [(slot, (3 if slot >= 1002 else 2) * SOL) for slot in blocks(ledger)]
    # Before the slot comes before its end.
    assert found.index(sent) < found.index(next(one for one in simulated if one["slot"] == 1002))


# feature: scheduled actions
@pytest.mark.parametrize(
    ("anchor", "slots"),
    [
        ("afterSlot", [1000, 1001, 1002, 1003, 1004, 1005, 1007, 1008, 1009]),
        ({"afterSlot": None}, [1000, 1001, 1002, 1003, 1004, 1005, 1007, 1008, 1009]),
        ({"type": "after_slot"}, [1000, 1001, 1002, 1003, 1004, 1005, 1007, 1008, 1009]),
        # Slot 1006 carries no block, 1015 belongs to another bundle.
        ({"afterSlot": {"slots": [1002, 1006, 1003, 1015]}}, [1002, 1003]),
        ({"beforeSlot": [1004]}, [1004]),
        ({"type": "beforeSlot", "slots": [1004]}, [1004]),
        ({"kind": "beforeSlot", "content": {"slots": [1004]}}, [1004]),
        ({"method": "beforeSlot", "params": [1004]}, [1004]),
        ({"beforeEverySlot": {"everyNSlots": 3}}, [1002, 1005, 1008]),
        ({"afterEverySlot": {"every_n_slots": 2}}, [1000, 1002, 1004, 1008]),
        ({"afterEverySlot": 5}, [1000, 1005]),
        ({"afterEverySlot": {"every_n_slots": 5, "everyNSlots": 5}}, [1000, 1005]),
        ({"type": "afterEverySlot", "everyNSlots": 5}, [1000, 1005]),
    ],
)
def test_slot_anchors(simulator: Simulator, anchor: Any, slots: list[int]) -> None:
    content = next(iter(anchor.values())) if isinstance(anchor, dict) else None
    named = content.get("slots", ()) if isinstance(content, dict) else ()
    found = results(simulator, action(anchor, *[transfer(1)] * (len(named) or 1)))
    assert [one["slot"] for one in found] == slots
    assert {one["batchIndex"] for one in found} == {None}
    assert all(len(one["transactionOutcomes"]) == 1 for one in found)


def test_transactions_run_at_the_slots_that_they_are_paired_with(simulator: Simulator) -> None:
    slots = [1002, 1001, 1004]
    transactions = [transfer(SOL), transfer(2 * SOL), transfer(3 * SOL)]
    rich = {ADDRESS: account_data(100 * SOL)}
    paired = action({"afterSlot": {"slots": slots}}, *transactions, accountOverrides=rich, returnAccounts=[OTHER])
    repeated = action(
        {"afterSlot": {"slots": [1001, 1002, 1001]}}, *transactions, accountOverrides=rich, returnAccounts=[OTHER]
    )
    found = results(simulator, paired, repeated)
    assert [(one["slot"], one["actionIndex"], len(one["transactionOutcomes"])) for one in found] == [
        (1001, 0, 1),
        (1001, 1, 2),
        (1002, 0, 1),
        (1002, 1, 1),
        (1004, 0, 1),
    ]
    assert [one["accounts"][0]["lamports"] // SOL for one in found] == [2, 4, 1, 2, 3]


@pytest.mark.parametrize(
    "filter_form",
    [
        {"beforeMatch": {"filter": {"programExecuted": MEMO}}},
        {"beforeMatch": {"programExecuted": MEMO}},
        {"type": "beforeMatch", "filter": {"type": "programExecuted", "data": MEMO}},
        {"type": "beforeMatch", "filter": {"type": "programExecuted", "program": MEMO}},
    ],
)
def test_around_each_matching_batch(simulator: Simulator, ledger: Ledger, filter_form: Any) -> None:
    matching = []
    for block in ledger.blocks_between(1000, 1009):
        for batch in range(-(-len(block.transactions) // 3)):
            items = block.transactions[3 * batch : 3 * batch + 3]
            hits = [
                item.wire
                for item in items
                if MEMO in map(str, VersionedTransaction.from_bytes(item.wire).message.account_keys)
            ]
            if hits:
                payer = str(VersionedTransaction.from_bytes(items[0].wire).message.account_keys[0])
                matching.append((block.slot, batch, hits[0], payer))
    assert len(matching) > 3
    payer = matching[0][3]
    before = action(filter_form, transfer(1), returnAccounts=[payer])
    after = action({"afterMatch": {"filter": {"programExecuted": MEMO}}}, returnAccounts=[payer])
    found = results(simulator, before, after)
    expected = [
        (slot, batch, index, {"data": base64.b64encode(wire).decode(), "encoding": "base64"})
        for slot, batch, wire, _ in matching
        for index in (0, 1)
    ]
    assert [(one["slot"], one["batchIndex"], one["actionIndex"], one["matched"]) for one in found] == expected
    first, second = found[:2]
    assert first["accounts"] != second["accounts"]


def test_a_batch_with_several_matches_fires_once(simulate: Start, ledger: Ledger) -> None:
    found = results(simulate(batch_size=8), action({"afterMatch": {"filter": {"programExecuted": "1" * 32}}}))
    assert [(one["slot"], one["batchIndex"]) for one in found] == [(slot, 0) for slot in blocks(ledger)]


def test_a_paused_session_has_run_the_actions_before(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009, actions=[action({"beforeEverySlot": 1}), action("afterSlot")])
        with Data(simulator, session) as data:
            data.subscribe("actionSubscribe", [None, {"replayFromSlot": 1001}])
            control.ask("continueTo", {"slot": 1001, "batchIndex": 1})
            control.until("paused")
            first = data.recv()["params"]["result"]
            assert (first["slot"], first["actionIndex"]) == (1001, 0)
            control.proceed(1)
            second = data.recv()["params"]["result"]
            assert (second["slot"], second["actionIndex"]) == (1001, 1)


def test_the_older_forms(simulate: Start) -> None:
    found = results(
        simulate(action_form="0.10"),
        {
            "anchor": {"afterSlot": {"slots": [1001]}},
            "kind": "simulate",
            "transaction": encoded(transfer(10**15)),
            "accountOverrides": {ADDRESS: account_data(SOL)},
        },
        action({"afterSlot": {"slots": [1001]}}),
    )
    (one, empty) = found
    assert one.pop("logs")
    assert one == {
        "context": {"slot": 1001},
        "slot": 1001,
        "batchIndex": None,
        "actionIndex": 0,
        "label": None,
        "committed": False,
        "err": "Error processing Instruction 0: custom program error: 0x1",
        "unitsConsumed": 150,
        "fee": 5000,
        "returnData": None,
        "accounts": [],
        "matched": None,
    }
    assert (empty["err"], empty["logs"], empty["unitsConsumed"]) == (None, [], 0)


def test_every_sub_session_runs_the_actions_of_its_slots(simulator: Simulator) -> None:
    with Control(simulator) as control:
        actions = [action({"afterSlot": {"slots": [1003, 1014]}}, label="one")]
        ids = control.create_parallel(1000, 1019, actions=actions)["session_ids"]
        for session, slot in zip(ids, (1003, 1014)):
            control.proceed(100, session)
            with Data(simulator, session) as data:
                data.subscribe("actionSubscribe", [None, {}])
                assert [(one["slot"], one["label"]) for one in data.results()] == [(slot, "one")]


def test_recorded_blocks_trigger_actions_too(simulate: Start) -> None:
    reply = {
        "slot": 300,
        "transaction": {"signatures": ["s"], "message": {"accountKeys": [ADDRESS, MEMO], "instructions": []}},
        "meta": {"err": None},
    }
    simulator = simulate(Ledger.from_transactions([reply]))
    match = action({"beforeMatch": {"filter": {"programExecuted": MEMO}}}, transfer(1))
    (one,) = results(simulator, match, start=300, end=300)
    assert (one["slot"], one["batchIndex"], one["matched"]) == (300, 0, None)
    assert one["transactionOutcomes"][0]["err"].startswith("Attempt to debit an account")


AFTER = {"anchor": "afterSlot", "kind": "simulate"}


@pytest.mark.parametrize(
    ("bad", "name", "part"),
    [
        ({}, "invalidRequest", "kind of actions[1]"),
        ("x", "invalidRequest", "actions[1]"),
        ({"anchor": "afterSlot", "kind": "guess"}, "invalidRequest", "simulate or send"),
        ({"kind": "send"}, "invalidRequest", "anchor of actions[1]"),
        ({**AFTER, "anchor": "sometimes"}, "invalidRequest", "sometimes"),
        ({**AFTER, "anchor": "beforeSlot"}, "invalidRequest", "the anchor of actions[1] must have slots"),
        ({**AFTER, "anchor": {"beforeSlot": None}}, "invalidRequest", "the anchor of actions[1] must have slots"),
        (
            action({"afterSlot": {"slots": [1001, 1002, 1003]}}, transfer(1)),
            "invalidRequest",
            "actions[1] has 1 transactions for 3 slots",
        ),
        (
            action({"beforeSlot": {"slots": [1001, 1002]}}, *[transfer(1)] * 3),
            "invalidRequest",
            "actions[1] has 3 transactions for 2 slots",
        ),
        (
            {**AFTER, "anchor": {"afterSlot": {"slots": [1001, 1002]}}, "transaction": encoded(transfer(1))},
            "invalidRequest",
            "actions[1] has 1 transactions for 2 slots",
        ),
        ({**AFTER, "anchor": {"afterSlot": {"slots": []}}}, "invalidRequest", "slots"),
        ({**AFTER, "anchor": {"afterSlot": {"slots": [True]}}}, "invalidRequest", "slots"),
        ({**AFTER, "anchor": {"a": 1, "b": 2}}, "invalidRequest", "one key"),
        ({**AFTER, "anchor": {"afterEverySlot": 0}}, "invalidRequest", "everyNSlots"),
        ({**AFTER, "anchor": "afterEverySlot"}, "invalidRequest", "everyNSlots"),
        (
            {**AFTER, "anchor": {"afterMatch": {"filter": {"oracleUpdate": {}}}}},
            "invalidRequest",
            "must be programExecuted, no other is supported",
        ),
        ({**AFTER, "anchor": {"afterMatch": {"filter": {"programExecuted": "x"}}}}, "invalidRequest", "address"),
        ({**AFTER, "transactions": "KLUv/Q=="}, "invalidTransactionEncoding", "actions[1]"),
        (
            {**AFTER, "accountOverrides": {MEMO: account_data(1, executable=True)}},
            "invalidRequest",
            "actions[1] overrides a program",
        ),
        ({**AFTER, "transactions": ["AQ=="], "transaction": "AQ=="}, "invalidRequest", "use transactions"),
        ({**AFTER, "transactions": ["%"]}, "invalidTransactionEncoding", ""),
        ({**AFTER, "transactions": ["AQID"]}, "invalidTransactionFormat", ""),
        ({**AFTER, "transaction": 7}, "invalidRequest", "base64"),
        ({**AFTER, "accountOverrides": {"x": account_data(1)}}, "invalidAccountPubkey", ""),
        ({**AFTER, "accountOverrides": {ADDRESS: {**account_data(1), "owner": "x"}}}, "invalidAccountOwner", ""),
        ({**AFTER, "returnAccounts": ["x"]}, "invalidAccountPubkey", ""),
        ({**AFTER, "label": 7}, "invalidRequest", "label"),
        ({**AFTER, "feedsReroute": True}, "invalidRequest", "feedsReroute"),
        (
            {**AFTER, "kind": "send", "accountOverrides": {ADDRESS: account_data(1)}},
            "invalidRequest",
            "require the kind simulate",
        ),
    ],
)
def test_bad_actions_refuse_the_create(simulator: Simulator, bad: Any, name: str, part: str) -> None:
    with Control(simulator) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "actions": [AFTER, bad]})
        ((found, fields),) = control.recv()["params"].items()
        assert found == name
        assert part in fields["error"]
        # The socket still works.
        assert control.create(1000, 1009, actions=[AFTER])


def test_an_override_that_the_engine_refuses_is_reported(simulator: Simulator) -> None:
    with Control(simulator) as control:
        bad = action({"afterSlot": {"slots": [1002]}}, transfer(1), accountOverrides={CLOCK: account_data(1, b"xx")})
        control.create(1000, 1009, actions=[bad])
        control.proceed(100)
        (error,) = [one["params"] for one in control.until("completed") if one["method"] == "error"]
        assert "actions[0]" in error["simulationError"]["error"]


def test_an_attempt_leaves_the_engine_as_it_was() -> None:
    """Accounts that are created or removed, and a replaced program, included."""
    program, new = Keypair.from_seed(b"g" * 32).pubkey(), Keypair.from_seed(b"n" * 32)
    address, account = program_account(program)
    engine = Engine({RICH.pubkey(): wallet(100 * SOL), POOR.pubkey(): wallet(SOL)})
    engine.enter_slot(500, 1_700_000_000)
    call = transaction(Instruction(program, b"", []))
    engine.set_accounts([(program, account), (address, Account(SOL, program_data(0), UPGRADEABLE_LOADER))])
    before = engine.snapshot()
    overrides = [(address, Account(SOL, program_data(7), UPGRADEABLE_LOADER)), (new.pubkey(), wallet(SOL))]
    empty = transfer(SOL - 5000, sender=POOR, receiver=new)
    back = transfer(SOL, sender=new, receiver=RICH)
    for _ in range(2):
        outcomes, (gone, left) = engine.attempt(overrides, [call, empty, back], [POOR.pubkey(), new.pubkey()])
        assert [outcome.error for outcome in outcomes] == [{"InstructionError": [0, {"Custom": 7}]}, None, None]
        assert gone is None
        assert left is not None
        assert left.lamports == SOL - 10_000
        assert engine.snapshot() == before
        assert engine.execute(call).error is None
        engine.set_accounts([(RICH.pubkey(), wallet(100 * SOL))])
    with pytest.raises(AccountRefused):
        engine.attempt([(Pubkey.from_string(CLOCK), wallet(1))], [empty], [])
    assert engine.snapshot() == before


def test_the_schedule() -> None:
    one = Action(0, SlotAnchor(True, (5, 7, 5)), False, (transfer(1), transfer(2), transfer(3)))
    two = Action(1, SlotAnchor(True, None, 5), False)
    schedule = Schedule([one, two])
    assert [(due.action.index, len(due.transactions)) for due in schedule.at(5, before=True)] == [(0, 2), (1, 0)]
    assert [(due.action.index, len(due.transactions)) for due in schedule.at(7, before=True)] == [(0, 1)]
    assert schedule.at(5, before=False) == []
    assert not schedule.programs
