"""Recorded blocks as blocks to execute: the bytes of their transactions, and the outcome that they had on chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from solders.message import MessageV0

from simsync.errors import InvalidParams
from simsync.local.engine.transactions import keys_of, trace_of
from simsync.local.ledger.blocks import Block, HistoricalTransaction
from simsync.local.parsed.transactions import NotAvailable, transaction_of


def executable(block: Block) -> Block:
    """Return the block with transactions to execute instead of recorded replies.

    Raises InvalidParams for a reply without the bytes of its transaction, or without its outcome.
    """
    made = tuple(_historical(row, block.slot) for row in block.recorded)
    return replace(block, transactions=made, recorded=())


def _historical(row: dict[str, Any], slot: int) -> HistoricalTransaction:
    signature = row["transaction"]["signatures"][0]
    try:
        transaction = transaction_of(row["transaction"])
    except NotAvailable as error:
        raise InvalidParams("execute", slot, f"the transaction {signature} cannot be executed: {error}") from error
    meta = row.get("meta")
    if not isinstance(meta, dict):
        raise InvalidParams("execute", slot, f"the transaction {signature} has no meta, so its outcome is not known")
    writable = keys_of(transaction.message, lambda _table: None).writable
    if isinstance(transaction.message, MessageV0):
        loaded = (meta.get("loadedAddresses") or {}).get("writable") or []
        total = len(transaction.message.account_keys)
        writable = [index for index in writable if index < total] + list(range(total, total + len(loaded)))
    balances = meta.get("postBalances")
    if not isinstance(balances, list) or any(index >= len(balances) for index in writable):
        raise InvalidParams("execute", slot, f"the transaction {signature} has no balances of its accounts")
    logs = meta.get("logMessages")
    trace = "" if logs is None else trace_of(logs)
    return HistoricalTransaction(
        bytes(transaction), meta.get("err"), tuple(int(balances[index]) for index in writable), trace
    )
