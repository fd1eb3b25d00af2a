"""Another version of a program in the same slots: what changes, and what does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

import simsync
from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program

FIRST, SLOTS, BUNDLE = 1_000, 20, 10
FAILURE = {"InstructionError": [0, {"Custom": 7}]}


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(
        seed=6, start_slot=FIRST, slots=SLOTS, transactions_per_slot=20, bundle_size=BUNDLE, tiny_program=True
    )


@pytest.fixture
def client(ledger: Ledger, options: simsync.Options) -> Iterator[simsync.Client]:
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key, options=options)


PAYER = Keypair.from_seed(bytes([8] * 32))


def call_of(program: Pubkey) -> Transaction:
    return Transaction([PAYER], Message([Instruction(program, b"", [])], PAYER.pubkey()), Hash.default())


@pytest.fixture
def session(client: simsync.Client) -> Iterator[simsync.BacktestSession]:
    """Ready, with a payer that has money."""
    with client.session(simsync.CreateSession(FIRST, slot_count=BUNDLE), timeout=20) as opened:
        opened.ensure_ready(timeout=20)
        opened.modify_accounts({str(PAYER.pubkey()): simsync.accounts.system_account(1_000_000_000)})
        yield opened


Outcomes = dict[str, tuple[int, object, bool]]


def outcomes(client: simsync.Client, binary: bytes | None, advance: int = 5) -> Outcomes:
    """Slot, error, and whether it calls the tiny program, of every transaction."""
    with client.parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=20) as session:
        for sub in session.sub_sessions:
            sub.subscribe_transactions()
            if binary is not None:
                sub.ensure_ready(timeout=20)
                sub.modify_program(TINY_PROGRAM, binary)
        found = {
            event.signature: (event.slot, event.error, str(TINY_PROGRAM) in event.account_keys)
            for _sub, event in session.events(advance=advance, timeout=20)
            if isinstance(event, simsync.Transaction)
        }
        assert session.run_summary.complete
    return found


# feature: `modify_program`, with and without a session
def test_the_second_version_changes_exactly_the_transactions_that_call_it(client: simsync.Client) -> None:
    before = outcomes(client, None)
    after = outcomes(client, tiny_program(result=7))
    assert before.keys() == after.keys()
    starts = {FIRST, FIRST + BUNDLE}  # executed before the session was ready, so with the first version
    changed = {key for key in before if before[key] != after[key]}
    calls = {key for key, (slot, error, call) in before.items() if call and error is None and slot not in starts}
    assert len(calls) > 5
    assert changed == calls
    assert all(after[key][1] == FAILURE for key in changed)


def test_the_same_version_changes_nothing(client: simsync.Client) -> None:
    assert outcomes(client, tiny_program()) == outcomes(client, None)


# feature: deploy slot before the range
def test_a_program_that_was_deployed_in_the_current_slot_does_not_run_in_it(session: simsync.BacktestSession) -> None:
    call = call_of(TINY_PROGRAM)
    assert session.rpc.simulate_transaction(call).error is None
    session.modify_program(TINY_PROGRAM, tiny_program(result=7), deploy_slot=session.rpc.get_slot())
    hidden = session.rpc.simulate_transaction(call).error
    assert hidden is not None
    assert hidden != FAILURE
    session.advance(timeout=20)
    assert session.rpc.simulate_transaction(call).error == FAILURE
    session.modify_program(TINY_PROGRAM, tiny_program())  # by default deployed before the range: it runs at once
    assert session.rpc.simulate_transaction(call).error is None


def test_a_program_where_none_was(session: simsync.BacktestSession) -> None:
    program = Pubkey.from_bytes(bytes([5] * 32))
    assert session.rpc.simulate_transaction(call_of(program)).error is not None
    written = session.modify_program(program, tiny_program(result=3), authority=PAYER.pubkey())
    assert len(written) == 2
    assert session.rpc.simulate_transaction(call_of(program)).error == {"InstructionError": [0, {"Custom": 3}]}
    assert session.rpc.get_account_info(program) == written[str(program)]


def test_without_a_session(session: simsync.BacktestSession) -> None:
    session.advance(timeout=20)
    rpc = simsync.Rpc(session.rpc_endpoint)
    try:
        (program_data,) = rpc.modify_program(TINY_PROGRAM, tiny_program(result=9)).values()
        assert program_data.data[4:12] == (FIRST).to_bytes(8, "little")  # the slot before the present one
        outcome = rpc.simulate_transaction(call_of(TINY_PROGRAM))
        assert outcome.error == {"InstructionError": [0, {"Custom": 9}]}
    finally:
        rpc.close()
