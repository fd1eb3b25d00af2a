"""RPC calls about the cluster around a node. There is none here: they tell what is true of a session."""

from __future__ import annotations

import hashlib
from itertools import groupby
from typing import TYPE_CHECKING, Any

from simsync.local.encoding import encode_base58
from simsync.local.rpc.accounts import with_context
from simsync.local.rpc.chain import first_available, kept_blocks
from simsync.local.rpc.params import invalid, unsigned
from simsync.params import checks

if TYPE_CHECKING:
    from simsync.local.backtest.backtest import Backtest

_IDENTITY = encode_base58(hashlib.sha256(b"simsync-local/identity").digest())
_LEAST_DELEGATION = 1_000_000_000
"""Lamports that LiteSVM's stake program demands."""
_SLOTS_PER_SAMPLE = 150
_MAX_SAMPLES = 720


def get_identity(backtest: Backtest, params: list[Any]) -> dict[str, str]:
    """Return a made-up identity, that of no validator."""
    return {"identity": _IDENTITY}


def get_slot_leader(backtest: Backtest, params: list[Any]) -> str:
    return _IDENTITY


def get_cluster_nodes(backtest: Backtest, params: list[Any]) -> list[object]:
    return []


def get_minimum_ledger_slot(backtest: Backtest, params: list[Any]) -> int:
    return first_available(backtest)


def get_stake_minimum_delegation(backtest: Backtest, params: list[Any]) -> Any:
    return with_context(backtest, _LEAST_DELEGATION)


def get_supply(backtest: Backtest, params: list[Any]) -> Any:
    """Return the lamports of the accounts that are known here."""
    # Overrides can hold more than a cluster has.
    total = min(sum(account.lamports for account in backtest.engine.snapshot().values()), checks.U64)
    value = {"total": total, "circulating": total, "nonCirculating": 0, "nonCirculatingAccounts": []}
    return with_context(backtest, value)


def get_recent_performance_samples(backtest: Backtest, params: list[Any]) -> list[dict[str, Any]]:
    """Return how many transactions there were in each 150 slots, newest first, as far as the history is kept."""
    limit = unsigned(params[0], "limit") if params and params[0] is not None else _MAX_SAMPLES
    if limit > _MAX_SAMPLES:
        raise invalid(f"Invalid limit; max {_MAX_SAMPLES}")
    now = backtest.slot
    newest_first = reversed(kept_blocks(backtest))
    samples = []
    for _, group in groupby(newest_first, lambda block: (now - block.slot) // _SLOTS_PER_SAMPLE):
        blocks = list(group)
        found = [one for block in blocks for one in backtest.history.in_slot(block.slot)]
        sample = {
            "slot": blocks[0].slot,
            "numTransactions": len(found),
            "numNonVoteTransactions": sum(not one.is_vote for one in found),
            "numSlots": len(blocks),
            "samplePeriodSecs": max(1, backtest.time_of(blocks[0].slot) - backtest.time_of(blocks[-1].slot)),
        }
        samples.append(sample)
    return samples[:limit]
