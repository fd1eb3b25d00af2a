"""Ledgers of recorded blocks: their transactions are served as they were recorded, nothing is executed."""

from __future__ import annotations

import base64
from itertools import groupby
from typing import TYPE_CHECKING, Any

from solders.transaction import VersionedTransaction

from simsync.errors import InvalidParams
from simsync.local.encoding import decode_base58
from simsync.local.ledger import Block, Bundle, Ledger
from simsync.local.transaction_json import message_json

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_BLOCKHASH = "1" * 32


def from_blocks(blocks: Iterable[Any], *, bundle_size: int | None = None) -> Ledger:
    """Make a ledger of ``getBlock`` replies: pairs of slot and reply, or replies with a key ``slot``.

    Without ``bundle_size`` (slots) there is one bundle. Gaps between blocks are slots without a block.
    Raises InvalidParams.
    """
    made = [_block(*_slot_and_reply(item)) for item in blocks]
    return _ledger(made, bundle_size)


def from_transactions(transactions: Iterable[Any], *, bundle_size: int | None = None) -> Ledger:
    """Make a ledger of ``getTransaction`` replies, grouped into blocks by their slot. Raises InvalidParams."""
    replies = list(transactions)
    for reply in replies:
        if not isinstance(reply, dict) or not isinstance(reply.get("slot"), int):
            raise InvalidParams("transactions", reply, "each must be a getTransaction reply with a slot")
    replies.sort(key=lambda reply: int(reply["slot"]))
    made = []
    parent: int | None = None
    for height, (slot, group) in enumerate(groupby(replies, key=lambda reply: int(reply["slot"])), 1):
        found = list(group)
        time = int(found[0].get("blockTime") or 0)
        rows = tuple(_recorded(reply, slot, time) for reply in found)
        before = slot - 1 if parent is None else parent
        made.append(Block(slot, before, height, time, _NO_BLOCKHASH, recorded=rows))
        parent = slot
    return _ledger(made, bundle_size)


def _ledger(blocks: list[Block], bundle_size: int | None) -> Ledger:
    if not blocks:
        raise InvalidParams("blocks", blocks, "a ledger needs at least one block")
    if bundle_size is not None and bundle_size < 1:
        raise InvalidParams("bundle_size", bundle_size, "must be at least 1 slot")
    blocks.sort(key=lambda block: block.slot)
    first, last = blocks[0].slot, blocks[-1].slot
    size = bundle_size or last - first + 1
    bundles = [Bundle(start, min(start + size - 1, last)) for start in range(first, last + 1, size)]
    return Ledger(blocks, bundles, origin="recorded")


def _slot_and_reply(item: Any) -> tuple[int, dict[str, Any]]:
    slot, reply = item if isinstance(item, tuple) else (None, item)
    if isinstance(reply, dict) and slot is None:
        slot = reply.get("slot")
    if not isinstance(slot, int) or not isinstance(reply, dict):
        raise InvalidParams("blocks", item, "each must be (slot, getBlock reply) or a reply with a slot")
    return slot, reply


def _block(slot: int, reply: dict[str, Any]) -> Block:
    time = int(reply.get("blockTime") or 0)
    transactions = reply.get("transactions")
    if not isinstance(transactions, list):
        raise InvalidParams("blocks", slot, "the block has no transactions; ask getBlock for transactionDetails full")
    return Block(
        slot,
        int(reply.get("parentSlot", slot - 1)),
        int(reply.get("blockHeight") or 0),
        time,
        str(reply.get("blockhash") or _NO_BLOCKHASH),
        recorded=tuple(_recorded(row, slot, time) for row in transactions),
    )


def _recorded(reply: Any, slot: int, time: int) -> dict[str, Any]:
    """Return the reply as a subscription shows it: with slot and time, and with the transaction in JSON."""
    transaction = reply.get("transaction") if isinstance(reply, dict) else None
    if isinstance(transaction, (list, str)):
        transaction = _decoded(transaction, slot)
    if not isinstance(transaction, dict) or not transaction.get("signatures"):
        raise InvalidParams("transactions", slot, "each must have a transaction with signatures")
    return {"blockTime": time, "version": "legacy", **reply, "slot": slot, "transaction": transaction}


def _decoded(encoded: list[Any] | str, slot: int) -> dict[str, Any]:
    text, encoding = (encoded, "base58") if isinstance(encoded, str) else encoded
    try:
        wire = base64.b64decode(text) if encoding == "base64" else decode_base58(text)
        transaction = VersionedTransaction.from_bytes(wire)
    except ValueError as error:
        raise InvalidParams("transactions", slot, f"a transaction cannot be decoded: {error}") from error
    return {
        "signatures": [str(signature) for signature in transaction.signatures],
        "message": message_json(transaction.message),
    }
