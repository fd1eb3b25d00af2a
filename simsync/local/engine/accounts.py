"""The accounts of an engine, and the rules for deployed programs that LiteSVM does not apply itself."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local.engine.programs import NATIVE_MINT, UPGRADEABLE_LOADER, failing_elf, native_mint
from simsync.local.engine.sysvars import Sysvars
from simsync.local.engine.transactions import AccountChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from solders.litesvm import LiteSVM

    from simsync.local.engine.message_parts import Keys
    from simsync.local.engine.sysvars import PastSlot

_PROGRAM, _PROGRAM_DATA = b"\2\0\0\0", b"\3\0\0\0"
"""How the data of an upgradeable program, and that of its ProgramData, begins."""
_PROGRAM_DATA_HEADER = 45
"""Bytes before the code in ProgramData, with or without an authority."""
_NO_ACCOUNT = Account(0, b"", Pubkey.default())
_NO_PROGRAM = Account(1, b"", Pubkey.default())


class AccountRefused(ValueError):
    """The engine rejects an account, for instance a sysvar with wrong data."""


class AccountStore:
    """The accounts of one LiteSVM.

    On a cluster a program cannot be called in the slot in which it was deployed. LiteSVM runs it at once, so this
    class takes its code out of use until the next slot.
    """

    def __init__(self, svm: LiteSVM, accounts: Mapping[Pubkey, Account], past: Iterable[PastSlot] = ()) -> None:
        self._svm = svm
        self._sysvars = Sysvars(svm, past)
        self._slot = 0
        self._known: set[Pubkey] = set()
        self._undeployed: set[Pubkey] = set()
        """Programs deployed in the current slot."""
        self._removed: set[Pubkey] = set()
        """Programs whose account was removed after LiteSVM had loaded them."""
        for address, account in _program_data_first(accounts.items()):
            self._put(address, account)
            self._known.add(address)
        if NATIVE_MINT not in accounts:
            # Not among the known accounts: a snapshot holds only what was given or written.
            self._put(NATIVE_MINT, native_mint())

    def enter_slot(self, slot: int, time: int, blockhash: str | None, epoch_start: int | None) -> None:
        """Move the sysvars to ``slot``, and put the programs into use that were deployed in the slot before."""
        self._sysvars.enter_slot(slot, time, blockhash, epoch_start)
        self._slot = slot
        waiting, self._undeployed = self._undeployed, set()
        for program in waiting:
            account = self._svm.get_account(program)
            # Without its ProgramData a program stays out of use.
            if account is not None and is_program(account) and self._svm.get_account(_program_data_of(account)):
                self._put(program, account)

    def get(self, address: Pubkey) -> Account | None:
        """Return an account as it is in the current slot."""
        self._sysvars.refresh((address,))
        return self._svm.get_account(address)

    def refresh_sysvars(self, keys: Iterable[Pubkey]) -> None:
        """Bring the sysvars among the keys of a transaction up to date."""
        self._sysvars.refresh(keys)

    def snapshot(self) -> dict[Pubkey, Account]:
        """Return every account that was given or written, in its current state."""
        return {address: account for address, account in self.to_restore().items() if account is not _NO_ACCOUNT}

    def to_restore(self) -> dict[Pubkey, Account]:
        """Return what makes another store equal to this one: the snapshot, and that accounts are gone.

        LiteSVM ships with some accounts, so one that was removed has to be removed there too.
        """
        return {address: self._svm.get_account(address) or _NO_ACCOUNT for address in sorted(self._known, key=bytes)}

    def owned_by(self, program: Pubkey) -> list[tuple[Pubkey, Account]]:
        """Return the accounts that belong to ``program``, in order of address."""
        return [item for item in self.snapshot().items() if item[1].owner == program]

    def note_written(
        self, addresses: Iterable[Pubkey], accounts: Iterable[Account | None], *, may_deploy: bool
    ) -> None:
        """Take note of what a transaction wrote; ``may_deploy`` if it used the loader of programs."""
        self._known.update(addresses)
        if may_deploy:
            for address, account in zip(addresses, accounts):
                if account is not None and is_program(account):
                    self._follow_deployment(address, account)

    def set_all(self, accounts: Iterable[tuple[Pubkey, Account]]) -> list[AccountChange]:
        """Replace accounts, all or none, and return how they changed. Raises AccountRefused."""
        return [
            AccountChange(address, None if account is _NO_ACCOUNT else account, self._svm.get_account(address))
            for address, account in self._replace(accounts)
        ]

    def restore(self, accounts: Iterable[tuple[Pubkey, Account | None]]) -> None:
        """Put accounts back to an earlier state; None removes one."""
        self._replace((address, account or _NO_ACCOUNT) for address, account in accounts)

    def _replace(self, accounts: Iterable[tuple[Pubkey, Account]]) -> list[tuple[Pubkey, Account]]:
        """Replace accounts and return their earlier states. Raises AccountRefused with nothing replaced."""
        before: list[tuple[Pubkey, Account]] = []
        try:
            for address, account in _program_data_first(accounts):
                before.append((address, self._svm.get_account(address) or _NO_ACCOUNT))
                self._put(address, account)
                self._known.add(address)
                self._load_programs_of(address, account)
        except AccountRefused:
            # ``before`` also holds the account that was refused. Newest first, so that each address that was given
            # twice ends in its oldest state.
            for address, account in _program_data_first(reversed(before)):
                self._put(address, account)
                self._load_programs_of(address, account)
            raise
        return before

    def _put(self, address: Pubkey, account: Account) -> None:
        if not account.lamports:
            before = self._svm.get_account(address)
            if account.executable or (before is not None and before.executable):
                self._removed.add(address)
        self._give(address, account)
        if is_program(account):
            self._follow_deployment(address, account)

    def _load_programs_of(self, address: Pubkey, account: Account) -> None:
        """Set the programs of new ProgramData again: LiteSVM reads the code only when a program is set."""
        if _is_program_data(account):
            for program, existing in self._programs_of(address):
                self._put(program, existing)

    def _give(self, address: Pubkey, account: Account) -> None:
        try:
            self._svm.set_account(address, account)
        except Exception as error:
            # LiteSVM's own error class cannot be imported.
            if type(error).__name__ != "LiteSVMError" and not isinstance(error, ValueError):
                raise
            text = f"{address}: {error}"
            if is_program(account):
                text += f"; the code of a program is read from byte {_PROGRAM_DATA_HEADER} of its ProgramData"
            raise AccountRefused(text) from error

    def _follow_deployment(self, program: Pubkey, account: Account) -> None:
        """Take the code of a program that was just deployed out of use until the next slot."""
        address = _program_data_of(account)
        data = self._svm.get_account(address)
        if data is None or not _is_program_data(data) or _deploy_slot(data) < self._slot:
            self._undeployed.discard(program)
            return
        self._undeployed.add(program)
        # LiteSVM decides what to run at the moment the program is set. So its ProgramData is replaced for that moment
        # only: accounts always read as they were set.
        try:
            self._give(address, _NO_ACCOUNT)
            self._give(program, account)
        except AccountRefused:
            # solders 0.27 rejects a program without ProgramData.
            self._give(address, Account(data.lamports, bytes(_PROGRAM_DATA_HEADER) + failing_elf(), UPGRADEABLE_LOADER))
            self._give(program, account)
        self._give(address, data)

    def _programs_of(self, program_data: Pubkey) -> list[tuple[Pubkey, Account]]:
        wanted = _PROGRAM + bytes(program_data)
        found = dict(self.owned_by(UPGRADEABLE_LOADER))
        # Programs that LiteSVM ships with are not among the known accounts. solders 0.27 cannot list them.
        list_all = getattr(self._svm, "get_program_accounts", None)
        if list_all is not None:
            found.update(list_all(UPGRADEABLE_LOADER))
        return [(address, account) for address, account in found.items() if account.data == wanted]

    def put_stand_ins(self, keys: Keys) -> list[Pubkey]:
        """Give removed programs among ``keys`` an empty account while a transaction runs, and return their addresses.

        LiteSVM panics if a program that it once loaded is called and has no account.
        """
        if not self._removed or self._removed.isdisjoint(keys.all):
            return []
        readonly = set(keys.all).difference(keys.written)
        missing = [key for key in self._removed & readonly if self._svm.get_account(key) is None]
        for key in missing:
            self._give(key, _NO_PROGRAM)
        return missing

    def remove_stand_ins(self, addresses: Iterable[Pubkey]) -> None:
        """Remove the accounts of :meth:`put_stand_ins` after the transaction."""
        for address in addresses:
            self._give(address, _NO_ACCOUNT)


def is_program(account: Account) -> bool:
    """Is it an upgradeable program, whose code is in ProgramData?"""
    data = account.data
    return account.owner == UPGRADEABLE_LOADER and account.executable and data[:4] == _PROGRAM and len(data) >= 36


def _program_data_of(program: Account) -> Pubkey:
    return Pubkey.from_bytes(program.data[4:36])


def _is_program_data(account: Account) -> bool:
    return account.owner == UPGRADEABLE_LOADER and account.data[:4] == _PROGRAM_DATA


def _deploy_slot(program_data: Account) -> int:
    """Return the slot in which the code was deployed; ProgramData that is too short to tell counts as old."""
    if len(program_data.data) < 12:
        return -1
    slot: int = struct.unpack_from("<Q", program_data.data, 4)[0]
    return slot


def _program_data_first(accounts: Iterable[tuple[Pubkey, Account]]) -> list[tuple[Pubkey, Account]]:
    """Return the accounts in an order in which each program finds its ProgramData."""
    return sorted(accounts, key=lambda item: not _is_program_data(item[1]))
