"""RPC calls about slots, epochs, blockhashes and fees."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from solders.message import from_bytes_versioned
from solders.signature import Signature
from solders.transaction import SanitizeError, VersionedTransaction

from simsync.local.backtest.instructions import price_of
from simsync.local.encoding import encode_base58
from simsync.local.engine.message_parts import check_version
from simsync.local.engine.sysvars import SLOTS_PER_EPOCH, epoch_of
from simsync.local.rpc.accounts import API_VERSION, with_context
from simsync.local.rpc.params import address, binary, blockhash, invalid, listed, required

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsync.local.backtest.backtest import Backtest
    from simsync.local.ledger.blocks import Block

BLOCKHASH_LIFETIME = 150
"""Blocks for which a node accepts a blockhash. This simulator accepts every blockhash."""
_MAX_FEE_ACCOUNTS = 128
_GENESIS_HASH = encode_base58(hashlib.sha256(b"simsync-local/genesis").digest())


def get_slot(backtest: Backtest, params: list[Any]) -> int:
    return backtest.slot


def get_block_height(backtest: Backtest, params: list[Any]) -> int:
    return backtest.block_height


def get_epoch_info(backtest: Backtest, params: list[Any]) -> dict[str, Any]:
    slot = backtest.slot
    return {
        "absoluteSlot": slot,
        "blockHeight": backtest.block_height,
        "epoch": epoch_of(slot),
        "slotIndex": slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": backtest.history.count,
    }


def get_epoch_schedule(backtest: Backtest, params: list[Any]) -> dict[str, Any]:
    return {
        "firstNormalEpoch": 0,
        "firstNormalSlot": 0,
        "leaderScheduleSlotOffset": SLOTS_PER_EPOCH,
        "slotsPerEpoch": SLOTS_PER_EPOCH,
        "warmup": False,
    }


def get_latest_blockhash(backtest: Backtest, params: list[Any]) -> Any:
    return with_context(backtest, latest_blockhash(backtest))


def latest_blockhash(backtest: Backtest) -> dict[str, Any]:
    """Return the blockhash of the current slot and the height until which a node would accept it."""
    return {
        "blockhash": backtest.blockhash,
        "lastValidBlockHeight": backtest.block_height + BLOCKHASH_LIFETIME,
    }


def is_blockhash_valid(backtest: Backtest, params: list[Any]) -> Any:
    """Tell whether a node would accept a blockhash; this simulator accepts all of them."""
    wanted = blockhash(required(params, 0, "blockhash"))
    recent = {block.blockhash for block in backtest.blocks_until_now()[-BLOCKHASH_LIFETIME:]}
    return with_context(backtest, wanted in recent or wanted == backtest.blockhash)


def get_fee_for_message(backtest: Backtest, params: list[Any]) -> Any:
    wire = binary(required(params, 0, "message"), "base64")
    try:
        message = from_bytes_versioned(wire)
        check_version(message)
    except ValueError as error:
        raise invalid(f"failed to deserialize the message: {error}") from error
    try:
        signatures = [Signature.default()] * message.header.num_required_signatures
        VersionedTransaction.populate(message, signatures).sanitize()
    except SanitizeError as error:
        raise invalid(f"invalid transaction message: {error}") from error
    return with_context(backtest, backtest.engine.fee_of(message))


def get_recent_prioritization_fees(backtest: Backtest, params: list[Any]) -> list[dict[str, int]]:
    """Return the lowest price per compute unit in each recent block, of transactions that name all given accounts."""
    wanted = params[0] if params and params[0] is not None else []
    accounts = [str(address(one)) for one in listed(wanted, _MAX_FEE_ACCOUNTS)]
    rows = []
    for block in kept_blocks(backtest)[-BLOCKHASH_LIFETIME:]:
        prices = [
            price_of(one.instructions)
            for one in backtest.history.in_slot(block.slot)
            if all(one.involves(account) for account in accounts) and not one.is_vote
        ]
        rows.append({"slot": block.slot, "prioritizationFee": min(prices, default=0)})
    return rows


def first_available(backtest: Backtest) -> int:
    """Return the first slot whose transactions may be kept: history begins with the session."""
    return max(backtest.plan.start_slot, backtest.slot - backtest.behaviour.history_slots + 1)


def kept_blocks(backtest: Backtest) -> Sequence[Block]:
    """Return the blocks up to the current slot whose transactions may be kept."""
    first = first_available(backtest)
    return [block for block in backtest.blocks_until_now() if block.slot >= first]


def get_version(backtest: Backtest, params: list[Any]) -> dict[str, Any]:
    return {"solana-core": API_VERSION, "feature-set": 0}


def get_genesis_hash(backtest: Backtest, params: list[Any]) -> str:
    """Return a hash of no cluster, so that a client never takes this for mainnet."""
    return _GENESIS_HASH


def get_transaction_count(backtest: Backtest, params: list[Any]) -> int:
    """Return how many transactions the session has executed, or replayed, so far."""
    return backtest.history.count


def get_health(backtest: Backtest, params: list[Any]) -> str:
    return "ok"
