"""Instructions of the programs of a cluster that solders does not make: the loader, stake, votes and precompiles."""

from __future__ import annotations

import struct

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account

from simsync.local.engine.programs import (
    ED25519_PROGRAM,
    SECP256K1_PROGRAM,
    SECP256R1_PROGRAM,
    SYSTEM_PROGRAM,
    UPGRADEABLE_LOADER,
    VOTE_PROGRAM,
)

CLOCK, EPOCH_SCHEDULE, RECENT_BLOCKHASHES, RENT, SLOT_HASHES, STAKE_HISTORY = (
    Pubkey.from_string(text)
    for text in (
        "SysvarC1ock11111111111111111111111111111111",
        "SysvarEpochSchedu1e111111111111111111111111",
        "SysvarRecentB1ockHashes11111111111111111111",
        "SysvarRent111111111111111111111111111111111",
        "SysvarS1otHashes111111111111111111111111111",
        "SysvarStakeHistory1111111111111111111111111",
    )
)
STAKE_PROGRAM = Pubkey.from_string("Stake11111111111111111111111111111111111111")
STAKE_CONFIG = Pubkey.from_string("StakeConfig11111111111111111111111111111111")
STAKE_SIZE, VOTE_SIZE = 200, 3762
BUFFER_HEADER, PROGRAM_SIZE = 37, 36
"""Bytes of a buffer before its code, and of the account of an upgradeable program."""

_MESSAGE = b"simsync"
_CURRENT = 0xFFFF
"""Stands for the instruction itself where a precompile names the instruction that holds its data."""
_K1_ADDRESS = bytes.fromhex("bb39d1a9af4e3fdc9598bd78ac92e2811e2af6ca")
_K1_SIGNATURE = bytes.fromhex(
    "527dd7d38ca99f0ae7f453010d52ca7dc58f63100db4a33449f3e7327a0b9ce8"
    "3f90a236b532a15361fb5dc24b199fb19e746ec866bd9830824de33267f92058"
)
_R1_KEY = bytes.fromhex("0310a490523955cbc2c2d3452458fcdf97c4733469f187905f5cb67347f4244eb8")
_R1_SIGNATURE = bytes.fromhex(
    "b674b370dec9b2b002b9e9b37063e3b31d3042fc87350c8bb126169a0a02983f"
    "4fbd81e43022b9590556288e041c66327b6986ab79a4462de5d4f30afec43332"
)
"""Of :data:`_MESSAGE`, made with the package cryptography."""


def _writable(*keys: Pubkey) -> list[AccountMeta]:
    return [AccountMeta(key, False, True) for key in keys]


def _readonly(*keys: Pubkey) -> list[AccountMeta]:
    return [AccountMeta(key, False, False) for key in keys]


def _signer(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, True, False)


def new_account(payer: Pubkey, key: Pubkey, lamports: int, space: int, owner: Pubkey) -> Instruction:
    return create_account(
        CreateAccountParams(from_pubkey=payer, to_pubkey=key, lamports=lamports, space=space, owner=owner)
    )


# -- the loader of upgradeable programs


def program_data_of(program: Pubkey) -> Pubkey:
    return Pubkey.find_program_address([bytes(program)], UPGRADEABLE_LOADER)[0]


def initialize_buffer(buffer: Pubkey, authority: Pubkey) -> Instruction:
    return Instruction(UPGRADEABLE_LOADER, struct.pack("<I", 0), [*_writable(buffer), *_readonly(authority)])


def write_buffer(buffer: Pubkey, authority: Pubkey, code: bytes) -> Instruction:
    data = struct.pack("<IIQ", 1, 0, len(code)) + code
    return Instruction(UPGRADEABLE_LOADER, data, [*_writable(buffer), _signer(authority)])


def deploy(payer: Pubkey, program: Pubkey, buffer: Pubkey, authority: Pubkey, size: int) -> Instruction:
    accounts = [
        AccountMeta(payer, True, True),
        *_writable(program_data_of(program), program, buffer),
        *_readonly(RENT, CLOCK, SYSTEM_PROGRAM),
        _signer(authority),
    ]
    return Instruction(UPGRADEABLE_LOADER, struct.pack("<IQ", 2, size), accounts)


