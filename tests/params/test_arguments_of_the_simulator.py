"""The embedded simulator takes numbers, addresses and accounts as sessions take them, and refuses others at once."""

from __future__ import annotations

from typing import Any

import pytest

from simsync import AccountData, InvalidParams
from simsync.params.account import SYSTEM_PROGRAM

pytest.importorskip("simsync.local", reason="needs the extra [local]")

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local import (
    Block,
    Bundle,
    Faults,
    Ledger,
    Simulator,
    mint_account,
    program_accounts,
    tiny_program,
)

from .test_numbers_of_others import KINDS, WALLET

BLOCK = {"blockHeight": 90, "blockTime": 1_633_504_705, "blockhash": "1" * 32, "parentSlot": 99, "transactions": []}
WRONG = (1.0, "1", True, [1])


@pytest.mark.parametrize("kind", KINDS)
def test_ledgers_are_the_same(kind: Any) -> None:
    made = Ledger.generate(
        seed=kind(7),
        start_slot=kind(1000),
        slots=kind(6),
        transactions_per_slot=kind(2),
        bundle_size=kind(3),
        skip_every=kind(3),
        accounts=kind(8),
    )
    plain = Ledger.generate(
        seed=7, start_slot=1000, slots=6, transactions_per_slot=2, bundle_size=3, skip_every=3, accounts=8
    )
    assert (made.blocks, made.origin) == (plain.blocks, plain.origin)
    recorded = Ledger.from_blocks({kind(100): BLOCK, kind(101): {**BLOCK, "parentSlot": 100}}, bundle_size=kind(1))
    assert recorded.bundles == (Bundle(100, 100), Bundle(101, 101))
    own = Ledger([Block(kind(5), kind(4), kind(1), kind(9), "1" * 32)], [Bundle(kind(5), kind(6))])
    found = [own.start_slot, own.end_slot, *(getattr(own.blocks[0], name) for name in ("slot", "parent", "height"))]
    assert found == [5, 6, 5, 4, 1]
    assert {type(value) for value in [*found, recorded.start_slot, made.blocks[0].slot]} == {int}
    assert mint_account(kind(6)) == mint_account(6)
    assert tiny_program(kind(3)) == tiny_program(3)


@pytest.mark.parametrize("kind", KINDS)
def test_switches_and_faults_become_int(kind: Any) -> None:
    faults = Faults(seed=kind(3)).drop_control(after=kind(50)).drop_data(after=kind(60), times=kind(2))
    faults.delay_data(kind(70), kind(1)).refuse_http(kind(503), kind(2)).lag_data("accountDiff", kind(4))
    faults.random_drops(kind(5), kind(2), kind(9), kind(9)).replay_control(after=kind(80), messages=kind(2))
    places = [place for _, place in faults.pending if place is not None]
    assert {50, 60, 70, 80} <= set(places)
    assert {type(place) for place in places} == {int}
    ledger = Ledger.generate(slots=2, transactions_per_slot=0)
    with Simulator(ledger, port=kind(0), workers=kind(0), batch_size=kind(4), slot_delay=kind(0)) as simulator:
        assert (simulator.behaviour.batch_size, simulator.behaviour.slot_delay) == (4, 0.0)
        assert type(simulator.behaviour.batch_size) is int


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_what_is_no_integer_is_rejected(wrong: Any) -> None:
    ledger = Ledger.generate(slots=2, transactions_per_slot=0)
    for name in ("seed", "start_slot", "slots", "transactions_per_slot", "bundle_size", "skip_every", "accounts"):
        with pytest.raises(InvalidParams, match=f"{name}=.*must be an integer"):
            Ledger.generate(**{name: wrong})
    for name in ("port", "workers", "max_engines", "batch_size", "replay_slots", "history_slots"):
        with pytest.raises(InvalidParams, match=f"{name}=.*must be an integer"):
            Simulator(ledger, **{name: wrong})
    calls: list[tuple[str, Any]] = [
        ("bundle_size", lambda: Ledger.from_blocks([(100, BLOCK)], bundle_size=wrong)),
        ("decimals", lambda: mint_account(wrong)),
        ("result", lambda: tiny_program(wrong)),
        ("slot", lambda: Block(wrong, 1, None, None, "1" * 32)),
        ("end_slot", lambda: Bundle(1, wrong)),
        ("number", lambda: Faults().drop_control(after=wrong)),
        ("messages", lambda: Faults().replay_control(after=1, messages=wrong)),
        ("after", lambda: Faults().drop_data(after=wrong)),
        ("times", lambda: Faults().drop_at_terminal(wrong)),
        ("by", lambda: Faults().lag_data("logs", wrong)),
        ("code", lambda: Faults().refuse_subscribe("no", code=wrong)),
        ("status", lambda: Faults().refuse_upgrade(wrong)),
        ("notifications", lambda: Faults().random_drops(1, 1, 1, wrong)),
        ("seed", lambda: Faults(seed=wrong)),
    ]
    for name, call in calls:
        with pytest.raises(InvalidParams, match=f"{name}=.*must be an integer"):
            call()


