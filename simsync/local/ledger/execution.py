"""Recorded blocks as blocks to execute: the bytes of their transactions, and the outcome that they had on chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simsync.errors import InvalidParams
from simsync.local.engine.transactions import trace_of
from simsync.local.ledger.blocks import Block, HistoricalTransaction
from simsync.local.parsed.transactions import NotAvailable, account_list, transaction_of


def executable(block: Block) -> Block:
    """Return the block with transactions to execute instead of recorded replies.

    Raises InvalidParams for a reply without the bytes of its transaction, or without its outcome.
    """
    made = tuple(_historical(row, block.slot) for row in block.recorded)
    return replace(block, transactions=made, recorded=())


def _historical(row: dict[str, Any], slot: int) -> HistoricalTransaction:
    signature = row["transaction"]["signatures"][0]
    try:
        transaction = transaction_of(row["transaction"], row["version"])
    except NotAvailable as error:
        raise InvalidParams("execute", slot, f"the transaction {signature} cannot be executed: {error}") from error
    meta = row.get("meta")
    if not isinstance(meta, dict):
        raise InvalidParams("execute", slot, f"the transaction {signature} has no meta, so its outcome is not known")
    writable = [one["writable"] for one in account_list(row)]
    balances = meta.get("postBalances")
    if not isinstance(balances, list) or len(balances) < len(writable):
        raise InvalidParams("execute", slot, f"the transaction {signature} has no balances of its accounts")
    logs = meta.get("logMessages")
    trace = "" if logs is None else trace_of(logs)
    written = tuple(int(lamports) for lamports, is_writable in zip(balances, writable) if is_writable)
    return HistoricalTransaction(bytes(transaction), meta.get("err"), written, trace)
