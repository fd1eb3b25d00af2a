"""Upgradeable programs among the accounts of a ledger: each has its code in an account of its own, the ProgramData."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local.engine.programs import UPGRADEABLE_LOADER

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM, _PROGRAM_DATA = b"\2\0\0\0", b"\3\0\0\0"
_PROGRAM_SIZE = 36
_SLOT = slice(4, 12)
"""Where ProgramData has the slot in which it was deployed."""


def lonely_programs(given: Mapping[Pubkey, Account], others: Mapping[Pubkey, Account]) -> dict[Pubkey, Pubkey]:
    """Return the given programs whose ProgramData is not there, each with the address at which it should be.

    Such a program cannot be called, and would replace the one that the engine has at its address.
    """
    found: dict[Pubkey, Pubkey] = {}
    for address, account in given.items():
        if account.owner != UPGRADEABLE_LOADER:
            continue
        data = account.data
        if not data.startswith(_PROGRAM) or len(data) < _PROGRAM_SIZE:
            continue
        there = Pubkey.from_bytes(data[len(_PROGRAM) : _PROGRAM_SIZE])
        if not _is_program_data(given.get(there) or others.get(there)):
            found[address] = there
    return found


class DeployedLater:
    """The ProgramData that was deployed in or after some slot, in which its program could not be called.

    Accounts that were captured have the code as the node has it now, which is often younger than the blocks.
    """

    def __init__(self, accounts: Mapping[Pubkey, Account]) -> None:
        self._found: dict[Pubkey, tuple[int, Account]] = {}
        for address, account in accounts.items():
            if _is_program_data(account):
                data = account.data
                early = data[: _SLOT.start] + bytes(8) + data[_SLOT.stop :]
                known = Account(account.lamports, early, account.owner, account.executable, account.rent_epoch)
                self._found[address] = (int.from_bytes(data[_SLOT], "little"), known)

    def before(self, slot: int) -> dict[Pubkey, Account]:
        """Return the ProgramData that was not deployed before ``slot``, as if it were deployed in slot 0."""
        return {address: early for address, (deployed, early) in self._found.items() if deployed >= slot}


def _is_program_data(account: Account | None) -> bool:
    return account is not None and account.owner == UPGRADEABLE_LOADER and account.data.startswith(_PROGRAM_DATA)
