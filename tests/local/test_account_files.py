"""Accounts, programs and mints that a ledger starts with, from files and from the command line."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

import simsync
from simsync.__main__ import main
from simsync.local import (
    Ledger,
    Simulator,
    mint_account,
    program_accounts,
    read_account_files,
    tiny_program,
)

from .actors import RICH, transaction

WALLET, MINT, PROGRAM = (Pubkey.from_bytes(bytes([number] * 32)) for number in (7, 8, 9))
SYSTEM = str(Pubkey.default())


def in_json(lamports: int, data: Any = ("", "base64"), **more: Any) -> dict[str, Any]:
    account = {"lamports": lamports, "data": data, "owner": SYSTEM, "executable": False, "rentEpoch": 2**64 - 1}
    return {**account, **more}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("one.json", {"pubkey": str(WALLET), "account": in_json(5, [text(b"abc"), "base64"])}),
        ("list.json", [{"pubkey": str(WALLET), "account": in_json(5, [text(b"abc"), "base64"])}]),
        ("reply.json", {"jsonrpc": "2.0", "id": 1, "result": [{"pubkey": str(WALLET), "account": in_json(5, "ZiCa")}]}),
        (
            f"{WALLET}.json",
            {"result": {"context": {"slot": 1}, "value": in_json(5, {"data": text(b"abc"), "encoding": "base64"})}},
        ),
        (f"{WALLET}.json.gz", in_json(5, ["ZiCa", "base58"])),
        ("map.json", {str(WALLET): in_json(5, [text(b"abc"), "base64"])}),
    ],
)
def test_each_form_of_a_file(tmp_path: Path, name: str, content: Any) -> None:
    data = json.dumps(content).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    for path in (tmp_path / name, tmp_path):
        assert read_account_files(path) == {WALLET: Account(5, b"abc", Pubkey.default())}


@pytest.mark.parametrize(
    "content",
    [
        "text",
        [1],
        {"pubkey": "x", "account": in_json(1)},
        {str(WALLET): in_json(-1)},
        {str(WALLET): in_json(1, ["", "jsonParsed"])},
        {str(WALLET): {"lamports": 1}},
        {str(WALLET): in_json(2**70)},
        {str(WALLET): in_json(1, ["AAAA", "base64+zstd"])},
        {str(WALLET): in_json(1, {"program": "spl-token", "parsed": {}, "space": 1})},
        {"result": [{"lamports": 1}]},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}},
    ],
)
def test_anything_else_is_refused_with_its_file(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content))
    with pytest.raises(simsync.InvalidParams, match=r"odd\.json"):
        read_account_files(path)


def test_accounts_that_do_not_exist_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {"jsonrpc": "2.0", "id": 1, "result": {"context": {"slot": 1}, "value": None}}
    (tmp_path / f"{WALLET}.json").write_text(json.dumps(nothing))
    (tmp_path / "map.json").write_text(json.dumps({str(MINT): None, str(PROGRAM): in_json(5)}))
    (tmp_path / "list.json").write_text(json.dumps([{"pubkey": str(PROGRAM), "account": None}]))
    (tmp_path / "._map.json").write_bytes(b"\0")
    assert read_account_files(tmp_path) == {PROGRAM: Account(5, b"", Pubkey.default())}
    replies = tmp_path / "300.ndjson"
    replies.write_text(json.dumps({"parentSlot": 299, "transactions": []}))
    output = tmp_path / "made"
    assert run(["simsync", "ledger", "import", str(replies), "--output", str(output), "--account", str(tmp_path)]) == 2
    replies.rename(replies.with_suffix(".txt"))
    replies = replies.with_suffix(".txt")
    (tmp_path / "blocks").mkdir()
    replies.rename(tmp_path / "blocks" / "300.json")
    (tmp_path / "accounts").mkdir()
    for name in ("map.json", "list.json", f"{WALLET}.json"):
        (tmp_path / name).rename(tmp_path / "accounts" / name)
    capsys.readouterr()
    command = ["simsync", "ledger", "import", str(tmp_path), "--output", str(output), "--account", str(tmp_path)]
    assert run(command) == 0
    assert "left out 2 accounts that the node did not have" in capsys.readouterr().err
    assert set(Ledger.load(output).accounts) == {PROGRAM}


def test_a_program_without_its_code_is_left_out_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else it would replace the token program of the engine."""
    token = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
    whole = program_accounts(token, tiny_program())
    code = next(address for address in whole if address != token)
    stub = {token: whole[token]}
    ledger = Ledger.generate(slots=2, bundle_size=1, transactions_per_slot=1)
    with pytest.raises(simsync.InvalidParams, match=f"accounts='{token}': is a program without its ProgramData {code}"):
        ledger.with_accounts(stub)
    with pytest.raises(simsync.InvalidParams, match="without its ProgramData"):
        ledger.with_accounts({**whole, code: Account(1, bytes(45), whole[code].owner)})
    assert ledger.with_accounts(whole).with_accounts(stub).accounts[token] == whole[token]
    accounts, saved, output = tmp_path / "map.json", tmp_path / "300.json", tmp_path / "made"
    loader = str(whole[token].owner)
    accounts.write_text(json.dumps({str(token): in_json(1, [text(whole[token].data), "base64"], owner=loader)}))
    saved.write_text(json.dumps({"parentSlot": 299, "transactions": []}))
    command = ["simsync", "ledger", "import", str(saved), "--output", str(output), "--account", str(accounts)]
    assert run(command) == 0
    assert f"left out 1 program without ProgramData, which could not be called: {token}" in capsys.readouterr().err
    assert not Ledger.load(output).accounts


