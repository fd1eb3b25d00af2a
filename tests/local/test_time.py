"""Clock and sysvars follow the slot, and programs that depend on them work."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from solders.account import Account
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.slot_history import SlotHistory, SlotHistoryCheck
from solders.system_program import CreateAccountParams, advance_nonce_account, create_account, create_nonce_account
from solders.transaction import VersionedTransaction

from simsync.local import Block, Bundle, Ledger
from simsync.local.encoding import decode_base58, encode_base58
from simsync.local.engine.engine import Engine
from simsync.local.engine.programs import (
    LOOKUP_TABLE_PROGRAM,
    NATIVE_MINT,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    system_transfer,
)
from simsync.local.engine.sysvars import RECENT_BLOCKHASHES, SLOT_HASHES, SLOT_HISTORY, PastSlot, made_up_hash
from simsync.local.engine.transactions import Outcome, real_changes

from .actors import BLOCKHASH, POOR, RICH, transaction, wallet

CLOCK = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
EPOCH_SCHEDULE = Pubkey.from_string("SysvarEpochSchedu1e111111111111111111111111")
RENT = Pubkey.from_string("SysvarRent111111111111111111111111111111111")
SOL = 1_000_000_000
START = 312_000_000


def hash_text(number: int) -> str:
    return encode_base58(bytes([number]) * 32)


@pytest.fixture
def engine() -> Engine:
    past = [PastSlot(START - 3, hash_text(3)), PastSlot(START - 1, hash_text(1))]
    made = Engine({RICH.pubkey(): wallet(100 * SOL), POOR.pubkey(): wallet(SOL)}, past=past)
    made.enter_slot(START, 1_700_000_000, blockhash=hash_text(9))
    return made


def data_of(engine: Engine, address: Pubkey) -> bytes:
    account = engine.account(address)
    assert account is not None
    return bytes(account.data)


def nonce_of(engine: Engine, address: Pubkey) -> Hash:
    return Hash(data_of(engine, address)[40:72])


def slot_hashes(engine: Engine) -> list[tuple[int, bytes]]:
    data = data_of(engine, SLOT_HASHES)
    (count,) = struct.unpack_from("<Q", data)
    entries = [data[8 + 40 * number : 48 + 40 * number] for number in range(count)]
    return [(struct.unpack("<Q", one[:8])[0], one[8:]) for one in entries]


def test_the_clock_has_the_epoch_of_its_slot(engine: Engine) -> None:
    slot, started, epoch, schedule_epoch, time = struct.unpack("<QqQQq", data_of(engine, CLOCK))
    assert (slot, epoch, schedule_epoch, time) == (START, 722, 723, 1_700_000_000)
    assert started == 1_700_000_000 - (START - 722 * 432_000) * 2 // 5


def test_the_epoch_schedule_is_that_of_mainnet(engine: Engine) -> None:
    assert struct.unpack("<QQ?QQ", data_of(engine, EPOCH_SCHEDULE)) == (432_000, 432_000, False, 0, 0)


def test_the_start_of_an_epoch_comes_from_the_ledger_if_it_holds_it() -> None:
    first = 722 * 432_000
    blocks = [Block(first + offset, first + offset - 1, 1, 1_700_000_000 + offset, "1" * 32) for offset in (-1, 0, 1)]
    ledger = Ledger(blocks, [Bundle(first - 1, first + 1)])
    assert ledger.epoch_start_of(first + 1) == 1_700_000_000
    assert ledger.epoch_start_of(first - 1) == 1_700_000_000 - 1 - 431_999 * 2 // 5 - 1


def test_slot_hashes_hold_the_blocks_before_the_slot(engine: Engine) -> None:
    hashes = slot_hashes(engine)
    assert len(hashes) == 512
    assert hashes[:2] == [(START - 1, b"\1" * 32), (START - 3, b"\3" * 32)]
    assert hashes[2] == (START - 4, made_up_hash(START - 4))
    engine.enter_slot(START + 5, 1_700_000_002, blockhash=hash_text(8))
    assert slot_hashes(engine)[:2] == [(START, b"\x09" * 32), (START - 1, b"\1" * 32)]


def test_a_slot_without_a_block_has_no_hash(engine: Engine) -> None:
    engine.enter_slot(START + 1, 1_700_000_000)
    engine.enter_slot(START + 2, 1_700_000_000, blockhash=hash_text(8))
    assert [slot for slot, _ in slot_hashes(engine)[:2]] == [START, START - 1]


def test_slot_hashes_near_slot_zero_are_few() -> None:
    engine = Engine({})
    engine.enter_slot(3, 1_700_000_000, blockhash=hash_text(1))
    assert [slot for slot, _ in slot_hashes(engine)] == [2, 1, 0]


def test_recent_blockhashes_hold_the_last_150(engine: Engine) -> None:
    data = data_of(engine, RECENT_BLOCKHASHES)
    assert struct.unpack_from("<Q", data) == (150,)
    assert data[8:40] == b"\1" * 32
    engine.enter_slot(START + 1, 1_700_000_000, blockhash=hash_text(8))
    assert data_of(engine, RECENT_BLOCKHASHES)[8:40] == decode_base58(hash_text(9))


def test_the_slot_history_knows_which_slots_carried_a_block(engine: Engine) -> None:
    engine.enter_slot(START + 4, 1_700_000_000, blockhash=hash_text(8))
    history = SlotHistory.from_bytes(data_of(engine, SLOT_HISTORY))
    found = {offset: history.check(START + offset) for offset in (-4, -3, -2, -1, 0, 1, 3, 4)}
    there = {offset for offset, answer in found.items() if answer == SlotHistoryCheck.Found}
    assert there == {-4, -3, -1, 0}
    assert found[4] == SlotHistoryCheck.Future


def test_the_native_mint_is_there_and_in_no_snapshot(engine: Engine) -> None:
    data = data_of(engine, NATIVE_MINT)
    assert len(data) == 82
    assert (data[44], data[45]) == (9, 1)
    assert NATIVE_MINT not in engine.snapshot()


def test_a_given_native_mint_is_kept() -> None:
    engine = Engine({NATIVE_MINT: Account(5_000_000, bytes(82), SYSTEM_PROGRAM)})
    account = engine.account(NATIVE_MINT)
    assert account is not None
    assert account.lamports == 5_000_000


def test_a_lookup_table_can_be_created_with_a_recent_slot(engine: Engine) -> None:
    def create(recent: int) -> object:
        owner = RICH.pubkey()
        table, bump = Pubkey.find_program_address([bytes(owner), struct.pack("<Q", recent)], LOOKUP_TABLE_PROGRAM)
        accounts = [
            AccountMeta(table, False, True),
            AccountMeta(owner, True, False),
            AccountMeta(owner, True, True),
            AccountMeta(SYSTEM_PROGRAM, False, False),
        ]
        data = struct.pack("<IQB", 0, recent, bump)
        return engine.execute(transaction(Instruction(LOOKUP_TABLE_PROGRAM, data, accounts))).error

    assert create(START - 1) is None
    assert create(START - 3) is None
    assert create(START - 2) is not None, "the slot carried no block"


def test_a_durable_nonce_advances(engine: Engine) -> None:
    nonce, owner = Keypair.from_seed(b"n" * 32), RICH.pubkey()
    made = create_account(
        CreateAccountParams(
            from_pubkey=owner, to_pubkey=nonce.pubkey(), lamports=2_000_000, space=80, owner=SYSTEM_PROGRAM
        )
    )
    sysvar = AccountMeta(RECENT_BLOCKHASHES, False, False)
    initialize = Instruction(
        SYSTEM_PROGRAM,
        struct.pack("<I", 6) + bytes(owner),
        [AccountMeta(nonce.pubkey(), False, True), sysvar, AccountMeta(RENT, False, False)],
    )
    message = Message.new_with_blockhash([made, initialize], owner, BLOCKHASH)
    assert engine.execute(VersionedTransaction(message, [RICH, nonce])).error is None
    accounts = [AccountMeta(nonce.pubkey(), False, True), sysvar, AccountMeta(owner, True, False)]
    advance = Instruction(SYSTEM_PROGRAM, struct.pack("<I", 4), accounts)

    def advance_with(blockhash: Hash) -> object:
        message = Message.new_with_blockhash([advance], owner, blockhash)
        return engine.execute(VersionedTransaction(message, [RICH])).error

    assert advance_with(BLOCKHASH) is not None, "the nonce was made with this blockhash"
    values = {nonce_of(engine, nonce.pubkey())}
    for _ in range(3):
        # A durable transaction carries the nonce in the place of a blockhash.
        assert advance_with(nonce_of(engine, nonce.pubkey())) is None
        values.add(nonce_of(engine, nonce.pubkey()))
    assert len(values) == 4


def test_a_durable_transaction_that_fails_advances_its_nonce(engine: Engine) -> None:
    nonce, owner, other = Keypair.from_seed(b"n" * 32), RICH.pubkey(), POOR.pubkey()
    made = create_nonce_account(owner, nonce.pubkey(), other, 2_000_000)
    assert engine.execute(VersionedTransaction(Message(made, owner), [RICH, nonce])).error is None
    advance = advance_nonce_account({"nonce_pubkey": nonce.pubkey(), "authorized_pubkey": other})
    too_much = system_transfer(owner, other, 10**15)

    def run(*instructions: Instruction, blockhash: Hash, signers: Sequence[Keypair] = (RICH, POOR)) -> Outcome:
        message = Message.new_with_blockhash(instructions, owner, blockhash)
        outcome = engine.execute(VersionedTransaction(message, list(signers)))
        assert outcome.error is not None
        return outcome

    value, funds = nonce_of(engine, nonce.pubkey()), engine.balance(owner)
    outcome = run(advance, too_much, blockhash=value)
    failed = nonce_of(engine, nonce.pubkey())
    assert failed != value
    assert (engine.balance(owner), engine.balance(nonce.pubkey())) == (funds - 10_000, 2_000_000)
    changed = {change.address: change.after for change in real_changes(outcome.changes)}
    assert changed.keys() == {owner, nonce.pubkey()}
    assert changed[nonce.pubkey()] == engine.account(nonce.pubkey())
    # What is not a durable transaction leaves it: another blockhash, or the advance is not first.
    run(advance, too_much, blockhash=BLOCKHASH)
    run(too_much, advance, blockhash=failed)
    run(too_much, blockhash=failed, signers=(RICH,))
    assert nonce_of(engine, nonce.pubkey()) == failed
    # A success takes it to the same value as a failure.
    same = Engine(engine.snapshot())
    same.enter_slot(START, 1_700_000_000, blockhash=hash_text(9))
    message = Message.new_with_blockhash([advance], owner, failed)
    assert same.execute(VersionedTransaction(message, [RICH, POOR])).error is None
    run(advance, too_much, blockhash=failed)
    assert nonce_of(engine, nonce.pubkey()) == nonce_of(same, nonce.pubkey())


def test_a_transfer_fee_that_changes_by_epoch_is_charged(engine: Engine) -> None:
    mint, source, target = (Keypair.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
    owner = RICH.pubkey()

    def token(data: bytes, *accounts: tuple[Keypair, bool, bool]) -> Instruction:
        metas = [AccountMeta(key.pubkey(), signer, writable) for key, signer, writable in accounts]
        return Instruction(TOKEN_2022_PROGRAM, data, metas)

    def run(*instructions: Instruction, signers: tuple[Keypair, ...] = ()) -> object:
        message = Message.new_with_blockhash(list(instructions), owner, BLOCKHASH)
        return engine.execute(VersionedTransaction(message, [RICH, *signers])).error

    def make(key: Keypair, space: int) -> Instruction:
        params = CreateAccountParams(
            from_pubkey=owner, to_pubkey=key.pubkey(), lamports=SOL, space=space, owner=TOKEN_2022_PROGRAM
        )
        return create_account(params)

    authority = b"\1" + bytes(owner)
    fee_config = b"\x1a\0" + authority + authority + struct.pack("<HQ", 100, 10**9)
    assert (
        run(
            make(mint, 278),
            token(fee_config, (mint, False, True)),
            Instruction(
                TOKEN_2022_PROGRAM,
                b"\x14\6" + bytes(owner) + b"\0",
                [AccountMeta(mint.pubkey(), False, True), AccountMeta(RENT, False, False)],
            ),
            signers=(mint,),
        )
        is None
    )
    for key in (source, target):
        initialize = token(b"\x12" + bytes(owner), (key, False, True), (mint, False, False))
        assert run(make(key, 178), initialize, signers=(key,)) is None
    mint_to = token(b"\7" + struct.pack("<Q", 10**6), (mint, False, True), (source, False, True), (RICH, True, False))
    change_fee = token(b"\x1a\5" + struct.pack("<HQ", 250, 10**9), (mint, False, True), (RICH, True, False))
    assert run(mint_to, change_fee) is None

    def withheld_after_transfer() -> int:
        before = data_of(engine, target.pubkey())
        move = token(
            b"\x0c" + struct.pack("<QB", 10_000, 6),
            (source, False, True),
            (mint, False, False),
            (target, False, True),
            (RICH, True, False),
        )
        assert run(move) is None
        after = data_of(engine, target.pubkey())
        received = struct.unpack_from("<Q", after, 64)[0] - struct.unpack_from("<Q", before, 64)[0]
        return int(10_000 - received)

    assert withheld_after_transfer() == 100
    engine.enter_slot(START + 2 * 432_000, 1_700_400_000, blockhash=hash_text(7))
    assert withheld_after_transfer() == 250
