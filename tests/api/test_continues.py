"""Continues with their contents, pauses, and what is refused."""

from __future__ import annotations

import base64

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync
from simsync.local import Simulator

SOL = 1_000_000_000


def funded_transfer(lamports: int) -> tuple[Keypair, Pubkey, Transaction]:
    """A transfer between two accounts that the ledger does not know."""
    payer, receiver = Keypair.from_seed(bytes([7] * 32)), Pubkey.from_bytes(bytes([9] * 32))
    instruction = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=receiver, lamports=lamports))
    transaction = Transaction([payer], Message([instruction], payer.pubkey()), Hash.default())
    return payer, receiver, transaction


def until_ready(sub: simsync.SubSession) -> list[simsync.Event]:
    events: list[simsync.Event] = []
    while not events or not isinstance(events[-1], (simsync.ReadyForContinue, simsync.Completed)):
        events.append(sub.next_event(timeout=20))
    return events


# feature: continue with a count, transactions (text, bytes, objects) and accounts
def test_an_own_transaction_is_executed_and_its_effect_readable(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    payer, receiver, transaction = funded_transfer(3 * SOL)
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        sub.subscribe_transactions()
        until_ready(sub)
        sub.send_continue(
            advance_count=1,
            transactions=[transaction],
            modify_accounts={str(payer.pubkey()): simsync.AccountData(10 * SOL)},
        )
        events = until_ready(sub)
        assert sub.rpc.get_balance(receiver) == 3 * SOL
        signature = str(transaction.signatures[0])
        events += list(sub.events(advance=100, timeout=20))
        (own,) = [event for event in events if isinstance(event, simsync.Transaction) and event.signature == signature]
        assert own.error is None
        assert own.slot == 1001
        index = own.account_keys.index(str(receiver))
        assert own.post_balances[index] - own.pre_balances[index] == 3 * SOL
        assert own.raw["meta"]["fee"] == own.fee
        assert sub.coverage.complete


def test_reading_and_writing_state_over_rpc(client: simsync.Client, create: simsync.CreateSession) -> None:
    _payer, receiver, transaction = funded_transfer(SOL)
    with client.parallel(create) as session:
        sub = session.sub_sessions[1]
        until_ready(sub)
        assert sub.rpc.get_account_info(receiver) is None
        state = simsync.AccountData(5, data=b"abc")
        sub.rpc.modify_accounts({str(receiver): state})
        assert sub.rpc.get_account_info(receiver) == state
        assert sub.rpc.get_multiple_accounts([receiver, Pubkey.default()])[0] == state
        simulated = sub.rpc.simulate_transaction(transaction)
        assert simulated.error is not None
        with pytest.raises(simsync.RpcError):
            sub.rpc.send_transaction(transaction)
        with pytest.raises(simsync.RpcError) as unknown:
            sub.rpc.call("getWeather")
        assert unknown.value.code == -32601


def test_a_pause_inside_a_slot_and_going_on(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        until_ready(sub)
        sub.send_continue_to(1003, 0)
        events: list[simsync.Event] = []
        while not events or not isinstance(events[-1], simsync.Paused):
            events.append(sub.next_event(timeout=20))
        paused = events[-1]
        assert isinstance(paused, simsync.Paused)
        assert (paused.slot, paused.batch_index) == (1003, 0)
        rest = list(sub.events(advance=2, timeout=20))
        slots = [event.slot for event in [*events, *rest] if isinstance(event, simsync.Slot)]
        assert slots == [1001, 1002, 1003, 1004, 1005]


@pytest.mark.parametrize("ready_after_paused", [False, True])
def test_advancing_after_a_pause_works_whatever_the_server_says_then(
    ledger: object, options: simsync.Options, create: simsync.CreateSession, ready_after_paused: bool
) -> None:
    with Simulator(ledger, ready_after_paused=ready_after_paused) as simulator:  # type: ignore[arg-type]
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with client.parallel(create) as session:
            sub = session.sub_sessions[0]
            slots = []
            for event in sub.events(advance=1, timeout=20):
                if isinstance(event, simsync.Slot):
                    slots.append(event.slot)
                elif isinstance(event, simsync.ReadyForContinue) and slots == [1000]:
                    sub.send_continue_to(1002)
            assert slots == [1000, 1001, 1002, 1003, 1004, 1005]


def test_a_second_continue_is_refused_while_the_first_is_at_work(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        sub.send_continue(advance_count=2)
        with pytest.raises(simsync.ContinueSendError, match="the previous continue is still running"):
            sub.send_continue(advance_count=2)
        assert isinstance(list(sub.events(advance=100, timeout=20))[-1], simsync.Completed)
        with pytest.raises(simsync.ContinueSendError, match="completed"):
            sub.send_continue()


def test_continues_may_queue_by_option(simulator: Simulator, create: simsync.CreateSession) -> None:
    client = simsync.Client(simulator.url, simulator.api_key, options=simsync.Options(queue_continues=True))
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        for _ in range(5):
            sub.send_continue(timeout=20)
        events = list(sub.events(timeout=20))
        assert isinstance(events[-1], simsync.Completed)


def test_a_bad_transaction_is_reported_by_the_server_and_the_run_goes_on(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        until_ready(sub)
        sub.send_continue(transactions=[base64.b64encode(b"no transaction").decode()])
        events = list(sub.events(advance=100, timeout=20))
        errors = [event.error for event in events if isinstance(event, simsync.SessionError)]
        assert errors[0].name.startswith("InvalidTransaction")
        assert sub.coverage.complete


def test_bad_arguments_are_refused_before_anything_is_sent(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        for call in (
            lambda: sub.send_continue(advance_count=0),
            lambda: sub.send_continue(simsync.Continue(1), advance_count=1),
            lambda: sub.send_continue("now"),  # type: ignore[arg-type]
            lambda: sub.send_continue_to(-1),
            lambda: sub.events(advance=0),
            lambda: sub.events(timeout=-1),
            lambda: sub.next_event(timeout=float("nan")),
            lambda: sub.subscribe_transactions(["not an address"]),
            lambda: session.events(advance=0),
            lambda: session.map(lambda sub: sub, workers=0),
        ):
            with pytest.raises(simsync.InvalidParams):
                call()
        assert sub.status in ("starting", "ready")
