"""Wallets and transactions for tests."""

from __future__ import annotations

import base64
import struct
from typing import Any

from solders.account import Account
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local import tiny_program
from simsync.local.engine.programs import SYSTEM_PROGRAM, memo, system_transfer

RICH = Keypair.from_seed(b"r" * 32)
POOR = Keypair.from_seed(b"p" * 32)
BLOCKHASH = Hash.hash(b"any")
UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")


def transaction(*instructions: Instruction, payer: Keypair = RICH) -> VersionedTransaction:
    return VersionedTransaction(Message.new_with_blockhash(instructions, payer.pubkey(), BLOCKHASH), [payer])


def transfer(lamports: int, sender: Keypair = RICH, receiver: Keypair = POOR) -> VersionedTransaction:
    return transaction(system_transfer(sender.pubkey(), receiver.pubkey(), lamports), payer=sender)


def note(text: str, payer: Keypair = RICH) -> VersionedTransaction:
    return transaction(memo(payer.pubkey(), text), payer=payer)


def encoded(item: VersionedTransaction) -> str:
    return base64.b64encode(bytes(item)).decode()


def wallet(lamports: int) -> Account:
    return Account(lamports, b"", SYSTEM_PROGRAM)


def account_data(
    lamports: int, data: bytes = b"", owner: Pubkey = SYSTEM_PROGRAM, executable: bool = False
) -> dict[str, Any]:
    """Return an account in the form in which clients send it."""
    return {
        "data": {"data": base64.b64encode(data).decode(), "encoding": "base64"},
        "executable": executable,
        "lamports": lamports,
        "owner": str(owner),
        "space": len(data),
    }


def program_data(result: int, deploy_slot: int = 0) -> bytes:
    """Return ProgramData with a program that ends with ``result``, deployed in that slot."""
    return struct.pack("<IQB", 3, deploy_slot, 1) + bytes(RICH.pubkey()) + tiny_program(result)


def program_account(program: Pubkey) -> tuple[Pubkey, Account]:
    """Return the address of the program's ProgramData, and the program account that names it."""
    address = Pubkey.find_program_address([bytes(program)], UPGRADEABLE_LOADER)[0]
    data = struct.pack("<I", 2) + bytes(address)
    return address, Account(1_141_440, data, UPGRADEABLE_LOADER, executable=True)
