"""Solana JSON-RPC of one session: the table of calls, and the envelope around them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from simsync.local.encoding import dump_json, load_json
from simsync.local.engine.engine import EngineFailed
from simsync.local.rpc import accounts, chain, history, sending, tokens
from simsync.local.rpc.params import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MIN_CONTEXT_SLOT_NOT_REACHED,
    PARSE_ERROR,
    RpcFault,
)
from simsync.local.surface import is_served

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsync.local.backtest.backtest import Backtest

    Call = Callable[[Backtest, list[Any]], Any]

_log = logging.getLogger("simsync.local.rpc")

CALLS: dict[str, Call] = {
    "getAccountInfo": accounts.get_account_info,
    "getAddressLookupTable": accounts.get_address_lookup_table,
    "getBalance": accounts.get_balance,
    "getBlock": history.get_block,
    "getBlockHeight": chain.get_block_height,
    "getBlockTime": history.get_block_time,
    "getBlocks": history.get_blocks,
    "getBlocksWithLimit": history.get_blocks_with_limit,
    "getEpochInfo": chain.get_epoch_info,
    "getEpochSchedule": chain.get_epoch_schedule,
    "getFeeForMessage": chain.get_fee_for_message,
    "getFirstAvailableBlock": history.get_first_available_block,
    "getGenesisHash": chain.get_genesis_hash,
    "getHealth": chain.get_health,
    "getLatestBlockhash": chain.get_latest_blockhash,
    "getMinimumBalanceForRentExemption": accounts.get_minimum_balance,
    "getMultipleAccounts": accounts.get_multiple_accounts,
    "getProgramAccounts": accounts.get_program_accounts,
    "getRecentPrioritizationFees": chain.get_recent_prioritization_fees,
    "getSignatureStatuses": history.get_signature_statuses,
    "getSignaturesForAddress": history.get_signatures_for_address,
    "getSlot": chain.get_slot,
    "getTokenAccountBalance": tokens.get_token_account_balance,
    "getTokenAccountsByDelegate": tokens.get_token_accounts_by_delegate,
    "getTokenAccountsByOwner": tokens.get_token_accounts_by_owner,
    "getTokenLargestAccounts": tokens.get_token_largest_accounts,
    "getTokenSupply": tokens.get_token_supply,
    "getTransaction": history.get_transaction,
    "getTransactionCount": chain.get_transaction_count,
    "getVersion": chain.get_version,
    "isBlockhashValid": chain.is_blockhash_valid,
    "modifyAccounts": accounts.modify_accounts,
    "requestAirdrop": sending.request_airdrop,
    "sendTransaction": sending.send_transaction,
    "simulateTransaction": sending.simulate_transaction,
}
"""``surface`` lists those that the hosted simulator documents."""


def answer(backtest: Backtest, body: bytes) -> bytes:
    """Return the reply to the body of an HTTP request, single or batch. Raises EngineFailed, and nothing else."""
    try:
        request = load_json(body)
    except ValueError as error:
        return dump_json(_failure(None, RpcFault(PARSE_ERROR, f"Parse error: {error}")))
    if isinstance(request, list) and request:
        return dump_json([_answer_one(backtest, one) for one in request])
    return dump_json(_answer_one(backtest, request))


def failure(body: bytes, text: str) -> bytes:
    """Return the reply to a request that ended its session."""
    try:
        request = load_json(body)
    except ValueError:
        request = None
    fault = RpcFault(INTERNAL_ERROR, f"the session failed: {text}")
    if isinstance(request, list):
        return dump_json([_failure(one.get("id") if isinstance(one, dict) else None, fault) for one in request])
    return dump_json(_failure(request.get("id") if isinstance(request, dict) else None, fault))


def _answer_one(backtest: Backtest, request: object) -> dict[str, Any]:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _failure(None, RpcFault(INVALID_REQUEST, "Invalid request"))
    number, method, params = request.get("id"), request["method"], request.get("params")
    call = CALLS.get(method) if is_served(method, hosted_surface=backtest.behaviour.hosted_surface) else None
    try:
        if call is None:
            raise RpcFault(METHOD_NOT_FOUND, f"Method not found: {method}")
        if params is None:
            params = []
        if not isinstance(params, list):
            raise RpcFault(INVALID_PARAMS, "Invalid params: expected a list")
        _check_context(backtest, params)
        result = call(backtest, params)
    except RpcFault as fault:
        return _failure(number, fault)
    except EngineFailed:
        raise
    except Exception as error:  # noqa: BLE001  a bug in one call must not end the connection
        _log.exception("%s failed", method)
        return _failure(number, RpcFault(INTERNAL_ERROR, f"Internal error: {error!r}"))
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _check_context(backtest: Backtest, params: list[Any]) -> None:
    """Refuse a call that wants the state of a later slot."""
    for one in params:
        least = one.get("minContextSlot") if isinstance(one, dict) else None
        if isinstance(least, int) and least > backtest.slot:
            text = "Minimum context slot has not been reached"
            raise RpcFault(MIN_CONTEXT_SLOT_NOT_REACHED, text, {"contextSlot": backtest.slot})


def _failure(number: object, fault: RpcFault) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": fault.to_json()}
