"""What ``simulateTransaction`` shows, and which transactions it and ``sendTransaction`` refuse, as a node does."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from solders.instruction import CompiledInstruction
from solders.keypair import Keypair
from solders.message import Message, MessageAddressTableLookup, MessageHeader, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from simsync.local import Simulator, mint_account
from simsync.local.engine.programs import (
    ASSOCIATED_TOKEN_PROGRAM,
    LOOKUP_TABLE_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    associated_address,
    create_associated_account,
    lookup_table_data,
)

from .actors import BLOCKHASH, POOR, RICH, account_data, encoded, transaction, transfer
from .bare import Control, Rpc

SOL = 1_000_000_000
BASE64 = {"encoding": "base64"}
PAYER, OTHER = RICH.pubkey(), POOR.pubkey()
MINT = Pubkey(b"m" * 32)
TABLE = Pubkey(b"t" * 32)


@pytest.fixture
def rpc(simulator: Simulator) -> Iterator[Rpc]:
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        mint = mint_account(6)
        rpc.call(
            "modifyAccounts",
            {str(PAYER): account_data(10 * SOL), str(MINT): account_data(mint.lamports, mint.data, TOKEN_PROGRAM)},
        )
        yield rpc


def test_inner_instructions_of_a_simulation_are_parsed(rpc: Rpc) -> None:
    create = encoded(transaction(create_associated_account(PAYER, OTHER, MINT)))
    (group,) = rpc.value("simulateTransaction", create, {**BASE64, "innerInstructions": True})["innerInstructions"]
    assert group["index"] == 0
    shown = {one["parsed"]["type"]: one for one in group["instructions"] if "parsed" in one}
    assert set(shown) >= {"createAccount", "initializeAccount3"}
    assert shown["createAccount"]["program"] == "system"
    assert shown["createAccount"]["programId"] == str(SYSTEM_PROGRAM)
    assert shown["createAccount"]["parsed"]["info"]["newAccount"] == str(associated_address(OTHER, MINT))
    for one in group["instructions"]:
        assert one["stackHeight"] == 2
        assert "programIdIndex" not in one
        # What has no parser names its accounts.
        assert "parsed" in one or all(Pubkey.from_string(account) for account in one["accounts"])
    signature = rpc.call("sendTransaction", create, BASE64)
    kept = rpc.call("getTransaction", signature, {"encoding": "jsonParsed"})["meta"]["innerInstructions"]
    assert kept == [group]


def test_a_failed_simulation_shows_no_accounts(rpc: Rpc) -> None:
    config = {**BASE64, "accounts": {"encoding": "base64", "addresses": [str(PAYER), str(OTHER)]}}
    failed = rpc.value("simulateTransaction", encoded(transfer(500 * SOL)), config)
    assert failed["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert failed["accounts"] == [None, None]
    passed = rpc.value("simulateTransaction", encoded(transfer(SOL)), config)
    assert [account["lamports"] for account in passed["accounts"]] == [9 * SOL - 5_000, SOL]


def test_a_simulation_shows_at_most_as_many_accounts_as_the_transaction_names(rpc: Rpc) -> None:
    named = transfer(SOL)
    most = len(named.message.account_keys)
    for count, refusal in ((most, None), (most + 1, f"Too many accounts provided; max {most}")):
        config = {**BASE64, "accounts": {"addresses": [str(ASSOCIATED_TOKEN_PROGRAM)] * count}}
        reply = rpc.post({"id": 1, "method": "simulateTransaction", "params": [encoded(named), config]})
        assert reply.get("error", {}).get("message") == refusal


def test_signatures_are_checked_on_request(rpc: Rpc) -> None:
    good = transfer(SOL)
    bad = VersionedTransaction.populate(good.message, [Signature.default()])
    for one, checked, code in ((good, True, None), (bad, False, None), (bad, True, -32003)):
        params = [encoded(one), {**BASE64, "sigVerify": checked}]
        reply = rpc.post({"id": 1, "method": "simulateTransaction", "params": params})
        assert reply.get("error", {}).get("code") == code
    error = rpc.error("simulateTransaction", encoded(bad), {**BASE64, "sigVerify": True})
    assert error["message"] == "Transaction signature verification failure"


def legacy(*instructions: CompiledInstruction, header: tuple[int, int, int] = (1, 0, 1), signatures: int = 1) -> str:
    message = Message.new_with_compiled_instructions(*header, [PAYER, SYSTEM_PROGRAM], BLOCKHASH, list(instructions))
    return encoded(VersionedTransaction.populate(message, [Signature.default()] * signatures))


def looking_up(index: int) -> str:
    header = MessageHeader(1, 0, 1)
    lookup = MessageAddressTableLookup(TABLE, bytes([index]), b"")
    message = MessageV0(header, [PAYER, SYSTEM_PROGRAM], BLOCKHASH, [], [lookup])
    return encoded(VersionedTransaction.populate(message, [Signature.default()]))


OFFSETS = "Transaction failed to sanitize accounts offsets correctly"
A_TABLE = lookup_table_data(PAYER, [OTHER])


@pytest.mark.parametrize(
    ("wire", "table", "reason"),
    [
        (legacy(CompiledInstruction(9, b"", b"")), None, OFFSETS),
        (legacy(CompiledInstruction(0, b"", b"")), None, OFFSETS),
        (legacy(CompiledInstruction(1, b"", b"\x09")), None, OFFSETS),
        (legacy(header=(1, 1, 1)), None, OFFSETS),
        (legacy(signatures=0), None, OFFSETS),
        (legacy(signatures=2), None, OFFSETS),
        (looking_up(0), None, "Transaction loads an address table account that doesn't exist"),
        (looking_up(0), (A_TABLE, OTHER), "Transaction loads an address table account with an invalid owner"),
        (looking_up(0), (bytes(56), LOOKUP_TABLE_PROGRAM), "Transaction loads an address table account with invalid"),
        (looking_up(1), (A_TABLE, LOOKUP_TABLE_PROGRAM), "Transaction address table lookup uses an invalid index"),
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_a_broken_transaction_gets_into_no_block(rpc: Rpc, wire: str, table: Any, reason: str, skip: bool) -> None:
    if table is not None:
        rpc.call("modifyAccounts", {str(TABLE): account_data(SOL, *table)})
    before = rpc.call("getTransactionCount")
    for method in ("simulateTransaction", "sendTransaction"):
        error = rpc.error(method, wire, {**BASE64, "skipPreflight": skip})
        assert (error["code"], error["message"][: 21 + len(reason)]) == (-32602, f"invalid transaction: {reason}")
    assert rpc.call("getTransactionCount") == before


def test_a_broken_message_has_no_fee(rpc: Rpc) -> None:
    accounts = [PAYER, SYSTEM_PROGRAM]
    broken = Message.new_with_compiled_instructions(1, 0, 1, accounts, BLOCKHASH, [CompiledInstruction(9, b"", b"")])
    error = rpc.error("getFeeForMessage", base64.b64encode(bytes(broken)).decode())
    assert (error["code"], error["message"]) == (-32602, "invalid transaction message: index out of bounds")


def test_without_a_preflight_a_failing_transaction_is_executed(rpc: Rpc) -> None:
    for failing, error in (
        (transfer(50 * SOL), {"InstructionError": [0, {"Custom": 1}]}),
        (broke(), "AccountNotFound"),
    ):
        signature = rpc.call("sendTransaction", encoded(failing), {**BASE64, "skipPreflight": True})
        assert rpc.call("getTransaction", signature)["meta"]["err"] == error


def broke() -> VersionedTransaction:
    return transfer(5, sender=Keypair.from_seed(b"z" * 32))
