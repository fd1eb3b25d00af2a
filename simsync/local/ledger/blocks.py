"""Blocks and bundles, the parts of a ledger, and how recorded RPC replies become blocks."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.errors import InvalidParams
from simsync.local.ledger.replies import numbered_replies, recorded_transaction, rewards_of, transactions_of
from simsync.local.ledger.unsigned import MOST, unsigned
from simsync.params import checks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NO_BLOCKHASH = "1" * 32
_NOT_A_TRANSACTION = "each must be a getTransaction reply with a slot"


class HistoricalTransaction(NamedTuple):
    """A transaction of a ledger, with the outcome that it had when the ledger was made.

    Attributes:
        wire: The signed transaction as bytes.
        error: The error in JSON-RPC form, None for success.
        written_balances: Lamports of the writable accounts afterwards, in the order of the account keys.
        trace: Digest of the programs that ran and of how each ended; empty if it was not recorded.
    """

    wire: bytes
    error: object
    written_balances: tuple[int, ...]
    trace: str


@dataclass(frozen=True)
class Block:
    """One slot that carries a block.

    A block holds either ``transactions``, which are executed, or ``recorded`` replies, which are served unchanged.

    Attributes:
        slot: The slot.
        parent: The slot of the block before.
        height: The number of the block; slots without a block are not counted. None if it was not recorded.
        time: Unix seconds, None if it was not recorded.
        blockhash: Base58.
        transactions: The transactions to execute.
        recorded: ``getTransaction`` replies.
        previous_blockhash: The hash of the block before as it was recorded; None to take that of the block before.
        rewards: The rewards that were recorded, as RPC shows them.
    """

    slot: int
    parent: int
    height: int | None
    time: int | None
    blockhash: str
    transactions: tuple[HistoricalTransaction, ...] = ()
    recorded: tuple[dict[str, Any], ...] = ()
    previous_blockhash: str | None = None
    rewards: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        checks.assign(
            self,
            slot=checks.integer("slot", self.slot, 0, MOST),
            parent=checks.integer("parent", self.parent, 0, MOST),
            height=checks.optional_integer("height", self.height, 0, MOST),
            time=checks.optional_integer("time", self.time, 0, MOST),
        )

    @property
    def transaction_count(self) -> int:
        """The number of transactions, executed or recorded."""
        return len(self.transactions) or len(self.recorded)


@dataclass(frozen=True)
class Bundle:
    """A range of slots at whose start a session may begin.

    Attributes:
        start_slot: The first slot.
        end_slot: The last slot, included.
        accounts: The accounts at the start slot, by address.
    """

    start_slot: int
    end_slot: int
    accounts: Mapping[Pubkey, Account] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        checks.assign(
            self,
            start_slot=checks.integer("start_slot", self.start_slot, 0, MOST),
            end_slot=checks.integer("end_slot", self.end_slot, 0, MOST),
        )


# -- recorded replies


def blocks_of_replies(blocks: Iterable[object]) -> list[Block]:
    """Return the blocks in ``getBlock`` replies, see ``numbered_replies``. Raises InvalidParams."""
    return [_block(slot, reply) for slot, reply in numbered_replies(blocks)]


def blocks_of_transactions(transactions: Iterable[Any]) -> list[Block]:
    """Return blocks of ``getTransaction`` replies, grouped by slot. Raises InvalidParams."""
    replies = list(transactions)
    for reply in replies:
        if not isinstance(reply, dict):
            raise InvalidParams("transactions", reply, _NOT_A_TRANSACTION)
        try:
            unsigned("the slot", reply.get("slot"))
        except ValueError as error:
            raise InvalidParams("transactions", reply, f"{_NOT_A_TRANSACTION}: {error}") from None
    replies.sort(key=lambda reply: int(reply["slot"]))
    made: list[Block] = []
    for height, (slot, group) in enumerate(groupby(replies, key=lambda reply: int(reply["slot"])), 1):
        found = list(group)
        time = _number(found[0], "blockTime", slot)
        rows = tuple(recorded_transaction(reply, slot, time) for reply in found)
        parent = made[-1].slot if made else max(0, slot - 1)
        made.append(Block(slot, parent, height, time, _NO_BLOCKHASH, recorded=rows))
    return made


def bundles_over(blocks: list[Block], bundle_size: SupportsIndex | None) -> list[Bundle]:
    """Return bundles of ``bundle_size`` slots over sorted blocks, by default one bundle. Raises InvalidParams."""
    if not blocks:
        raise InvalidParams("blocks", blocks, "a ledger needs at least one block")
    first, last = blocks[0].slot, blocks[-1].slot
    size = checks.optional_integer("bundle_size", bundle_size, 1, checks.U64) or last - first + 1
    return [Bundle(start, min(start + size - 1, last)) for start in range(first, last + 1, size)]


def _block(slot: int, reply: dict[str, Any]) -> Block:
    time = _number(reply, "blockTime", slot)
    parent = _number(reply, "parentSlot", slot)
    if parent is None:
        parent = max(0, slot - 1)
    if slot <= parent and slot:  # the first block of a cluster is its own parent
        raise InvalidParams("blocks", slot, f"the slot {slot} is not above its parentSlot {parent}")
    return Block(
        slot,
        parent,
        _number(reply, "blockHeight", slot),
        time,
        _hash(reply, "blockhash", slot) or _NO_BLOCKHASH,
        recorded=tuple(recorded_transaction(row, slot, time) for row in transactions_of(reply, slot)),
        previous_blockhash=_hash(reply, "previousBlockhash", slot),
        rewards=rewards_of(reply, slot),
    )


def _hash(reply: dict[str, Any], name: str, slot: int) -> str | None:
    found = reply.get(name)
    if found is not None and not (isinstance(found, str) and found.isascii()):
        raise InvalidParams("blocks", slot, f"{name} must be a text in base58, not {reprlib.repr(found)}")
    return found or None


def _number(reply: dict[str, Any], name: str, slot: int) -> int | None:
    """Return a number of a block; a node has null for what it does not know."""
    value = reply.get(name)
    try:
        return None if value is None else unsigned(name, value)
    except ValueError as error:
        raise InvalidParams("blocks", slot, str(error)) from None
