"""Transactions that were received: their instructions, and sending them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

import simsync
from simsync.params import base58
from simsync.wire.instructions import transaction_instructions
from simsync.wire.transaction_bytes import first_signature, serialized_transaction


def recorded(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "mainnet" / name).read_text().splitlines()]


def test_recorded_transactions_are_rebuilt_byte_by_byte(data_folder: Path) -> None:
    for row in recorded(data_folder, "transactions_json.jsonl"):
        data = serialized_transaction(row)
        transaction = VersionedTransaction.from_bytes(data)
        assert bytes(transaction) == data
        assert [str(one) for one in transaction.signatures] == row["transaction"]["signatures"]
        assert first_signature(data) == row["transaction"]["signatures"][0]
        keys = [str(key) for key in transaction.message.account_keys]
        loaded = row["meta"].get("loadedAddresses") or {}
        keys += loaded.get("writable", []) + loaded.get("readonly", [])
        instructions = transaction_instructions(row)
        for compiled, read in zip(transaction.message.instructions, instructions):
            assert read.program == keys[compiled.program_id_index]
            assert list(read.accounts) == [keys[place] for place in compiled.accounts]
            assert read.data == bytes(compiled.data)
        inner = sum(len(group["instructions"]) for group in row["meta"].get("innerInstructions") or [])
        assert sum(len(read.inner) for read in instructions) == inner


@pytest.mark.parametrize("said", [{"version": "legacy"}, {"version": None}, {"version": "0"}, {"version": 0}, {}])
def test_a_message_with_lookups_is_rebuilt_whatever_the_reply_says_about_its_version(said: dict[str, Any]) -> None:
    payer, table = Keypair.from_seed(bytes(32)), Pubkey.from_bytes(bytes([7] * 32))
    looked_up = [Pubkey.from_bytes(bytes([place] * 32)) for place in (1, 2)]
    metas = [AccountMeta(looked_up[0], False, True), AccountMeta(looked_up[1], False, False)]
    message = MessageV0.try_compile(
        payer.pubkey(),
        [Instruction(Pubkey.from_bytes(bytes([9] * 32)), b"data", metas)],
        [AddressLookupTableAccount(table, looked_up)],
        Hash.default(),
    )
    transaction = VersionedTransaction(message, [payer])
    sent = {
        "signatures": [str(one) for one in transaction.signatures],
        "message": {
            "header": {
                "numRequiredSignatures": message.header.num_required_signatures,
                "numReadonlySignedAccounts": message.header.num_readonly_signed_accounts,
                "numReadonlyUnsignedAccounts": message.header.num_readonly_unsigned_accounts,
            },
            "accountKeys": [str(key) for key in message.account_keys],
            "recentBlockhash": str(message.recent_blockhash),
            "instructions": [
                {
                    "programIdIndex": one.program_id_index,
                    "accounts": list(one.accounts),
                    "data": base58.encode(one.data),
                }
                for one in message.instructions
            ],
            "addressTableLookups": [
                {
                    "accountKey": str(one.account_key),
                    "writableIndexes": list(one.writable_indexes),
                    "readonlyIndexes": list(one.readonly_indexes),
                }
                for one in message.address_table_lookups
            ],
        },
    }
    assert serialized_transaction({"transaction": sent, "meta": None, **said}) == bytes(transaction)


def test_parsed_instructions_show_what_was_sent_and_cannot_be_rebuilt(data_folder: Path) -> None:
    seen = 0
    for row in recorded(data_folder, "transactions_jsonparsed.jsonl"):
        raw = row["transaction"]["message"]["instructions"]
        for one, read in zip(raw, transaction_instructions(row)):
            assert read.program == one["programId"]
            assert read.parsed == one.get("parsed")
            assert json.dumps(read.to_dict())
        if any("parsed" in one for one in raw):
            seen += 1
            with pytest.raises(simsync.ProtocolError, match="was sent parsed"):
                serialized_transaction(row)
        else:
            assert bytes(VersionedTransaction.from_bytes(serialized_transaction(row)))
    assert seen


@pytest.mark.parametrize(
    "row", [None, [], {}, {"transaction": {}}, {"transaction": ["x", "base16"]}, {"transaction": 5}]
)
def test_what_is_no_transaction_cannot_be_rebuilt(row: Any) -> None:
    with pytest.raises(simsync.ProtocolError, match="cannot be serialized"):
        serialized_transaction(row)
    assert transaction_instructions(row) == ()


def test_a_received_transaction_can_be_simulated_again(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        sub = session.sub_sessions[0]
        sub.subscribe_transactions()
        sub.ensure_ready(20)
        sub.advance(1, timeout=20)
        event = next(event for event in sub.events(timeout=20) if isinstance(event, simsync.Transaction))
        assert sub.rpc.simulate_transaction(event).error is None
        assert sub.rpc.send_transaction(event, skip_preflight=True) == event.signature
        assert simsync.Continue(transactions=[event]).transactions