def upgrade(program: Pubkey, buffer: Pubkey, spill: Pubkey, authority: Pubkey) -> Instruction:
    accounts = [
        *_writable(program_data_of(program), program, buffer, spill),
        *_readonly(RENT, CLOCK),
        _signer(authority),
    ]
    return Instruction(UPGRADEABLE_LOADER, struct.pack("<I", 3), accounts)


# -- votes and stakes


def initialize_vote(vote: Pubkey, node: Pubkey) -> Instruction:
    data = struct.pack("<I", 0) + bytes(node) * 3 + b"\0"
    return Instruction(VOTE_PROGRAM, data, [*_writable(vote), *_readonly(RENT, CLOCK), _signer(node)])


def initialize_stake(stake: Pubkey, authority: Pubkey) -> Instruction:
    data = struct.pack("<I", 0) + bytes(authority) * 2 + struct.pack("<qQ", 0, 0) + bytes(32)
    return Instruction(STAKE_PROGRAM, data, [*_writable(stake), *_readonly(RENT)])


def delegate_stake(stake: Pubkey, vote: Pubkey, authority: Pubkey) -> Instruction:
    accounts = [*_writable(stake), *_readonly(vote, CLOCK, STAKE_HISTORY, STAKE_CONFIG), _signer(authority)]
    return Instruction(STAKE_PROGRAM, struct.pack("<I", 2), accounts)


def split_stake(stake: Pubkey, other: Pubkey, authority: Pubkey, lamports: int) -> Instruction:
    accounts = [*_writable(stake, other), _signer(authority)]
    return Instruction(STAKE_PROGRAM, struct.pack("<IQ", 3, lamports), accounts)


def withdraw_stake(stake: Pubkey, target: Pubkey, authority: Pubkey, lamports: int) -> Instruction:
    accounts = [*_writable(stake, target), *_readonly(CLOCK, STAKE_HISTORY), _signer(authority)]
    return Instruction(STAKE_PROGRAM, struct.pack("<IQ", 4, lamports), accounts)


def deactivate_stake(stake: Pubkey, authority: Pubkey) -> Instruction:
    accounts = [*_writable(stake), *_readonly(CLOCK), _signer(authority)]
    return Instruction(STAKE_PROGRAM, struct.pack("<I", 5), accounts)


# -- precompiles


def verify_ed25519(*, count: int = 1, good: bool = True) -> Instruction:
    """Verify a signature ``count`` times."""
    signer = Keypair.from_seed(b"e" * 32)
    return _verify_curve(ED25519_PROGRAM, bytes(signer.pubkey()), bytes(signer.sign_message(_MESSAGE)), count, good)


def verify_secp256r1(*, count: int = 1, good: bool = True) -> Instruction:
    return _verify_curve(SECP256R1_PROGRAM, _R1_KEY, _R1_SIGNATURE, count, good)


def _verify_curve(program: Pubkey, key: bytes, signature: bytes, count: int, good: bool) -> Instruction:
    start = 2 + 14 * count
    places = struct.pack(
        "<7H",
        start + len(key),
        _CURRENT,
        start,
        _CURRENT,
        start + len(key) + len(signature),
        len(_MESSAGE),
        _CURRENT,
    )
    message = _MESSAGE if good else _MESSAGE[::-1]
    return Instruction(program, bytes([count, 0]) + places * count + key + signature + message, [])


def verify_secp256k1(*, count: int = 1, good: bool = True) -> Instruction:
    """It must be the first instruction of its transaction."""
    start = 1 + 11 * count
    signature = _K1_SIGNATURE + b"\0"
    places = struct.pack(
        "<HBHBHHB",
        start + len(_K1_ADDRESS),
        0,
        start,
        0,
        start + len(_K1_ADDRESS) + len(signature),
        len(_MESSAGE),
        0,
    )
    message = _MESSAGE if good else _MESSAGE[::-1]
    return Instruction(SECP256K1_PROGRAM, bytes([count]) + places * count + _K1_ADDRESS + signature + message, [])
