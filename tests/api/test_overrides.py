"""Overrides of a slot: there from the start of that slot, for transactions and for the RPC, and not before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from solders.keypair import Keypair

import simsync
from simsync import accounts
from tests.local.actors import POOR, RICH, encoded, transfer

FIRST = 1_000
LAST_OF_FIRST_BUNDLE = 1_005
SENDER, RECEIVER = str(RICH.pubkey()), str(POOR.pubkey())
POOL = str(Keypair.from_seed(b"o" * 32).pubkey())
SOL = 1_000_000_000


def advance(sub: simsync.SubSession, blocks: int, **more: Any) -> list[simsync.Event]:
    """Execute blocks; everything up to the next ready."""
    sub.send_continue(advance_count=blocks, timeout=20, **more)
    events = []
    while True:
        events.append(sub.next_event(timeout=20))
        if isinstance(events[-1], (simsync.ReadyForContinue, simsync.Completed)):
            return events


def begin(sub: simsync.SubSession) -> None:
    while not isinstance(sub.next_event(timeout=20), simsync.ReadyForContinue):
        pass


# feature: overrides per slot
def test_the_rpc_sees_it_from_its_slot_on(client: simsync.Client, create: simsync.CreateSession) -> None:
    pool = accounts.token_account(RICH.pubkey(), POOR.pubkey(), 7)
    other = accounts.token_account(RICH.pubkey(), POOR.pubkey(), 8)
    overrides = {FIRST + 3: {POOL: other}, FIRST + 1: {POOL: pool}, FIRST + 4: {POOL: accounts.removed_account()}}
    with client.parallel(replace(create, overrides=overrides), timeout=20) as session:
        sub = session.sub_sessions[0]
        begin(sub)
        seen = {}
        for _ in range(4):
            seen[sub.rpc.get_slot()] = sub.rpc.get_account_info(POOL)
            advance(sub, 1)
        seen[sub.rpc.get_slot()] = sub.rpc.get_account_info(POOL)
    assert seen == {FIRST: None, FIRST + 1: pool, FIRST + 2: pool, FIRST + 3: other, FIRST + 4: None}


def test_the_first_slot_can_have_one(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(replace(create, overrides={FIRST: {POOL: accounts.system_account(7)}}), timeout=20) as session:
        assert session.sub_sessions[0].rpc.get_balance(POOL) == 7


def test_transactions_of_the_slot_see_it(client: simsync.Client, create: simsync.CreateSession) -> None:
    overrides = {FIRST + 3: {SENDER: accounts.system_account(5 * SOL)}}
    with client.parallel(replace(create, overrides=overrides), timeout=20) as session:
        sub = session.sub_sessions[0]
        sub.subscribe_transactions()
        begin(sub)
        events = []
        for lamports in (SOL, SOL + 1, SOL + 2):  # with the slots FIRST + 1, + 2 and + 3
            events += advance(sub, 1, transactions=[transfer(lamports)])
        events += list(sub.events(timeout=20, advance=9))
        own = [e for e in events if isinstance(e, simsync.Transaction) and e.account_keys[0] == SENDER]
    errors = {event.slot: event.error for event in own}
    assert errors == {FIRST + 1: "AccountNotFound", FIRST + 2: "AccountNotFound", FIRST + 3: None}
    assert own[-1].pre_balances[0] == 5 * SOL


# feature: results of actions
def test_scheduled_actions_keep_their_places_in_front_of_it(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    overrides = {FIRST + 3: {SENDER: accounts.system_account(5 * SOL)}}
    reads = [
        simsync.ScheduledAction(simsync.Anchor(where, [FIRST + 3]), transactions=[encoded(transfer(SOL))], label=where)
        for where in ("before_slot", "after_slot")
    ]
    create = replace(create, overrides=overrides, actions=reads)
    with pytest.warns(simsync.UsageWarning), client.parallel(create, timeout=20) as session:
        sub = session.sub_sessions[0]
        sub.subscribe_actions()
        results = [e for e in sub.events(timeout=20, advance=9) if isinstance(e, simsync.ActionResult)]
    found = [(one.action_index, one.label, one.outcomes[0].error is None) for one in results]
    assert found == [(0, "before_slot", False), (1, "after_slot", True)]


def test_a_sub_session_has_those_of_its_own_slots(client: simsync.Client, create: simsync.CreateSession) -> None:
    overrides = {slot: {POOL: accounts.system_account(slot)} for slot in (FIRST + 1, LAST_OF_FIRST_BUNDLE + 2)}
    with client.parallel(replace(create, overrides=overrides), timeout=20) as session:
        found = []
        for sub in session.sub_sessions:
            begin(sub)
            advance(sub, 2)
            found.append(sub.rpc.get_balance(POOL))
    assert found == [FIRST + 1, LAST_OF_FIRST_BUNDLE + 2, 0]


def test_overrides_alone_are_no_action_results(client: simsync.Client, create: simsync.CreateSession) -> None:
    overrides = {FIRST + 2: {POOL: accounts.system_account(7)}}
    with client.parallel(replace(create, overrides=overrides), timeout=20) as session:
        sub = session.sub_sessions[0]
        sub.subscribe_actions()
        sub.subscribe_account_diffs(accounts=[POOL])
        events = list(sub.events(timeout=20, advance=9))
    assert not any(isinstance(event, simsync.ActionResult) for event in events)
    diffs = [event for event in events if isinstance(event, simsync.AccountDiff)]
    assert [(diff.slot, accounts.from_state(diff.after)) for diff in diffs] == [(FIRST + 2, accounts.system_account(7))]
