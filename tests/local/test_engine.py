from __future__ import annotations

import tracemalloc

import pytest
from solders.account import Account
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.backtest.messages import Summary
from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.engine import Engine
from simsync.local.engine.programs import (
    LOOKUP_TABLE_PROGRAM,
    associated_address,
    close_account,
    create_associated_account,
    create_mint,
    lookup_table_data,
    mint_to,
    system_transfer,
    token_transfer,
)
from simsync.local.engine.sysvars import PastSlot
from simsync.local.ledger.ledger import Ledger

from .actors import (
    BLOCKHASH,
    POOR,
    RICH,
    UPGRADEABLE_LOADER,
    note,
    program_account,
    program_data,
    transaction,
    transfer,
    wallet,
)

SOL = 1_000_000_000


@pytest.fixture
def engine() -> Engine:
    made = Engine({RICH.pubkey(): wallet(100 * SOL), POOR.pubkey(): wallet(SOL)})
    made.enter_slot(500, 1_700_000_000)
    return made


def test_every_bundle_executes_as_recorded_from_its_own_snapshot(ledger: Ledger) -> None:
    for bundle in ledger.bundles:
        engine, summary = Engine(bundle.accounts), Summary()
        for block in ledger.blocks_between(bundle.start_slot, bundle.end_slot):
            engine.enter_slot(block.slot, ledger.time_of(block.slot))
            for item in block.transactions:
                summary.count(item, engine.execute(VersionedTransaction.from_bytes(item.wire)))
        assert summary == Summary(correct=summary.correct)
        assert summary.correct >= 72
    assert engine.snapshot().keys() >= ledger.bundles[-1].accounts.keys()


def test_a_transfer_moves_lamports_and_pays_the_fee(engine: Engine) -> None:
    outcome = engine.execute(transfer(SOL))
    assert outcome.error is None
    assert outcome.fee == 5000
    assert outcome.pre_balances == (100 * SOL, SOL, 1)
    assert outcome.post_balances == (99 * SOL - 5000, 2 * SOL, 1)
    assert outcome.written_balances() == (99 * SOL - 5000, 2 * SOL)
    assert outcome.logs[-1] == "Program 11111111111111111111111111111111 success"
    assert outcome.units == 150
    changed = {change.address: change for change in outcome.changes}
    assert set(changed) == {RICH.pubkey(), POOR.pubkey()}
    before, after = changed[POOR.pubkey()].before, changed[POOR.pubkey()].after
    assert before is not None
    assert after is not None
    assert (before.lamports, after.lamports) == (SOL, 2 * SOL)


def test_a_failed_transaction_pays_only_the_fee(engine: Engine) -> None:
    outcome = engine.execute(transfer(500 * SOL))
    assert outcome.error == {"InstructionError": [0, {"Custom": 1}]}
    assert outcome.fee == 5000
    assert engine.balance(RICH.pubkey()) == 100 * SOL - 5000
    assert "insufficient lamports" in "".join(outcome.logs)


def test_a_payer_without_account_pays_nothing(engine: Engine) -> None:
    outcome = engine.execute(transfer(1, sender=Keypair.from_seed(b"n" * 32)))
    assert outcome.error == "AccountNotFound"
    assert outcome.fee == 0
    assert not outcome.unsanitizable


def test_a_transaction_may_be_repeated_and_unsigned(engine: Engine) -> None:
    unsigned = VersionedTransaction.populate(transfer(SOL).message, transfer(2).signatures)
    assert engine.execute(unsigned).error is None
    assert engine.execute(unsigned).error is None
    assert engine.balance(POOR.pubkey()) == 3 * SOL


def test_a_malformed_transaction_is_unsanitizable(engine: Engine) -> None:
    outcome = engine.execute(VersionedTransaction.populate(transfer(1).message, []))
    assert outcome.error == "SanitizeFailure"
    assert outcome.unsanitizable


def test_the_stated_fee_is_the_fee_that_is_charged(engine: Engine) -> None:
    priced = transaction(
        set_compute_unit_limit(1000),
        set_compute_unit_price(1_500_001),
        system_transfer(RICH.pubkey(), POOR.pubkey(), 1),
    )
    outcome = engine.execute(priced)
    assert outcome.error is None
    assert engine.fee_of(priced.message) == outcome.fee
    assert engine.balance(RICH.pubkey()) == 100 * SOL - 1 - outcome.fee


