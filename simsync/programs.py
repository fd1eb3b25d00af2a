"""Programs to write: the accounts of the upgradeable loader, built from an ELF file.

    from simsync import programs

    address = programs.program_data_address(PROGRAM)
    slot = programs.deploy_slot_before(sub.start_slot)
    sub.rpc.modify_accounts(programs.build_program_injection(address, elf, slot))

A program consists of two accounts: the program account refers to the ProgramData account, which holds the ELF. Writing
the ProgramData account replaces the program. A program that does not exist yet also needs its program account, see
:func:`program_account`.
"""

from __future__ import annotations

from typing import SupportsIndex

from simsync.accounts import rent_exempt_minimum
from simsync.errors import InvalidParams, MissingExtra
from simsync.params import AccountData, base58, checks
from simsync.params.account_encodings import LARGEST_ACCOUNT

UPGRADEABLE_LOADER = "BPFLoaderUpgradeab1e11111111111111111111111"

_PROGRAM = (2).to_bytes(4, "little")
_PROGRAM_DATA = (3).to_bytes(4, "little")
_PROGRAM_SIZE = 36
_HEADER_SIZE = 45
"""Offset in bytes at which the loader expects the ELF."""
_ELF_MAGIC = b"\x7fELF"


def program_data_bytes(
    elf: bytes, deploy_slot: SupportsIndex, authority: object = None, *, short: bool = False
) -> bytes:
    """Return the data of a ProgramData account: a header and the ELF.

    Args:
        elf: The compiled program.
        deploy_slot: Slot of the deployment. A program cannot be run in the slot in which it was deployed, see
            :func:`deploy_slot_before`.
        authority: Address that may upgrade the program, or None.
        short: If there is no authority, write a header of 13 instead of 45 bytes. The standard loader expects the ELF
            at byte 45 in any case, so the program may not load.
    """
    if not isinstance(elf, (bytes, bytearray, memoryview)):
        raise InvalidParams("elf", elf, f"must be bytes, not {type(elf).__name__}")
    content = bytes(elf)
    if not content.startswith(_ELF_MAGIC):
        raise InvalidParams("elf", content, "is not an ELF file: it must begin with b'\\x7fELF'")
    slot = checks.integer("deploy_slot", deploy_slot, 0, checks.U64).to_bytes(8, "little")
    padded = not checks.flag("short", short)
    if authority is None:
        header = _PROGRAM_DATA + slot + b"\0"
        header = header.ljust(_HEADER_SIZE, b"\0") if padded else header
    else:
        header = _PROGRAM_DATA + slot + b"\1" + checks.address_bytes("authority", authority)
    if len(header) + len(content) > LARGEST_ACCOUNT:
        rule = f"is too large: {len(content)} bytes, with its header at most {LARGEST_ACCOUNT}"
        raise InvalidParams("elf", content, rule)
    return header + content


def build_program_injection(
    program_data: object,
    elf: bytes,
    deploy_slot: SupportsIndex,
    authority: object = None,
    lamports: SupportsIndex | None = None,
    *,
    short: bool = False,
) -> dict[str, AccountData]:
    """Return the account that replaces a program, for ``modify_accounts``. Nothing is sent.

    Args:
        program_data: Address of the ProgramData account, see :func:`program_data_address`.
        elf: As for :func:`program_data_bytes`, like ``deploy_slot``, ``authority`` and ``short``.
        deploy_slot: Slot of the deployment.
        authority: Address that may upgrade the program, or None.
        lamports: Balance in lamports, at least the rent-exempt minimum, which None means.
        short: Write a short header.

    Returns:
        ``{program_data: account}``.
    """
    address = checks.address("program_data", program_data)
    data = program_data_bytes(elf, deploy_slot, authority, short=short)
    return {address: AccountData(_lamports(lamports, len(data)), UPGRADEABLE_LOADER, data)}


def deploy_slot_before(start_slot: SupportsIndex) -> int:
    """Return the deploy slot for a session that begins at ``start_slot``: the slot before it, at least 0."""
    return max(0, checks.integer("start_slot", start_slot, 0, checks.U64) - 1)


def program_data_address(program_id: object) -> str:
    """Return the address of the ProgramData account of a program.

    Args:
        program_id: Address of the program.

    Raises:
        MissingExtra: solders is not installed.
    """
    program = checks.address_bytes("program_id", program_id)
    try:
        from solders.pubkey import Pubkey
    except ImportError as error:
        raise MissingExtra("deriving a ProgramData address", "local") from error
    return str(Pubkey.find_program_address([program], Pubkey.from_string(UPGRADEABLE_LOADER))[0])


def program_account(program_data: object, lamports: SupportsIndex | None = None) -> AccountData:
    """Return the program account that refers to a ProgramData account.

    Args:
        program_data: Address of the ProgramData account.
        lamports: Balance in lamports, at least the rent-exempt minimum, which None means.
    """
    data = _PROGRAM + checks.address_bytes("program_data", program_data)
    return AccountData(_lamports(lamports, len(data)), UPGRADEABLE_LOADER, data, executable=True)


def program_data_of(program: AccountData) -> str:
    """Return the address of the ProgramData account to which a program account refers.

    Args:
        program: The program account.

    Raises:
        InvalidParams: ``program`` is not a program of the upgradeable loader.
    """
    if not isinstance(program, AccountData):
        raise InvalidParams("program", program, "must be an AccountData")
    if program.owner != UPGRADEABLE_LOADER:
        raise InvalidParams("program", program, f"is not an upgradeable program: its owner is {program.owner}")
    if program.space != _PROGRAM_SIZE or not program.data.startswith(_PROGRAM):
        raise InvalidParams("program", program, "is owned by the upgradeable loader, but is not a program account")
    return base58.encode(program.data[len(_PROGRAM) :])


def _lamports(lamports: SupportsIndex | None, size: int) -> int:
    least = rent_exempt_minimum(size)
    return least if lamports is None else checks.integer("lamports", lamports, least, checks.U64)
