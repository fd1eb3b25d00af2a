"""Transactions taken apart, and the blocks whose transactions several sessions share."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from solders.transaction import VersionedTransaction

from simsync.local.encoding import dump_json
from simsync.local.engine.message_parts import MessageParts
from simsync.local.transaction_json import message_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsync.local.ledger.blocks import Block

_MOST_TRANSACTIONS = 5_000
"""How many are kept: some 5 kB each."""


class Decoded:
    """A transaction taken apart, with what is the same however it ends."""

    __slots__ = ("_encoded", "message", "signatures", "transaction")

    def __init__(self, transaction: VersionedTransaction) -> None:
        self.transaction = transaction
        self.message = MessageParts(transaction.message)
        self.signatures = tuple(map(str, transaction.signatures))
        self._encoded: bytes | None = None

    def encoded(self) -> bytes:
        """Return the JSON of its signatures and its message. It is made when it is first needed, and kept."""
        if self._encoded is None:
            self._encoded = dump_json({"signatures": self.signatures, "message": message_json(self.message)})
        return self._encoded


class DecodedBlocks:
    """The transactions of the blocks of a ledger that were used last: other sessions over these slots reuse them."""

    def __init__(self, most: int = _MOST_TRANSACTIONS) -> None:
        self._most = most
        self._kept: OrderedDict[int, Sequence[Decoded]] = OrderedDict()
        self._count = 0

    def transactions(self, block: Block) -> Sequence[Decoded]:
        """Return the transactions of a block."""
        found = self._kept.get(block.slot)
        if found is not None:
            self._kept.move_to_end(block.slot)
            return found
        found = tuple(Decoded(VersionedTransaction.from_bytes(item.wire)) for item in block.transactions)
        self._kept[block.slot] = found
        self._count += len(found)
        while self._count > self._most and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._count -= len(oldest)
        return found
