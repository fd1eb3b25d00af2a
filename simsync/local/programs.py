"""Instructions of the programs that a generated ledger uses."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer

from simsync.local.token_balances import TOKEN_PROGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence

SYSTEM_PROGRAM = Pubkey.default()
ASSOCIATED_TOKEN_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
LOOKUP_TABLE_PROGRAM = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")

_MINT_SIZE = 82
_INITIALIZE_MINT, _MINT_TO, _CLOSE_ACCOUNT, _TRANSFER_CHECKED = 20, 7, 9, 12


def system_transfer(sender: Pubkey, receiver: Pubkey, lamports: int) -> Instruction:
    """Move ``lamports`` from one account to another."""
    return transfer(TransferParams(from_pubkey=sender, to_pubkey=receiver, lamports=lamports))


def memo(signer: Pubkey, text: str) -> Instruction:
    """Write ``text`` into the log."""
    return Instruction(MEMO_PROGRAM, text.encode(), [AccountMeta(signer, True, False)])


def create_mint(authority: Pubkey, mint: Pubkey, lamports: int, decimals: int) -> list[Instruction]:
    """Create a mint with ``lamports`` of rent, paid and controlled by ``authority``."""
    return [
        create_account(
            CreateAccountParams(
                from_pubkey=authority, to_pubkey=mint, lamports=lamports, space=_MINT_SIZE, owner=TOKEN_PROGRAM
            )
        ),
        Instruction(
            TOKEN_PROGRAM,
            bytes([_INITIALIZE_MINT, decimals]) + bytes(authority) + b"\0",
            [AccountMeta(mint, False, True)],
        ),
    ]


@lru_cache(maxsize=4096)
def associated_address(owner: Pubkey, mint: Pubkey) -> Pubkey:
    """Return the address of the associated token account of ``owner`` for ``mint``."""
    seeds = [bytes(owner), bytes(TOKEN_PROGRAM), bytes(mint)]
    return Pubkey.find_program_address(seeds, ASSOCIATED_TOKEN_PROGRAM)[0]


def create_associated_account(payer: Pubkey, owner: Pubkey, mint: Pubkey) -> Instruction:
    """Create the associated token account of ``owner`` for ``mint``."""
    return Instruction(
        ASSOCIATED_TOKEN_PROGRAM,
        b"",
        [
            AccountMeta(payer, True, True),
            AccountMeta(associated_address(owner, mint), False, True),
            AccountMeta(owner, False, False),
            AccountMeta(mint, False, False),
            AccountMeta(SYSTEM_PROGRAM, False, False),
            AccountMeta(TOKEN_PROGRAM, False, False),
        ],
    )


def mint_to(mint: Pubkey, target: Pubkey, authority: Pubkey, amount: int) -> Instruction:
    """Mint ``amount`` (smallest units) to a token account."""
    accounts = [AccountMeta(mint, False, True), AccountMeta(target, False, True), AccountMeta(authority, True, False)]
    return Instruction(TOKEN_PROGRAM, struct.pack("<BQ", _MINT_TO, amount), accounts)


def token_transfer(
    source: Pubkey, mint: Pubkey, target: Pubkey, owner: Pubkey, amount: int, decimals: int
) -> Instruction:
    """Move ``amount`` (smallest units) between two token accounts of one mint."""
    accounts = [
        AccountMeta(source, False, True),
        AccountMeta(mint, False, False),
        AccountMeta(target, False, True),
        AccountMeta(owner, True, False),
    ]
    return Instruction(TOKEN_PROGRAM, struct.pack("<BQB", _TRANSFER_CHECKED, amount, decimals), accounts)


def close_account(token_account: Pubkey, owner: Pubkey) -> Instruction:
    """Close an empty token account; its lamports go to the owner."""
    accounts = [
        AccountMeta(token_account, False, True),
        AccountMeta(owner, False, True),
        AccountMeta(owner, True, False),
    ]
    return Instruction(TOKEN_PROGRAM, bytes([_CLOSE_ACCOUNT]), accounts)


def lookup_table_data(authority: Pubkey, addresses: Sequence[Pubkey]) -> bytes:
    """Return the data of an address lookup table that was made before slot 1 and never changed."""
    state = struct.pack("<IQQB", 1, 2**64 - 1, 0, 0) + b"\1" + bytes(authority) + b"\0\0"
    return state + b"".join(bytes(address) for address in addresses)