def test_flags_and_seconds_are_checked() -> None:
    ledger = Ledger.generate(slots=2, transactions_per_slot=0)
    with pytest.raises(InvalidParams, match="statuses='no': must be True or False"):
        Simulator(ledger, statuses="no")
    for wrong, rule in (("1", "a number of seconds"), (-1, "from 0"), (float("nan"), "from 0")):
        with pytest.raises(InvalidParams, match=f"slot_delay=.*must be {rule}"):
            Simulator(ledger, slot_delay=wrong)
        with pytest.raises(InvalidParams, match=f"seconds=.*must be {rule}"):
            Faults().delay_control(1, wrong)  # type: ignore[arg-type]


RPC_FORM = {"lamports": 7, "owner": SYSTEM_PROGRAM, "data": ["YWJj", "base64"], "executable": False, "rentEpoch": 0}
WIRE_FORM = {**RPC_FORM, "data": {"data": "YWJj", "encoding": "base64"}, "space": 3}
WHOLE = Account(7, b"abc", Pubkey.from_string(SYSTEM_PROGRAM))


@pytest.mark.parametrize("address", [WALLET, Pubkey.from_string(WALLET)], ids=["text", "Pubkey"])
@pytest.mark.parametrize(
    "state", [AccountData(7, data=b"abc"), RPC_FORM, WIRE_FORM, WHOLE], ids=["AccountData", "rpc", "wire", "solders"]
)
def test_accounts_of_a_ledger_come_in_every_form(address: Any, state: Any) -> None:
    ledger = Ledger.generate(slots=2, transactions_per_slot=0).with_accounts({address: state})
    assert ledger.accounts[Pubkey.from_string(WALLET)] == WHOLE
    recorded = Ledger.from_blocks([(100, BLOCK)], accounts={address: state})
    assert recorded.accounts == {Pubkey.from_string(WALLET): WHOLE}


def test_an_account_of_solders_keeps_its_rent_epoch() -> None:
    given = Account(7, b"abc", WHOLE.owner, rent_epoch=5)
    ledger = Ledger.generate(slots=2, transactions_per_slot=0).with_accounts({WALLET: given})
    assert ledger.accounts[Pubkey.from_string(WALLET)].rent_epoch == 5


@pytest.mark.parametrize(
    ("accounts", "text"),
    [
        ([WALLET], "accounts=.*must be a mapping"),
        ({"x": WHOLE}, "accounts key='x': is not a Solana address"),
        ({WALLET: 7}, "must be an AccountData, or an account of another library"),
        ({WALLET: {"lamports": 7}}, f"accounts.{WALLET}.=.*: .*"),
    ],
)
def test_what_is_no_account_is_rejected_by_the_ledger(accounts: Any, text: str) -> None:
    with pytest.raises(InvalidParams, match=text):
        Ledger.generate(slots=2, transactions_per_slot=0).with_accounts(accounts)


def test_programs_and_mints_take_addresses_as_text() -> None:
    assert program_accounts(WALLET, tiny_program()) == program_accounts(Pubkey.from_string(WALLET), tiny_program())
    assert mint_account(6, WALLET) == mint_account(6, Pubkey.from_string(WALLET))
    for wrong in ("ELF", 7, b"ELF"):
        with pytest.raises(InvalidParams, match=r"elf=.*must be a compiled program"):
            program_accounts(WALLET, wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidParams, match="authority='x'"):
        mint_account(6, "x")


def test_a_simulator_needs_a_ledger_faults_and_a_key() -> None:
    ledger = Ledger.generate(slots=2, transactions_per_slot=0)
    wrong: list[tuple[str, Any]] = [("ledger", "ledger.jsonl"), ("faults", 5), ("api_key", None)]
    for name, value in wrong:
        with pytest.raises(InvalidParams, match=f"{name}="):
            Simulator(**{"ledger": ledger, name: value})