def test_token_balances_before_and_after(engine: Engine) -> None:
    mint = Keypair.from_seed(b"m" * 32)
    rich, poor = (associated_address(owner.pubkey(), mint.pubkey()) for owner in (RICH, POOR))
    create = create_mint(RICH.pubkey(), mint.pubkey(), engine.rent_exempt_minimum(82), 6)
    setup = MessageV0.try_compile(RICH.pubkey(), create, [], BLOCKHASH)
    assert engine.execute(VersionedTransaction(setup, [RICH, mint])).error is None
    opened = engine.execute(
        transaction(
            create_associated_account(RICH.pubkey(), RICH.pubkey(), mint.pubkey()),
            create_associated_account(RICH.pubkey(), POOR.pubkey(), mint.pubkey()),
            mint_to(mint.pubkey(), rich, RICH.pubkey(), 5_000_000),
        )
    )
    assert opened.error is None
    assert not opened.pre_tokens
    assert sorted(balance.amount for balance in opened.post_tokens) == [0, 5_000_000]
    moved = engine.execute(transaction(token_transfer(rich, mint.pubkey(), poor, RICH.pubkey(), 1_250_000, 6)))
    assert [balance.amount for balance in sorted(moved.pre_tokens, key=lambda one: one.amount)] == [0, 5_000_000]
    shown = {balance.owner: balance.to_json() for balance in moved.post_tokens}
    assert shown[str(RICH.pubkey())]["uiTokenAmount"] == {
        "amount": "3750000",
        "decimals": 6,
        "uiAmount": 3.75,
        "uiAmountString": "3.75",
    }
    assert shown[str(POOR.pubkey())]["mint"] == str(mint.pubkey())
    assert shown[str(POOR.pubkey())]["programId"] == "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    back = transaction(
        token_transfer(rich, mint.pubkey(), poor, RICH.pubkey(), 3_750_000, 6), close_account(rich, RICH.pubkey())
    )
    closed = engine.execute(back)
    assert closed.error is None
    assert engine.account(rich) is None
    assert [balance.amount for balance in closed.post_tokens] == [5_000_000]


def test_addresses_from_a_lookup_table(engine: Engine) -> None:
    table = Keypair.from_seed(b"t" * 32).pubkey()
    data = lookup_table_data(RICH.pubkey(), [POOR.pubkey()])
    engine.set_accounts([(table, Account(SOL, data, LOOKUP_TABLE_PROGRAM))])
    message = MessageV0.try_compile(
        RICH.pubkey(),
        [system_transfer(RICH.pubkey(), POOR.pubkey(), 7)],
        [AddressLookupTableAccount(table, [POOR.pubkey()])],
        BLOCKHASH,
    )
    outcome = engine.execute(VersionedTransaction(message, [RICH]))
    assert outcome.error is None
    assert outcome.loaded_writable == [POOR.pubkey()]
    assert outcome.loaded_readonly == []
    assert outcome.keys[-1] == POOR.pubkey()
    assert outcome.post_balances[-1] - outcome.pre_balances[-1] == 7


def test_simulation_keeps_nothing(engine: Engine) -> None:
    outcome, written = engine.simulate(transfer(SOL))
    assert outcome.error is None
    assert written[POOR.pubkey()].lamports == 2 * SOL
    assert engine.balance(POOR.pubkey()) == SOL
    failed, written = engine.simulate(transfer(500 * SOL))
    assert failed.error == {"InstructionError": [0, {"Custom": 1}]}
    assert written == {}


def test_new_program_data_makes_the_new_code_run(engine: Engine) -> None:
    program = Keypair.from_seed(b"g" * 32).pubkey()
    address, account = program_account(program)
    call = transaction(Instruction(program, b"", []))
    # The program comes first on purpose, although its ProgramData must be set before it.
    engine.set_accounts([(program, account), (address, Account(SOL, program_data(0), UPGRADEABLE_LOADER))])
    assert engine.execute(call).error is None
    engine.set_accounts([(address, Account(SOL, program_data(7), UPGRADEABLE_LOADER))])
    assert engine.execute(call).error == {"InstructionError": [0, {"Custom": 7}]}


def test_an_account_that_the_engine_cannot_take_is_refused(engine: Engine) -> None:
    clock = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
    nobody = Keypair.from_seed(b"n" * 32).pubkey()
    changes = [(POOR.pubkey(), wallet(3)), (nobody, wallet(4)), (clock, Account(1, b"xx", RICH.pubkey()))]
    with pytest.raises(AccountRefused, match="Clock"):
        engine.set_accounts(changes)
    # All or none.
    assert engine.balance(POOR.pubkey()) == SOL
    assert engine.account(nobody) is None


def test_zero_lamports_remove_an_account(engine: Engine) -> None:
    engine.set_accounts([(POOR.pubkey(), wallet(0))])
    assert engine.account(POOR.pubkey()) is None
    assert POOR.pubkey() not in engine.snapshot()


def test_the_trace_tells_programs_and_results_apart(engine: Engine) -> None:
    one, same, other = engine.execute(transfer(1)), engine.execute(transfer(2)), engine.execute(note("hello"))
    failed = engine.execute(transfer(500 * SOL))
    assert one.trace() == same.trace()
    assert len({one.trace(), other.trace(), failed.trace()}) == 3


@pytest.mark.parametrize("past", [[], [PastSlot(1_000, str(BLOCKHASH))]])
def test_a_long_gap_between_slots_takes_little_memory(past: list[PastSlot]) -> None:
    engine = Engine({}, past=past)
    tracemalloc.start()
    try:
        if not past:
            engine.enter_slot(1_000, 0, blockhash=str(BLOCKHASH))
        engine.enter_slot(5_001_000, 2_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000_000
