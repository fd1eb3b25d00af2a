"""What became of own transactions: in the step, and by signature."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync
from simsync.local import Faults, Ledger, Simulator

RICH, POOR, PAYEE = Keypair(), Keypair(), Keypair()


def payment(payer: Keypair, lamports: int) -> Transaction:
    moved = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=PAYEE.pubkey(), lamports=lamports))
    return Transaction([payer], Message([moved], payer.pubkey()), Hash.default())


@pytest.fixture
def session() -> Iterator[simsync.BacktestSession]:
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1)) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, slot_count=10), timeout=20) as session:
            session.modify_accounts({RICH.pubkey(): simsync.accounts.system_account(10**10)})
            session.ensure_ready(20)
            yield session


def test_a_step_tells_the_outcome_of_each(session: simsync.BacktestSession) -> None:
    sent = [payment(RICH, 10**9), payment(RICH, 10**12), payment(POOR, 5)]
    step = session.advance(2, transactions=sent, timeout=20)
    good, bad, unpaid = step.own
    assert [outcome.signature for outcome in step.own] == [str(one.signatures[0]) for one in sent]
    assert [outcome.succeeded for outcome in step.own] == [True, False, False]
    assert good.slot in step.slots
    assert good.fee == 5_000 and good.compute_units and good.logs
    assert (bad.error_text, bad.error_code, bad.error_instruction) == (
        "instruction 0 failed: custom program error 1 (0x1)",
        1,
        0,
    )
    assert "insufficient lamports" in bad.logs[1]
    assert unpaid.error_text == "AccountNotFound"
    assert "getSignatureStatuses" in good.how
    assert session.advance(1, timeout=20).own == ()


def test_the_outcome_after_send_continue_is_found_by_signature(session: simsync.BacktestSession) -> None:
    own = payment(RICH, 10**9)
    session.send_continue(transactions=[own], timeout=20)
    session.ensure_ready(20)
    assert session.outcome(own.signatures[0], timeout=20).succeeded
    other = session.outcome(payment(RICH, 7).signatures[0])
    assert other.succeeded is None
    assert "it has none for this signature" in other.how
    with pytest.raises(simsync.InvalidParams):
        session.outcome("x")


def test_unsigned_transactions_cannot_be_told_apart(session: simsync.BacktestSession) -> None:
    unsigned = [Transaction.new_unsigned(payment(RICH, lamports).message) for lamports in (1, 10**12)]
    step = session.advance(1, transactions=unsigned, timeout=20)
    assert [outcome.succeeded for outcome in step.own] == [None, None]
    assert all("several of the transactions have this signature" in outcome.how for outcome in step.own)


def test_an_rpc_that_fails_leaves_the_outcome_unknown_and_the_step_whole(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults().refuse_http(500, times=10)
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1), faults=faults) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, slot_count=10), timeout=20) as session:
            step = session.advance(2, transactions=[payment(RICH, 1)], timeout=20)
    assert len(step.slots) == 2
    assert step.own[0].succeeded is None
    assert "could not be asked" in step.own[0].how
    assert "the outcome of own transactions is not known" in caplog.text
