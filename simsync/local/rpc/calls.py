"""Solana JSON-RPC of one session: the table of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsync.local.engine.engine import EngineFailed
from simsync.local.rpc import accounts, chain, cluster, envelope, history, sending, tokens
from simsync.local.rpc.params import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    MIN_CONTEXT_SLOT_NOT_REACHED,
    RpcFault,
    check_commitment,
    unsigned,
)
from simsync.local.surface import is_served

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsync.local.backtest.backtest import Backtest

    Call = Callable[[Backtest, list[Any]], Any]

CALLS: dict[str, Call] = {
    "getAccountInfo": accounts.get_account_info,
    "getAddressLookupTable": accounts.get_address_lookup_table,
    "getBalance": accounts.get_balance,
    "getBlock": history.get_block,
    "getBlockHeight": chain.get_block_height,
    "getBlockTime": history.get_block_time,
    "getBlocks": history.get_blocks,
    "getBlocksWithLimit": history.get_blocks_with_limit,
    "getClusterNodes": cluster.get_cluster_nodes,
    "getEpochInfo": chain.get_epoch_info,
    "getEpochSchedule": chain.get_epoch_schedule,
    "getFeeForMessage": chain.get_fee_for_message,
    "getFirstAvailableBlock": history.get_first_available_block,
    "getGenesisHash": chain.get_genesis_hash,
    "getHealth": chain.get_health,
    "getIdentity": cluster.get_identity,
    "getLatestBlockhash": chain.get_latest_blockhash,
    "getMinimumBalanceForRentExemption": accounts.get_minimum_balance,
    "getMultipleAccounts": accounts.get_multiple_accounts,
    "getProgramAccounts": accounts.get_program_accounts,
    "getRecentPerformanceSamples": cluster.get_recent_performance_samples,
    "getRecentPrioritizationFees": chain.get_recent_prioritization_fees,
    "getSignatureStatuses": history.get_signature_statuses,
    "getSignaturesForAddress": history.get_signatures_for_address,
    "getSlot": chain.get_slot,
    "getSlotLeader": cluster.get_slot_leader,
    "getStakeMinimumDelegation": cluster.get_stake_minimum_delegation,
    "getSupply": cluster.get_supply,
    "getTokenAccountBalance": tokens.get_token_account_balance,
    "getTokenAccountsByDelegate": tokens.get_token_accounts_by_delegate,
    "getTokenAccountsByOwner": tokens.get_token_accounts_by_owner,
    "getTokenLargestAccounts": tokens.get_token_largest_accounts,
    "getTokenSupply": tokens.get_token_supply,
    "getTransaction": history.get_transaction,
    "getTransactionCount": chain.get_transaction_count,
    "getVersion": chain.get_version,
    "isBlockhashValid": chain.is_blockhash_valid,
    "minimumLedgerSlot": cluster.get_minimum_ledger_slot,
    "modifyAccounts": accounts.modify_accounts,
    "requestAirdrop": sending.request_airdrop,
    "sendTransaction": sending.send_transaction,
    "simulateTransaction": sending.simulate_transaction,
}
"""``surface`` lists those that the hosted simulator documents."""


def answer(backtest: Backtest, body: bytes) -> bytes:
    """Return the reply to the body of an HTTP request, single or batch; empty if nothing in it asks for one.

    Raises EngineFailed, and nothing else.
    """
    try:
        request = envelope.read(body)
    except RpcFault as fault:
        return envelope.failure(None, fault)
    if envelope.is_batch(request):
        return envelope.joined(_answer_one(backtest, one) for one in request)
    return _answer_one(backtest, request)


def failure(body: bytes, text: str) -> bytes:
    """Return the reply to a request that ended its session."""
    try:
        request = envelope.read(body)
    except RpcFault:
        request = None
    fault = RpcFault(INTERNAL_ERROR, f"the session failed: {text}")
    if envelope.is_batch(request):
        return envelope.joined(envelope.failure(envelope.id_of(one), fault) for one in request)
    return envelope.failure(envelope.id_of(request), fault)


def _answer_one(backtest: Backtest, request: Any) -> bytes:
    """Return one reply, empty for a notification."""
    number = envelope.id_of(request)
    try:
        result = _result(backtest, request)
        return b"" if envelope.is_notification(request) else envelope.success(number, result)
    except RpcFault as fault:
        found = fault
    except EngineFailed:
        raise
    except Exception as error:  # noqa: BLE001  see unforeseen
        found = envelope.unforeseen(request, error)
    return b"" if envelope.is_notification(request) else envelope.failure(number, found)


def _result(backtest: Backtest, request: Any) -> object:
    """Return the result of a call. Raises RpcFault."""
    method = envelope.method_of(request)
    call = CALLS.get(method) if is_served(method, hosted_surface=backtest.behaviour.hosted_surface) else None
    if call is None:
        raise RpcFault(METHOD_NOT_FOUND, "Method not found", method)
    params = envelope.params_of(request)
    _check_configurations(backtest, params)
    return call(backtest, params)


def _check_configurations(backtest: Backtest, params: list[Any]) -> None:
    """Check what every configuration may hold, and refuse a call that wants the state of a later slot."""
    for one in params:
        if not isinstance(one, dict):
            continue
        check_commitment(one)
        least = one.get("minContextSlot")
        if least is not None and unsigned(least, "minContextSlot") > backtest.slot:
            text = "Minimum context slot has not been reached"
            raise RpcFault(MIN_CONTEXT_SLOT_NOT_REACHED, text, {"contextSlot": backtest.slot})
