"""The programs that a ledger uses: their addresses and instructions, and the smallest programs there are."""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, SupportsIndex

from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer

from simsync.errors import InvalidParams
from simsync.params import checks

if TYPE_CHECKING:
    from collections.abc import Sequence


SYSTEM_PROGRAM = Pubkey.default()
ASSOCIATED_TOKEN_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})
OLD_MEMO_PROGRAM = Pubkey.from_string("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
MEMO_PROGRAMS = frozenset({OLD_MEMO_PROGRAM, MEMO_PROGRAM})
VOTE_PROGRAM = Pubkey.from_string("Vote111111111111111111111111111111111111111")
LOOKUP_TABLE_PROGRAM = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
COMPUTE_BUDGET_PROGRAM = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
ED25519_PROGRAM = Pubkey.from_string("Ed25519SigVerify111111111111111111111111111")
SECP256K1_PROGRAM = Pubkey.from_string("KeccakSecp256k11111111111111111111111111111")
SECP256R1_PROGRAM = Pubkey.from_string("Secp256r1SigVerify1111111111111111111111111")
PRECOMPILES = frozenset({ED25519_PROGRAM, SECP256K1_PROGRAM, SECP256R1_PROGRAM})
"""Programs that verify signatures; each of these costs as much as a signature of the transaction."""
NATIVE_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")
"""The mint of wrapped SOL."""
BUILTIN_PROGRAMS = frozenset(
    {
        SYSTEM_PROGRAM,
        COMPUTE_BUDGET_PROGRAM,
        UPGRADEABLE_LOADER,
        Pubkey.from_string("BPFLoader1111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader2111111111111111111111111111111111"),
        Pubkey.from_string("LoaderV411111111111111111111111111111111111"),
        SECP256K1_PROGRAM,
        ED25519_PROGRAM,
    }
)
"""Programs whose instructions count with few compute units in the default limit."""
LOOKUP_TABLE_HEADER = 56
"""Bytes before the addresses of an address lookup table."""
TINY_PROGRAM: Pubkey = Keypair.from_seed(hashlib.sha256(b"simsync-local/tiny-program").digest()).pubkey()
"""The address at which ``Ledger.generate(tiny_program=True)`` deploys a program that does nothing."""

_MINT_SIZE = 82
_RENT_PER_BYTE = 6_960
"""Lamports for each byte that exempt an account from rent."""
_RENT_HEADER = 128
"""Bytes for which every account pays besides its data."""
_ELF = b"\x7fELF"
_INITIALIZE_MINT, _MINT_TO, _CLOSE_ACCOUNT, _TRANSFER_CHECKED = 20, 7, 9, 12
_EXIT = b"\x95" + bytes(7)
_INVALID_ACCOUNT_DATA = 4 << 32


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


def program_accounts(program_id: object, elf: bytes, deploy_slot: SupportsIndex = 0) -> dict[Pubkey, Account]:
    """Return an upgradeable program without an authority: its account and its ProgramData.

    Args:
        program_id: The address at which it is deployed.
        elf: The compiled program.
        deploy_slot: The slot in which it was deployed.

    Raises:
        InvalidParams: It is not an ELF file, or another argument is invalid.
    """
    if not isinstance(elf, (bytes, bytearray, memoryview)) or bytes(elf[:4]) != _ELF:
        raise InvalidParams("elf", elf, "must be a compiled program (an ELF file)")
    deploy_slot = checks.integer("deploy_slot", deploy_slot, 0, checks.U64)
    address = Pubkey.from_string(checks.address("program_id", program_id))
    (data_address, _bump) = Pubkey.find_program_address([bytes(address)], UPGRADEABLE_LOADER)
    program = struct.pack("<I", 2) + bytes(data_address)
    program_data = struct.pack("<IQB", 3, deploy_slot, 0) + bytes(32) + bytes(elf)
    return {
        data_address: Account(_rent(program_data), program_data, UPGRADEABLE_LOADER),
        address: Account(_rent(program), program, UPGRADEABLE_LOADER, executable=True),
    }


def mint_account(decimals: SupportsIndex, authority: object = None) -> Account:
    """Return a mint of the token program without supply.

    Args:
        decimals: Decimals of the token, 0 to 255.
        authority: The address that may mint; None for nobody.
    """
    decimals = checks.integer("decimals", decimals, 0, 255)
    owner = bytes(36) if authority is None else struct.pack("<I", 1) + checks.address_bytes("authority", authority)
    state = owner + struct.pack("<QBB", 0, decimals, 1) + bytes(36)
    return Account(_rent(state), state, TOKEN_PROGRAM)


def _rent(data: bytes) -> int:
    return (_RENT_HEADER + len(data)) * _RENT_PER_BYTE


def native_mint() -> Account:
    """Return the mint of wrapped SOL, as every cluster has it."""
    return mint_account(9)


def lookup_table_data(authority: Pubkey, addresses: Sequence[Pubkey]) -> bytes:
    """Return the data of an address lookup table that was created before slot 1 and never changed."""
    state = struct.pack("<IQQB", 1, 2**64 - 1, 0, 0) + b"\1" + bytes(authority) + b"\0\0"
    return state + b"".join(bytes(address) for address in addresses)


def tiny_program(result: SupportsIndex = 0) -> bytes:
    """Return the ELF of a program that only returns ``result``.

    Args:
        result: 0 for success; 1 to 2**31 - 1 fails with that custom error.

    Returns:
        The code, for an executable account or its ProgramData.

    Raises:
        InvalidParams: ``result`` is out of range.
    """
    code = struct.pack("<i", checks.integer("result", result, 0, 2**31 - 1))
    return _elf(b"\xb7\0\0\0" + code + _EXIT)


def failing_elf() -> bytes:
    """Return the ELF of a program that fails with InvalidAccountData."""
    high = _INVALID_ACCOUNT_DATA >> 32
    load = b"\xb7\0\0\0" + struct.pack("<i", high) + b"\x67\0\0\0" + struct.pack("<i", 32)
    return _elf(load + _EXIT)


def _elf(code: bytes) -> bytes:
    names = b"\0.text\0.shstrtab\0"
    start = 64 + 56
    sections = start + len(code) + len(names)
    padding = -sections % 8
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 247, 1, start, 64, sections + padding, 0, 64, 56, 1, 64, 3, 2)
    segment = struct.pack("<IIQQQQQQ", 1, 5, start, start, start, len(code), len(code), 4096)
    text = struct.pack("<IIQQQQIIQQ", 1, 1, 6, start, start, len(code), 0, 0, 8, 0)
    strings = struct.pack("<IIQQQQIIQQ", 7, 3, 0, 0, start + len(code), len(names), 0, 0, 1, 0)
    return header + segment + code + names + bytes(padding) + bytes(64) + text + strings
