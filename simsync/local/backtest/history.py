"""The transactions that a session has shown, for the RPC calls that look back."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simsync.local.backtest.stream import TransactionItem


class History:
    """Transactions of the last ``slots`` slots, by slot and by signature."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._by_slot: OrderedDict[int, list[TransactionItem]] = OrderedDict()
        self._by_signature: dict[str, TransactionItem] = {}
        self.count = 0
        """Transactions ever added."""

    def add(self, shown: TransactionItem) -> None:
        """Add a transaction, whose slot must not be below that of the one before, and drop what is too old."""
        self.count += 1
        # Signatures are not checked, so one may be used again: the last transaction is the one that is found.
        self._by_signature[shown.signature] = shown
        row = self._by_slot.get(shown.slot)
        if row is not None:
            row.append(shown)
            return
        self._by_slot[shown.slot] = [shown]
        while (oldest := next(iter(self._by_slot))) <= shown.slot - self._slots:
            for one in self._by_slot.pop(oldest):
                if self._by_signature.get(one.signature) is one:
                    del self._by_signature[one.signature]

    def get(self, signature: str) -> TransactionItem | None:
        """Return the last transaction with that signature, None if it is not kept."""
        return self._by_signature.get(signature)

    def in_slot(self, slot: int) -> Sequence[TransactionItem]:
        """Return the kept transactions of a slot, in the order of their execution."""
        return self._by_slot.get(slot, ())

    def newest_first(self) -> Iterator[TransactionItem]:
        """Yield the kept transactions, the newest first, each signature once: a client pages from one to the next."""
        for slot in reversed(self._by_slot):
            yield from (one for one in reversed(self._by_slot[slot]) if self._by_signature.get(one.signature) is one)

    def clear(self) -> None:
        self._by_slot.clear()
        self._by_signature.clear()
