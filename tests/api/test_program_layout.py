"""Programs as accounts: the bytes, and a simulator that loads and replaces them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

import simsync
from simsync import accounts, programs
from simsync.errors import InvalidParams, MissingExtra
from tests.local.actors import RICH, encoded, program_data, transaction

ELF = b"\x7fELF" + bytes(range(60))
PROGRAM = Keypair.from_seed(b"q" * 32).pubkey()
AUTHORITY = RICH.pubkey()
LOADER = "BPFLoaderUpgradeab1e11111111111111111111111"
SLOT = 0x0102030405060708
HEAD = bytes.fromhex("03000000 0807060504030201")


def elf_that_returns(code: int) -> bytes:
    """A program that ends with ``code``."""
    return program_data(code)[45:]


# Bytes.


def test_with_an_authority() -> None:
    expected = HEAD + b"\1" + bytes(AUTHORITY) + ELF
    assert programs.program_data_bytes(ELF, SLOT, AUTHORITY) == expected
    assert programs.program_data_bytes(ELF, SLOT, str(AUTHORITY), short=True) == expected
    assert len(expected) == 45 + len(ELF)


# feature: bytes of ProgramData
def test_without_an_authority_the_elf_stands_where_the_loader_looks() -> None:
    assert programs.program_data_bytes(ELF, SLOT) == HEAD + b"\0" + bytes(32) + ELF


def test_the_short_form() -> None:
    assert programs.program_data_bytes(ELF, SLOT, short=True) == HEAD + b"\0" + ELF


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind(kind: Any) -> None:
    assert programs.program_data_bytes(kind(ELF), 2**64 - 1)[4:12] == b"\xff" * 8


# feature: `build_program_injection`
def test_an_injection() -> None:
    address = programs.program_data_address(PROGRAM)
    injection = programs.build_program_injection(address, ELF, 7, AUTHORITY)
    size = 45 + len(ELF)
    assert injection == {
        address: simsync.AccountData(
            accounts.rent_exempt_minimum(size), LOADER, programs.program_data_bytes(ELF, 7, AUTHORITY)
        )
    }
    assert programs.build_program_injection(address, ELF, 7, lamports=10**9)[address].lamports == 10**9
    assert programs.build_program_injection(address, ELF, 7, short=True)[address].space == 13 + len(ELF)


@pytest.mark.parametrize(("start", "deploy"), [(0, 0), (1, 0), (2, 1), (312_000_000, 311_999_999)])
def test_the_deploy_slot(start: int, deploy: int) -> None:
    assert programs.deploy_slot_before(start) == deploy


def test_the_address_of_program_data() -> None:
    # As mainnet has it for Whirlpool.
    found = programs.program_data_address("whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc")
    assert found == "CtXfPzz36dH5Ws4UYKZvrQ1Xqzn42ecDW6y8NKuiN8nD"


def test_program_accounts() -> None:
    address = programs.program_data_address(PROGRAM)
    built = programs.program_account(address)
    expected = b"\2\0\0\0" + bytes(Pubkey.from_string(address))
    assert built == simsync.AccountData(1_141_440, LOADER, expected, executable=True)
    assert programs.program_account(Pubkey.from_string(address), 2_000_000).lamports == 2_000_000
    assert programs.program_data_of(built) == address
    assert programs.program_data_of(programs.program_account("1" * 32)) == "1" * 32


def test_without_solders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "solders.pubkey", None)
    with pytest.raises(MissingExtra, match="deriving a ProgramData address"):
        programs.program_data_address(PROGRAM)


PROGRAM_DATA = simsync.AccountData(1, LOADER, HEAD + b"\0")


@pytest.mark.parametrize(
    ("call", "argument", "rule"),
    [
        (lambda: programs.program_data_bytes("x", 1), "elf", "must be bytes, not str"),  # type: ignore[arg-type]
        (lambda: programs.program_data_bytes(None, 1), "elf", "must be bytes, not NoneType"),  # type: ignore[arg-type]
        (lambda: programs.program_data_bytes(b"", 1), "elf", "ELF"),
        (lambda: programs.program_data_bytes(b"\x00" + ELF, 1), "elf", "ELF"),
        (lambda: programs.program_data_bytes(ELF + bytes(10 * 1024 * 1024), 1), "elf", "10485760"),
        (lambda: programs.program_data_bytes(ELF, -1), "deploy_slot", "from 0"),
        (lambda: programs.program_data_bytes(ELF, 2**64), "deploy_slot", "from 0"),
        (lambda: programs.program_data_bytes(ELF, 1, "me"), "authority", "32 bytes"),
        (lambda: programs.program_data_bytes(ELF, 1, short=1), "short", "True or False"),  # type: ignore[arg-type]
        (lambda: programs.build_program_injection("x", ELF, 1), "program_data", "32 bytes"),
        (lambda: programs.build_program_injection(PROGRAM, ELF, 1, lamports=1_649_519), "lamports", "from 1649520"),
        (lambda: programs.program_account(PROGRAM, 1_141_439), "lamports", "from 1141440"),
        (lambda: programs.program_account("x"), "program_data", "32 bytes"),
        (lambda: programs.program_data_address("x"), "program_id", "32 bytes"),
        (lambda: programs.deploy_slot_before(-1), "start_slot", "from 0"),
        (lambda: programs.program_data_of(None), "program", "AccountData"),  # type: ignore[arg-type]
        (lambda: programs.program_data_of(accounts.system_account(1)), "program", "its owner is 1111"),
        (lambda: programs.program_data_of(PROGRAM_DATA), "program", "not a program account"),
    ],
)
def test_what_cannot_be(call: Any, argument: str, rule: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        call()
    assert caught.value.argument == argument
    assert rule in caught.value.rule
    assert len(str(caught.value)) < 400


# A simulator that runs them.


@pytest.fixture
def sub(client: simsync.Client, create: simsync.CreateSession) -> Iterator[simsync.SubSession]:
    """A sub-session in which the payer of fees has 10 SOL."""
    with client.parallel(create, timeout=20) as session:
        first = session.sub_sessions[0]
        first.rpc.modify_accounts({str(AUTHORITY): accounts.system_account(10_000_000_000)})
        yield first


def outcome(sub: simsync.SubSession) -> Any:
    call = encoded(transaction(Instruction(PROGRAM, b"", [])))
    return sub.rpc.call("simulateTransaction", [call, {"encoding": "base64"}])["value"]["err"]


@pytest.mark.parametrize("authority", [None, AUTHORITY])
def test_a_program_is_put_there_and_replaced(sub: simsync.SubSession, authority: Any) -> None:
    address = programs.program_data_address(PROGRAM)
    slot = programs.deploy_slot_before(sub.start_slot)
    injection = programs.build_program_injection(address, elf_that_returns(0), slot, authority)
    sub.rpc.modify_accounts({**injection, str(PROGRAM): programs.program_account(address)})
    assert outcome(sub) is None
    program = sub.rpc.get_account_info(PROGRAM)
    assert program is not None
    assert programs.program_data_of(program) == address
    sub.rpc.modify_accounts(programs.build_program_injection(address, elf_that_returns(9), slot, authority))
    assert outcome(sub) == {"InstructionError": [0, {"Custom": 9}]}


def test_a_continue_replaces_a_program(sub: simsync.SubSession) -> None:
    address = programs.program_data_address(PROGRAM)
    slot = programs.deploy_slot_before(sub.start_slot)
    states = programs.build_program_injection(address, elf_that_returns(4), slot)
    states[str(PROGRAM)] = programs.program_account(address)
    sub.subscribe_transactions([PROGRAM])
    call = transaction(Instruction(PROGRAM, b"", []))
    sub.send_continue(advance_count=1, transactions=[call], modify_accounts=states, timeout=20)
    seen = [event for event in sub.events(timeout=20, advance=9) if isinstance(event, simsync.Transaction)]
    assert [event.error for event in seen] == [{"InstructionError": [0, {"Custom": 4}]}]
