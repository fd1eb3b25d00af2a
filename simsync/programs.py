"""Programs to write: the accounts of the upgradeable loader, built from an ELF file.

    from simsync import programs

    address = programs.program_data_address(PROGRAM)
    slot = programs.deploy_slot_before(sub.start_slot)
    sub.rpc.modify_accounts(programs.build_program_injection(address, elf, slot))

A program consists of two accounts: the program account, which names its ProgramData account, and that, which holds the
ELF. Writing the ProgramData account replaces the program; a program that is not there also needs its program account,
see :func:`program_account`.
"""

from __future__ import annotations

from simsync.accounts import LARGEST_ACCOUNT, rent_exempt_minimum
from simsync.errors import InvalidParams, MissingExtra
from simsync.params import AccountData, base58, checks

UPGRADEABLE_LOADER = "BPFLoaderUpgradeab1e11111111111111111111111"

_PROGRAM = (2).to_bytes(4, "little")
_PROGRAM_DATA = (3).to_bytes(4, "little")
_PROGRAM_SIZE = 36
_HEADER_SIZE = 45
"""Bytes before the ELF, where the loader looks for it."""
_ELF_MAGIC = b"\x7fELF"


def program_data_bytes(elf: bytes, deploy_slot: int, authority: object = None, *, short: bool = False) -> bytes:
    """The data of a ProgramData account: a header of 45 bytes and the ELF.

    ``authority`` (an address) may upgrade the program. Without one its place is filled with zeros, because the standard
    loader reads the ELF at byte 45 in any case; ``short=True`` leaves the place out (a header of 13 bytes), which may
    not load. A program that was deployed in the current slot counts as not loaded; see :func:`deploy_slot_before`.
    """
    if not isinstance(elf, (bytes, bytearray, memoryview)):
        raise InvalidParams("elf", elf, f"must be bytes, not {type(elf).__name__}")
    content = bytes(elf)
    if not content.startswith(_ELF_MAGIC):
        raise InvalidParams("elf", content, "is no ELF file: it must begin with b'\\x7fELF'")
    slot = checks.integer("deploy_slot", deploy_slot, 0, checks.U64).to_bytes(8, "little")
    padded = not checks.flag("short", short)
    if authority is None:
        header = _PROGRAM_DATA + slot + b"\0"
        header = header.ljust(_HEADER_SIZE, b"\0") if padded else header
    else:
        header = _PROGRAM_DATA + slot + b"\1" + checks.address_bytes("authority", authority)
    if len(header) + len(content) > LARGEST_ACCOUNT:
        rule = f"has {len(content)} bytes; with its header an account may have {LARGEST_ACCOUNT}"
        raise InvalidParams("elf", content, rule)
    return header + content


def build_program_injection(
    program_data: object,
    elf: bytes,
    deploy_slot: int,
    authority: object = None,
    lamports: int | None = None,
    *,
    short: bool = False,
) -> dict[str, AccountData]:
    """What replaces a program, as ``{address: account}`` for ``modify_accounts``; nothing is sent.

    ``program_data``: address of its ProgramData account. ``lamports``: without it the rent-exempt minimum, less is
    refused. The rest as for :func:`program_data_bytes`.
    """
    address = checks.address("program_data", program_data)
    data = program_data_bytes(elf, deploy_slot, authority, short=short)
    return {address: AccountData(_lamports(lamports, len(data)), UPGRADEABLE_LOADER, data)}


def deploy_slot_before(start_slot: int) -> int:
    """The deploy slot for a session that begins at ``start_slot``: the slot before it, not below 0."""
    return max(0, checks.integer("start_slot", start_slot, 0, checks.U64) - 1)


def program_data_address(program_id: object) -> str:
    """The address of a program's ProgramData account. Raises MissingExtra without solders."""
    program = checks.address_bytes("program_id", program_id)
    try:
        from solders.pubkey import Pubkey
    except ImportError as error:
        raise MissingExtra("deriving a ProgramData address", "local") from error
    return str(Pubkey.find_program_address([program], Pubkey.from_string(UPGRADEABLE_LOADER))[0])


def program_account(program_data: object, lamports: int | None = None) -> AccountData:
    """The account of a program whose ProgramData account is ``program_data``.

    ``lamports``: without it the rent-exempt minimum, less is refused.
    """
    data = _PROGRAM + checks.address_bytes("program_data", program_data)
    return AccountData(_lamports(lamports, len(data)), UPGRADEABLE_LOADER, data, executable=True)


def program_data_of(program: AccountData) -> str:
    """The address of the ProgramData account that a program account names.

    Raises InvalidParams if ``program`` is no program of the upgradeable loader.
    """
    if not isinstance(program, AccountData):
        raise InvalidParams("program", program, "must be an AccountData")
    if program.owner != UPGRADEABLE_LOADER:
        raise InvalidParams("program", program, f"is no upgradeable program: {program.owner} owns it")
    if program.space != _PROGRAM_SIZE or not program.data.startswith(_PROGRAM):
        raise InvalidParams("program", program, "is no program account, although the upgradeable loader owns it")
    return base58.encode(program.data[len(_PROGRAM) :])


def _lamports(lamports: int | None, size: int) -> int:
    least = rent_exempt_minimum(size)
    return least if lamports is None else checks.integer("lamports", lamports, least, checks.U64)