def test_a_program_that_was_deployed_later_can_be_called() -> None:
    """Accounts of a node are younger than the blocks, and so may be the code."""
    later = program_accounts(PROGRAM, tiny_program(7), deploy_slot=1_004)
    accounts = {**later, RICH.pubkey(): Account(10**10, b"", Pubkey.default())}
    ledger = Ledger.generate(slots=12, bundle_size=6, transactions_per_slot=1).with_accounts(accounts)
    before, after = (bundle.accounts for bundle in ledger.bundles)
    assert {address: before[address] for address in later} == program_accounts(PROGRAM, tiny_program(7), 0)
    assert {address: after[address] for address in later} == later
    call = transaction(Instruction(PROGRAM, b"", []))
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, slot_count=4), timeout=20) as session:
            (own,) = session.advance(transactions=[bytes(call)], timeout=20).own
    assert own.error_code == 7


def test_an_empty_folder_and_a_program_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(simsync.InvalidParams, match="holds no file"):
        read_account_files(tmp_path)
    with pytest.raises(simsync.InvalidParams, match="ELF"):
        program_accounts(PROGRAM, b"#!/bin/sh")
    with pytest.raises(simsync.InvalidParams, match="decimals"):
        mint_account(256)


def test_a_session_starts_with_them() -> None:
    accounts = {
        WALLET: Account(123, b"", Pubkey.default()),
        MINT: mint_account(6, authority=WALLET),
        **program_accounts(PROGRAM, tiny_program(7)),
        RICH.pubkey(): Account(10**10, b"", Pubkey.default()),
    }
    ledger = Ledger.generate(slots=8, bundle_size=4, transactions_per_slot=1).with_accounts(accounts)
    call = transaction(Instruction(PROGRAM, b"", [AccountMeta(WALLET, False, False)]))
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        for start in (1_000, 1_004):
            with client.session(simsync.CreateSession(start, slot_count=4), timeout=20) as session:
                step = session.advance(transactions=[bytes(call)], timeout=20)
                (own,) = step.own
                assert own.error_code == 7  # the program runs, and returns 7
                found = session.rpc.get_account_info(str(WALLET))
                assert found is not None
                assert found.lamports == 123
                mint = session.rpc.get_account_info(str(MINT))
                assert mint is not None
                assert simsync.accounts.read_mint(mint).decimals == 6


def test_the_command_line_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replies, accounts, elf = tmp_path / "block-300.json", tmp_path / "accounts", tmp_path / "program.so"
    replies.write_text(json.dumps({"blockhash": SYSTEM, "parentSlot": 299, "blockTime": 1, "transactions": []}))
    accounts.mkdir()
    (accounts / f"{WALLET}.json").write_text(json.dumps(in_json(5)))
    elf.write_bytes(tiny_program())
    output = tmp_path / "made.ledger"
    command = ["simsync", "ledger", "import", str(replies), "--output", str(output), "--account", str(accounts)]
    more = ["--program", f"{PROGRAM}={elf}", "--mint", f"{MINT}=9"]
    assert run([*command, *more]) == 0
    made = Ledger.load(output).accounts
    assert made[WALLET].lamports == 5
    assert made[PROGRAM].executable
    assert len(made) == 4
    for wrong in (["--program", "x"], ["--program", f"x={elf}"], ["--mint", f"{MINT}=many"], ["--mint", str(MINT)]):
        assert run([*command, *wrong]) == 2
    assert "is not a Solana address" in capsys.readouterr().err


def run(command: list[str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", command)
        return main()


@pytest.mark.parametrize("output", ["blocks/300.json", "accounts.json", "program.so"])
def test_an_import_does_not_replace_what_it_reads(tmp_path: Path, output: str) -> None:
    (tmp_path / "blocks").mkdir()
    replies, accounts = tmp_path / "blocks" / "300.json", tmp_path / "accounts.json"
    replies.write_text(json.dumps({"parentSlot": 299, "transactions": []}))
    accounts.write_text(json.dumps({str(PROGRAM): in_json(5)}))
    elf = tmp_path / "program.so"
    elf.write_bytes(b"\x7fELF" + bytes(60))
    before = [replies.read_bytes(), accounts.read_bytes(), elf.read_bytes()]
    written = ["--output", str(tmp_path / output), "--account", str(accounts), "--program", f"{PROGRAM}={elf}"]
    assert run(["simsync", "ledger", "import", str(replies.parent), *written]) == 2
    assert [replies.read_bytes(), accounts.read_bytes(), elf.read_bytes()] == before
