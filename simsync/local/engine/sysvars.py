"""Keeps the sysvars of an engine at its slot: clock, epoch schedule, hashes and history of slots."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from solders.account import Account
from solders.clock import Clock
from solders.epoch_schedule import EpochSchedule
from solders.hash import Hash, ParseHashError
from solders.pubkey import Pubkey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from solders.litesvm import LiteSVM

SLOTS_PER_EPOCH = 432_000
SLOT_SECONDS = 0.4
"""How long a slot takes on mainnet; used where a ledger does not tell."""
SLOT_HASHES = Pubkey.from_string("SysvarS1otHashes111111111111111111111111111")
RECENT_BLOCKHASHES = Pubkey.from_string("SysvarRecentB1ockHashes11111111111111111111")
SLOT_HISTORY = Pubkey.from_string("SysvarS1otHistory11111111111111111111111111")
_SYSVAR_OWNER = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")
_WRITTEN_WHEN_READ = frozenset({RECENT_BLOCKHASHES, SLOT_HISTORY})
SLOT_HASHES_KEPT = 512
_MAX_RECENT_BLOCKHASHES, _MAX_SLOT_HISTORY = 150, 1024 * 1024
_LAMPORTS_PER_SIGNATURE = 5_000


class PastSlot(NamedTuple):
    """A slot that carried a block, and the hash of that block."""

    slot: int
    blockhash: str


def epoch_of(slot: int) -> int:
    """Return the epoch of a slot: those of mainnet, which have the same length from slot 0 on."""
    return slot // SLOTS_PER_EPOCH


def schedule() -> EpochSchedule:
    """Return the epoch schedule of mainnet, which has no short epochs at its start."""
    return EpochSchedule.custom(SLOTS_PER_EPOCH, SLOTS_PER_EPOCH, False)


class Sysvars:
    """The sysvars of one LiteSVM that follow the slot.

    ``past`` are the blocks before the first slot, oldest first. For slots before those, hashes are made up from the
    slot. ``SlotHashes`` holds bank hashes on a cluster; here it holds the hashes of the blocks.
    """

    def __init__(self, svm: LiteSVM, past: Iterable[PastSlot] = ()) -> None:
        self._svm = svm
        self._recent: deque[bytes] = deque(
            (_slot_hash(slot, _hash(slot, text)) for slot, text in past), maxlen=SLOT_HASHES_KEPT
        )
        """The entries of ``SlotHashes``, the oldest first."""
        self._slot: int | None = None
        self._blockhash: str | None = None
        self._empty: set[int] = set()
        """Slots without a block, as far as they are known and ``SlotHistory`` reaches."""
        self._stale: set[Pubkey] = set()
        """Sysvars that lag the slot because nothing has read them since."""
        svm.set_epoch_schedule(schedule())

    def enter_slot(self, slot: int, time: int, blockhash: str | None, epoch_start: int | None) -> None:
        """Move to ``slot``.

        Args:
            slot: The slot.
            time: Its unix time in seconds.
            blockhash: The hash of its block, None if it carries none.
            epoch_start: The unix time of the first slot of its epoch, None to estimate it.
        """
        self._remember(slot, blockhash)
        epoch = epoch_of(slot)
        if epoch_start is None:
            epoch_start = int(time - slot % SLOTS_PER_EPOCH * SLOT_SECONDS)
        self._svm.set_clock(Clock(slot, epoch_start, epoch, epoch + 1, time))
        # Programs read it by a system call that names no account, so it is always up to date.
        self._set(SLOT_HASHES, struct.pack("<Q", len(self._recent)) + b"".join(reversed(self._recent)))
        self._stale = set(_WRITTEN_WHEN_READ)

    def refresh(self, addresses: Iterable[Pubkey]) -> None:
        """Bring those of ``addresses`` up to date that are written only when they are read."""
        if not self._stale or self._slot is None or self._stale.isdisjoint(addresses):
            return
        for address in self._stale.intersection(addresses):
            self._stale.discard(address)
            if address == RECENT_BLOCKHASHES:
                self._set(address, self._recent_blockhashes())
            else:
                self._set(address, self._slot_history(self._slot))

    def _remember(self, slot: int, blockhash: str | None) -> None:
        before = self._slot
        if before is None:
            self._fill(slot)
        elif slot > before:
            if self._blockhash is not None:
                self._recent.append(_slot_hash(before, _hash(before, self._blockhash)))
            else:
                self._empty.add(before)
            self._empty.update(range(max(before + 1, slot - _MAX_SLOT_HISTORY), slot))
        self._slot, self._blockhash = slot, blockhash

    def _fill(self, slot: int) -> None:
        """Complete the slots before the first one."""
        known = {int.from_bytes(one[:8], "little") for one in self._recent}
        first = min(known, default=slot)
        self._empty.update(one for one in range(max(first, slot - _MAX_SLOT_HISTORY), slot) if one not in known)
        missing = SLOT_HASHES_KEPT - len(self._recent)
        for one in range(first - 1, max(-1, first - 1 - missing), -1):
            self._recent.appendleft(_slot_hash(one, made_up_hash(one)))

    def _recent_blockhashes(self) -> bytes:
        entries = [
            one[8:] + struct.pack("<Q", _LAMPORTS_PER_SIGNATURE)
            for one in islice(reversed(self._recent), _MAX_RECENT_BLOCKHASHES)
        ]
        return struct.pack("<Q", len(entries)) + b"".join(entries)

    def _slot_history(self, slot: int) -> bytes:
        bits = bytearray(_MAX_SLOT_HISTORY // 8)
        if slot >= _MAX_SLOT_HISTORY:
            bits[:] = b"\xff" * len(bits)
        else:
            bits[: slot // 8] = b"\xff" * (slot // 8)
            bits[slot // 8] = (1 << slot % 8) - 1
        for empty in self._empty:
            if slot - _MAX_SLOT_HISTORY <= empty < slot:
                place = empty % _MAX_SLOT_HISTORY
                bits[place // 8] &= ~(1 << place % 8)
        words = _MAX_SLOT_HISTORY // 64
        return b"\1" + struct.pack("<Q", words) + bytes(bits) + struct.pack("<QQ", _MAX_SLOT_HISTORY, slot)

    def _set(self, address: Pubkey, data: bytes) -> None:
        self._svm.set_account(address, Account(1, data, _SYSVAR_OWNER))


def made_up_hash(slot: int) -> bytes:
    """Return a hash for a slot whose block is not known; the same for each session."""
    return hashlib.sha256(f"simsync-local/slot/{slot}".encode()).digest()


def _slot_hash(slot: int, text: bytes) -> bytes:
    return struct.pack("<Q", slot) + text


def _hash(slot: int, text: str) -> bytes:
    try:
        found = bytes(Hash.from_string(text))
    except ParseHashError:
        return made_up_hash(slot)
    # Recordings without a hash carry that of 32 zeros.
    return found if any(found) else made_up_hash(slot)
