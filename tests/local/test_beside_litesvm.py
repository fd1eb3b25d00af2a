"""The same transactions, through the simulator's RPC and on LiteSVM directly, come out the same.

Each test is a scene of what runs on a cluster. The LiteSVM beside the simulator gets the same accounts and sysvars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from solders import system_program as system
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import (
    request_heap_frame,
    set_compute_unit_limit,
    set_compute_unit_price,
    set_loaded_accounts_data_size_limit,
)
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from simsync.local import Ledger, Simulator, tiny_program
from simsync.local.engine.programs import (
    SYSTEM_PROGRAM,
    UPGRADEABLE_LOADER,
    VOTE_PROGRAM,
    memo,
    system_transfer,
)

from . import cluster_instructions as cluster
from .actors import POOR
from .bare import Control
from .beside import OTHER, PAYER, REPORTS_FEE, SOL, Beside

EPOCH = 432_000
FIRST, LAST = EPOCH - 20, EPOCH + 560
"""The session begins shortly before an epoch ends, and lasts until a lookup table can be closed."""
SIGNATURE_FEE = 5_000
TOO_FEW_UNITS = "ComputationalBudgetExceeded" if REPORTS_FEE else "ProgramFailedToComplete"


def key(letter: str) -> Keypair:
    return Keypair.from_seed(letter.encode() * 32)


@pytest.fixture(scope="module")
def empty_ledger() -> Ledger:
    size = LAST - FIRST + 1
    return Ledger.generate(start_slot=FIRST, slots=size, bundle_size=size, transactions_per_slot=0, accounts=4)


@pytest.fixture
def both(simulate: Callable[..., Simulator], empty_ledger: Ledger) -> Iterator[Beside]:
    simulator = simulate(empty_ledger)
    with Control(simulator) as control:
        yield Beside(simulator, control, FIRST, LAST)


def in_instruction(index: int, error: object) -> object:
    return {"InstructionError": [index, error]}


# -- programs


def fill_buffer(both: Beside, buffer: Keypair, code: bytes) -> None:
    size = cluster.BUFFER_HEADER + len(code)
    both.run(
        cluster.new_account(PAYER, buffer.pubkey(), both.rent(size), size, UPGRADEABLE_LOADER),
        cluster.initialize_buffer(buffer.pubkey(), PAYER),
        signers=(buffer,),
    )
    both.run(cluster.write_buffer(buffer.pubkey(), PAYER, code))


def test_a_program_is_deployed_called_and_upgraded(both: Beside) -> None:
    program, first, second = key("a"), key("b"), key("c")
    call = Instruction(program.pubkey(), b"", [])
    code = tiny_program(0)
    fill_buffer(both, first, code)
    deploy = cluster.deploy(PAYER, program.pubkey(), first.pubkey(), PAYER, 2 * len(code))
    space = cluster.PROGRAM_SIZE
    create = cluster.new_account(PAYER, program.pubkey(), both.rent(space), space, UPGRADEABLE_LOADER)
    both.run(create, deploy, signers=(program,))
    both.go_on()
    both.run(call)
    fill_buffer(both, second, tiny_program(7))
    both.run(cluster.upgrade(program.pubkey(), second.pubkey(), OTHER, PAYER))
    both.go_on()
    both.run(call, error=in_instruction(0, {"Custom": 7}))


def test_what_is_no_program_cannot_be_deployed(both: Beside) -> None:
    program, buffer = key("a"), key("b")
    fill_buffer(both, buffer, b"\x7fELF" + bytes(100))
    space = cluster.PROGRAM_SIZE
    create = cluster.new_account(PAYER, program.pubkey(), both.rent(space), space, UPGRADEABLE_LOADER)
    deploy = cluster.deploy(PAYER, program.pubkey(), buffer.pubkey(), PAYER, 200)
    both.run(create, deploy, signers=(program,), error=in_instruction(1, "InvalidAccountData"))


# -- precompiles


PRECOMPILES = [cluster.verify_ed25519, cluster.verify_secp256k1, cluster.verify_secp256r1]


@pytest.mark.parametrize("verify", PRECOMPILES)
def test_each_signature_that_a_precompile_verifies_costs_a_fee(
    both: Beside, verify: Callable[..., Instruction]
) -> None:
    for count in (1, 3):
        assert both.run(verify(count=count)) == SIGNATURE_FEE * (1 + count)
    assert both.run(verify(), memo(PAYER, "x"), system_transfer(PAYER, OTHER, 5)) == 2 * SIGNATURE_FEE


def test_signatures_of_several_precompiles_are_added_up(both: Beside) -> None:
    verify = (cluster.verify_secp256k1(), cluster.verify_ed25519(count=2), cluster.verify_secp256r1())
    assert both.run(*verify) == 5 * SIGNATURE_FEE


@pytest.mark.parametrize("verify", PRECOMPILES)
def test_a_wrong_signature_fails(both: Beside, verify: Callable[..., Instruction]) -> None:
    both.run(verify(good=False), error=in_instruction(0, {"Custom": 2}))
    assert both.svm.get_balance(PAYER) == both.rpc.value("getBalance", str(PAYER))


# -- stake


@pytest.fixture
def staked(both: Beside) -> Beside:
    """Both, with a vote account v, and 10 SOL at the stake account s."""
    vote, stake = key("v"), key("s")
    size = cluster.VOTE_SIZE
    both.run(
        cluster.new_account(PAYER, vote.pubkey(), both.rent(size), size, VOTE_PROGRAM),
        cluster.initialize_vote(vote.pubkey(), PAYER),
        signers=(vote,),
    )
    size = cluster.STAKE_SIZE
    both.run(
        cluster.new_account(PAYER, stake.pubkey(), both.rent(size) + 10 * SOL, size, cluster.STAKE_PROGRAM),
        cluster.initialize_stake(stake.pubkey(), PAYER),
        signers=(stake,),
    )
    return both


def test_stake_is_delegated_deactivated_and_withdrawn(staked: Beside) -> None:
    vote, stake = key("v").pubkey(), key("s").pubkey()
    staked.run(cluster.delegate_stake(stake, vote, PAYER))
    staked.run(cluster.withdraw_stake(stake, OTHER, PAYER, 5 * SOL), error=in_instruction(0, "InsufficientFunds"))
    staked.go_on(FIRST + 30 - staked.slot)
    assert staked.slot > EPOCH
    staked.run(cluster.deactivate_stake(stake, PAYER))
    staked.run(cluster.deactivate_stake(stake, PAYER), error=in_instruction(0, {"Custom": 2}))
    staked.run(cluster.withdraw_stake(stake, OTHER, PAYER, 5 * SOL), error=in_instruction(0, "InsufficientFunds"))


def test_stake_that_was_never_active_can_be_withdrawn(staked: Beside) -> None:
    vote, stake = key("v").pubkey(), key("s").pubkey()
    staked.run(cluster.withdraw_stake(stake, OTHER, PAYER, SOL))
    staked.run(cluster.delegate_stake(stake, vote, PAYER))
    staked.run(cluster.deactivate_stake(stake, PAYER))
    staked.run(cluster.withdraw_stake(stake, OTHER, PAYER, 9 * SOL + staked.rent(cluster.STAKE_SIZE)))
    assert staked.accounts([stake]) == [None]


@pytest.mark.parametrize("delegated", [False, True])
def test_stake_is_split(staked: Beside, delegated: bool) -> None:
    vote, stake, other = key("v").pubkey(), key("s").pubkey(), key("o")
    if delegated:
        staked.run(cluster.delegate_stake(stake, vote, PAYER))
        staked.go_on(30)
    size = cluster.STAKE_SIZE
    create = cluster.new_account(PAYER, other.pubkey(), staked.rent(size), size, cluster.STAKE_PROGRAM)
    split = cluster.split_stake(stake, other.pubkey(), PAYER, 4 * SOL)
    staked.run(create, split, signers=(other,))
    too_much = cluster.split_stake(stake, other.pubkey(), PAYER, 40 * SOL)
    staked.run(too_much, error=in_instruction(0, "InvalidAccountData"))


# -- rent and budgets


@pytest.mark.skipif(not REPORTS_FEE, reason="solders 0.27 does not check rent")
def test_accounts_must_be_exempt_from_rent(both: Beside) -> None:
    fresh = key("f")
    least = both.rent(0)
    too_poor = {"InsufficientFundsForRent": {"account_index": 1}}
    both.run(system_transfer(PAYER, fresh.pubkey(), least - 1), error=too_poor)
    both.run(system_transfer(PAYER, fresh.pubkey(), least))
    both.run(system_transfer(fresh.pubkey(), OTHER, 1), signers=(fresh,), error=too_poor)
    both.run(system_transfer(fresh.pubkey(), OTHER, least), signers=(fresh,))
    assert both.accounts([fresh.pubkey()]) == [None]
    size = 165
    create = cluster.new_account(PAYER, fresh.pubkey(), both.rent(size) - 1, size, SYSTEM_PROGRAM)
    both.run(create, signers=(fresh,), error=too_poor)


def test_budgets_of_compute_units(both: Beside) -> None:
    move = system_transfer(PAYER, OTHER, 5)
    fee = both.run(set_compute_unit_limit(1_000), move)
    assert fee == SIGNATURE_FEE
    fee = both.run(set_compute_unit_limit(1_000), set_compute_unit_price(2_500_001), move)
    if REPORTS_FEE:
        assert fee == SIGNATURE_FEE + 2_501
    both.run(set_compute_unit_price(10**6), move)
    both.run(set_compute_unit_limit(2**32 - 1), set_compute_unit_price(1), move)
    both.run(set_compute_unit_limit(200), move, error=in_instruction(1, "ComputationalBudgetExceeded"))
    both.run(set_compute_unit_limit(500), memo(PAYER, "x" * 400), error=in_instruction(1, TOO_FEW_UNITS))
    both.run(set_compute_unit_limit(5_000), set_compute_unit_limit(5_000), error={"DuplicateInstruction": 1})


def test_budgets_of_heap_and_of_loaded_data(both: Beside) -> None:
    both.run(request_heap_frame(64 * 1024), memo(PAYER, "x"))
    both.run(request_heap_frame(64 * 1024 + 1), memo(PAYER, "x"), error=in_instruction(0, "InvalidInstructionData"))
    both.run(set_loaded_accounts_data_size_limit(10**6), memo(PAYER, "x"))


# -- nonces and lookup tables


def test_a_nonce_is_created_advanced_handed_over_and_closed(both: Beside) -> None:
    nonce, place = key("n"), key("n").pubkey()
    lamports = both.rent(80)
    both.run(*system.create_nonce_account(PAYER, place, PAYER, lamports), signers=(nonce,))
    advance = system.advance_nonce_account({"nonce_pubkey": place, "authorized_pubkey": PAYER})
    both.run(advance, error=in_instruction(0, {"Custom": 7}))
    for _ in range(2):
        both.go_on()
        value = Hash(both.accounts([place])[0][2][40:72])
        both.run(advance, system_transfer(PAYER, OTHER, 5), blockhash=value)
    both.run(
        system.authorize_nonce_account({"nonce_pubkey": place, "authorized_pubkey": PAYER, "new_authority": OTHER})
    )
    both.run(advance, error=in_instruction(0, "MissingRequiredSignature"))
    withdraw = system.withdraw_nonce_account(
        {"nonce_pubkey": place, "authorized_pubkey": OTHER, "to_pubkey": PAYER, "lamports": lamports}
    )
    both.go_on()
    both.run(withdraw, signers=(POOR,))
    assert both.accounts([place]) == [None]


def test_a_lookup_table_is_created_extended_used_and_closed(both: Beside) -> None:
    recent = both.slot - 1
    params: Any = {"authority_address": PAYER, "payer_address": PAYER, "recent_slot": recent}
    create, table = system.create_lookup_table(params)
    both.run(create)
    targets = [key(letter).pubkey() for letter in "xyz"]

    def extend(addresses: list[Pubkey]) -> Instruction:
        return system.extend_lookup_table(
            {
                "payer_address": PAYER,
                "lookup_table_address": table,
                "authority_address": PAYER,
                "new_addresses": addresses,
            }
        )

    both.run(extend(targets[:2]))
    both.go_on()
    both.run(extend(targets[2:]))
    both.go_on()
    found = AddressLookupTableAccount(table, targets)
    payments = [system_transfer(PAYER, target, SOL) for target in targets]
    both.run(*payments, tables=(found,))
    broken = Instruction(SYSTEM_PROGRAM, b"\xff" * 4, [AccountMeta(targets[0], False, False)])
    both.run(broken, tables=(found,), error=in_instruction(0, "InvalidInstructionData"))
    close = system.close_lookup_table(
        {"lookup_table_address": table, "authority_address": PAYER, "recipient_address": OTHER}
    )
    both.run(close, error=in_instruction(0, "InvalidArgument"))
    deactivate: Any = {"lookup_table_address": table, "authority_address": PAYER}
    both.run(system.deactivate_lookup_table(deactivate))
    both.go_on()
    both.run(*payments, tables=(found,))
    both.run(close, error=in_instruction(0, "InvalidArgument"))
    both.go_on(513)
    both.run(close)
    assert both.accounts([table]) == [None]
