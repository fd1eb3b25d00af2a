"""The code of a program can be called from the slot after its deployment on."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from simsync.local import Block, Bundle, Ledger, Simulator, tiny_program
from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.engine import Engine
from simsync.local.engine.programs import MEMO_PROGRAM

from .actors import (
    POOR,
    RICH,
    UPGRADEABLE_LOADER,
    account_data,
    encoded,
    note,
    program_account,
    program_data,
    transaction,
    wallet,
)
from .bare import Control, Rpc

SOL = 1_000_000_000
PROGRAM = Keypair.from_seed(b"g" * 32).pubkey()
PROGRAM_DATA, PROGRAM_ACCOUNT = program_account(PROGRAM)
CALL = transaction(Instruction(PROGRAM, b"", []))
CLOCK = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
RENT = Pubkey.from_string("SysvarRent111111111111111111111111111111111")

NOT_DEPLOYED = (
    {"InstructionError": [0, "UnsupportedProgramId"]},
    # The closest error that the LiteSVM of solders 0.27 can return.
    {"InstructionError": [0, "InvalidAccountData"]},
)


def holding(data: bytes) -> Account:
    return Account(SOL, data, UPGRADEABLE_LOADER)


def deployed(result: int, slot: int) -> list[tuple[Pubkey, Account]]:
    return [(PROGRAM, PROGRAM_ACCOUNT), (PROGRAM_DATA, holding(program_data(result, slot)))]


def failed_with(result: int) -> Any:
    return {"InstructionError": [0, {"Custom": result}]}


@pytest.fixture
def engine() -> Engine:
    made = Engine({RICH.pubkey(): wallet(100 * SOL), POOR.pubkey(): wallet(SOL)})
    made.enter_slot(500, 1_700_000_000)
    return made


def test_a_program_of_an_earlier_slot_can_be_called_at_once(engine: Engine) -> None:
    engine.set_accounts(deployed(0, 499))
    assert engine.execute(CALL).error is None
    engine.enter_slot(501, 0)
    assert engine.execute(CALL).error is None


def test_a_program_of_the_current_slot_can_be_called_from_the_next_slot_on(engine: Engine) -> None:
    engine.set_accounts(deployed(0, 500))
    outcome = engine.execute(CALL)
    assert outcome.error in NOT_DEPLOYED
    assert outcome.fee == 5000
    assert engine.simulate(CALL)[0].error in NOT_DEPLOYED
    # Accounts read as they were set.
    assert engine.account(PROGRAM) == PROGRAM_ACCOUNT
    assert engine.account(PROGRAM_DATA) == holding(program_data(0, 500))
    engine.enter_slot(501, 0)
    assert engine.execute(CALL).error is None
    assert engine.simulate(CALL)[0].error is None
    assert engine.account(PROGRAM_DATA) == holding(program_data(0, 500))


def test_new_code_of_the_current_slot_hides_the_old_one(engine: Engine) -> None:
    engine.set_accounts(deployed(0, 10))
    assert engine.execute(CALL).error is None
    engine.set_accounts([(PROGRAM_DATA, holding(program_data(7, 500)))])
    assert engine.execute(CALL).error in NOT_DEPLOYED
    # Back to earlier code: the rule is about the slot in the ProgramData, not about the change.
    engine.set_accounts([(PROGRAM_DATA, holding(program_data(8, 499)))])
    assert engine.execute(CALL).error == failed_with(8)
    engine.set_accounts([(PROGRAM_DATA, holding(program_data(9, 500)))])
    engine.enter_slot(502, 0)
    assert engine.execute(CALL).error == failed_with(9)


def test_removed_program_data_hinders_nothing(engine: Engine) -> None:
    engine.set_accounts(deployed(0, 500))
    engine.set_accounts([(PROGRAM_DATA, wallet(0))])
    engine.enter_slot(501, 0)
    assert engine.execute(CALL).error in NOT_DEPLOYED
    engine.set_accounts([(PROGRAM_DATA, holding(program_data(5, 500)))])
    assert engine.execute(CALL).error == failed_with(5)


@pytest.mark.parametrize("deploy_slot", [499, 500])
def test_a_program_that_was_removed_cannot_be_called(engine: Engine, deploy_slot: int) -> None:
    engine.set_accounts(deployed(0, deploy_slot))
    engine.set_accounts([(PROGRAM, wallet(0)), (PROGRAM_DATA, wallet(0))])
    for slot in (500, 501):
        engine.enter_slot(slot, 0)
        outcome = engine.execute(CALL)
        assert (outcome.error, outcome.fee) == ("InvalidProgramForExecution", 0)
        assert engine.simulate(CALL)[0].error == "InvalidProgramForExecution"
        assert engine.account(PROGRAM) is None
    engine.set_accounts(deployed(5, 500))
    assert engine.execute(CALL).error == failed_with(5)


def test_a_program_of_an_attempt_is_removed_afterwards(engine: Engine) -> None:
    (outcome,), _ = engine.attempt(deployed(7, 10), [CALL], [])
    assert outcome.error == failed_with(7)
    assert engine.execute(CALL).error == "InvalidProgramForExecution"


def test_a_built_in_program_can_be_removed_too(engine: Engine) -> None:
    engine.set_accounts([(MEMO_PROGRAM, wallet(0))])
    assert engine.execute(note("hello")).error == "InvalidProgramForExecution"


def test_an_upgrade_by_transaction_follows_the_rule(engine: Engine) -> None:
    buffer = Keypair.from_seed(b"b" * 32).pubkey()
    owner = bytes(RICH.pubkey())
    source = struct.pack("<IB", 1, 1) + owner + tiny_program(7)
    engine.set_accounts([*deployed(0, 10), (buffer, holding(source))])
    upgrade = Instruction(
        UPGRADEABLE_LOADER,
        struct.pack("<I", 3),
        [
            AccountMeta(PROGRAM_DATA, False, True),
            AccountMeta(PROGRAM, False, True),
            AccountMeta(buffer, False, True),
            AccountMeta(RICH.pubkey(), False, True),
            AccountMeta(RENT, False, False),
            AccountMeta(CLOCK, False, False),
            AccountMeta(RICH.pubkey(), True, False),
        ],
    )
    assert engine.execute(transaction(upgrade)).error is None
    data = engine.account(PROGRAM_DATA)
    assert data is not None
    assert struct.unpack_from("<IQ", data.data) == (3, 500)
    assert engine.execute(CALL).error in NOT_DEPLOYED
    engine.enter_slot(501, 0)
    assert engine.execute(CALL).error == failed_with(7)


def test_an_attempt_leaves_the_old_code_in_use(engine: Engine) -> None:
    engine.set_accounts(deployed(0, 10))
    for slot, expected in ((499, [failed_with(7)]), (500, NOT_DEPLOYED)):
        (outcome,), _ = engine.attempt([(PROGRAM_DATA, holding(program_data(7, slot)))], [CALL], [])
        assert outcome.error in expected
        assert engine.execute(CALL).error is None


def test_a_refused_change_leaves_the_old_code_in_use(engine: Engine) -> None:
    engine.set_accounts(deployed(0, 10))
    for slot in (499, 500):
        with pytest.raises(AccountRefused):
            engine.set_accounts([(PROGRAM_DATA, holding(program_data(7, slot))), (CLOCK, Account(1, b"x", PROGRAM))])
        assert engine.account(PROGRAM_DATA) == holding(program_data(0, 10))
        assert engine.execute(CALL).error is None


@pytest.mark.parametrize("header", [struct.pack("<IQB", 3, 10, 0), struct.pack("<IQB", 3, 10, 1) + bytes(30)])
def test_code_that_does_not_begin_at_byte_45_is_refused(engine: Engine, header: bytes) -> None:
    engine.set_accounts(deployed(0, 10))
    with pytest.raises(AccountRefused, match="byte 45"):
        engine.set_accounts([(PROGRAM_DATA, holding(header + tiny_program(7)))])
    assert engine.account(PROGRAM_DATA) == holding(program_data(0, 10))
    assert engine.execute(CALL).error is None


def test_code_after_padding_instead_of_an_authority_runs(engine: Engine) -> None:
    padded = struct.pack("<IQB", 3, 10, 0) + bytes(32) + tiny_program(7)
    engine.set_accounts([(PROGRAM, PROGRAM_ACCOUNT), (PROGRAM_DATA, holding(padded))])
    assert engine.execute(CALL).error == failed_with(7)


@pytest.mark.parametrize(("deploy_slot", "callable_at_once"), [(999, True), (1000, False)])
def test_the_programs_of_a_bundle_are_loaded(
    simulate: Callable[..., Simulator], deploy_slot: int, callable_at_once: bool
) -> None:
    # The program comes before its ProgramData, as it may in a ledger.
    accounts = {**dict(deployed(7, deploy_slot)), RICH.pubkey(): wallet(SOL)}
    blocks = [Block(slot, slot - 1, slot, 1_700_000_000, "1" * 32) for slot in (1000, 1001)]
    simulator = simulate(Ledger(blocks, [Bundle(1000, 1001, accounts)]))
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1001))
        assert call_error(rpc) in ([failed_with(7)] if callable_at_once else NOT_DEPLOYED)
        control.proceed(1)
        control.until("completed")
        assert call_error(rpc) == failed_with(7)


def call_error(rpc: Rpc) -> Any:
    return rpc.value("simulateTransaction", encoded(CALL), {"encoding": "base64"})["err"]


def injection(result: int, deploy_slot: int) -> dict[str, Any]:
    """Return a new program with its ProgramData, as a client sends both."""
    data = program_data(result, deploy_slot)
    return {
        str(PROGRAM): account_data(SOL, PROGRAM_ACCOUNT.data, UPGRADEABLE_LOADER, executable=True),
        str(PROGRAM_DATA): account_data(SOL, data, UPGRADEABLE_LOADER),
        str(RICH.pubkey()): account_data(SOL),
    }


def test_a_new_program_by_rpc(simulator: Simulator) -> None:
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        assert call_error(rpc) is not None
        rpc.call("modifyAccounts", injection(7, 999))
        assert call_error(rpc) == failed_with(7)
        rpc.call("modifyAccounts", injection(0, 1000))
        assert call_error(rpc) in NOT_DEPLOYED
        control.proceed(1)
        control.until("readyForContinue")
        assert call_error(rpc) is None
        assert rpc.call("sendTransaction", encoded(CALL), {"encoding": "base64"}) == str(CALL.signatures[0])


@pytest.mark.parametrize("deploy_slot", [999, 1000])
def test_a_new_program_with_a_continue(simulator: Simulator, deploy_slot: int) -> None:
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        control.proceed(1, modifyAccountStates=injection(7, deploy_slot), transactions=[encoded(CALL)])
        control.until("readyForContinue")
        # The account changes belong to slot 1000, the transaction to slot 1001.
        (status,) = rpc.value("getSignatureStatuses", [str(CALL.signatures[0])])
        assert (status["slot"], status["err"]) == (1001, failed_with(7))


def test_a_short_header_is_refused_by_rpc_and_continue(simulator: Simulator) -> None:
    short = struct.pack("<IQB", 3, 10, 0) + tiny_program(7)
    changes = {**injection(0, 10), str(PROGRAM_DATA): account_data(SOL, short, UPGRADEABLE_LOADER)}
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        assert "byte 45" in rpc.error("modifyAccounts", changes)["message"]
        control.proceed(1, modifyAccountStates=changes)
        refused, _ = control.until("readyForContinue")
        assert "byte 45" in refused["params"]["invalidRequest"]["error"]
        assert rpc.value("getAccountInfo", str(PROGRAM_DATA)) is None
