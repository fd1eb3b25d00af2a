"""RPC calls that look back: transactions, signatures and blocks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from simsync.local.backtest.instructions import memos_of
from simsync.local.parsed.transactions import ENCODINGS, NotAvailable, account_list, in_encoding
from simsync.local.rpc.accounts import with_context
from simsync.local.rpc.chain import first_available, kept_blocks
from simsync.local.rpc.params import (
    BLOCK_CLEANED_UP,
    BLOCK_NOT_AVAILABLE,
    INVALID_PARAMS,
    SLOT_SKIPPED,
    UNSUPPORTED_VERSION,
    RpcFault,
    address,
    config_at,
    invalid,
    listed,
    one_of,
    required,
    signature,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsync.local.backtest.backtest import Backtest
    from simsync.local.backtest.stream import TransactionItem
    from simsync.local.ledger.blocks import Block

MAX_SIGNATURES = 256
_MAX_HISTORY = 1_000
_MAX_BLOCKS = 500_000
_DETAILS = ("full", "accounts", "signatures", "none")
_SHORT_META = ("err", "status", "fee", "preBalances", "postBalances", "preTokenBalances", "postTokenBalances")
"""What ``meta`` holds with ``transactionDetails: accounts``."""


def get_signature_statuses(backtest: Backtest, params: list[Any]) -> Any:
    wanted = [signature(one) for one in listed(required(params, 0, "signatures"), MAX_SIGNATURES)]
    statuses: list[Any] = []
    for one in wanted:
        shown = backtest.history.get(one)
        if shown is None:
            statuses.append(None)
            continue
        statuses.append(
            {
                "slot": shown.slot,
                "confirmations": None,
                "err": shown.error,
                "status": {"Ok": None} if shown.error is None else {"Err": shown.error},
                "confirmationStatus": "finalized",
            }
        )
    return with_context(backtest, statuses)


def get_transaction(backtest: Backtest, params: list[Any]) -> Any:
    wanted = signature(required(params, 0, "signature"))
    config = _encoding_config(params, 1)
    shown = backtest.history.get(wanted)
    return None if shown is None else _shown(shown, config)


def get_signatures_for_address(backtest: Backtest, params: list[Any]) -> list[dict[str, Any]]:
    wanted = str(address(required(params, 0, "address")))
    config = config_at(params, 1)
    limit = unsigned(config.get("limit", _MAX_HISTORY), "limit")
    if not 1 <= limit <= _MAX_HISTORY:
        raise invalid(f"Invalid limit; max {_MAX_HISTORY}")
    before, until = (signature(config[key]) if key in config else None for key in ("before", "until"))
    return [_signature_row(one) for one in islice(_between(backtest, wanted, before, until), limit)]


def get_block(backtest: Backtest, params: list[Any]) -> dict[str, Any]:
    slot = unsigned(required(params, 0, "slot"), "slot")
    config = _encoding_config(params, 1)
    details = one_of(config.get("transactionDetails", "full"), _DETAILS)
    block = _block(backtest, slot)
    before = backtest.block_before(slot)
    found: dict[str, Any] = {
        "blockhash": block.blockhash,
        "previousBlockhash": block.previous_blockhash or (before.blockhash if before is not None else "1" * 32),
        "parentSlot": block.parent,
        "blockHeight": block.height,
        "blockTime": block.time,
    }
    rows = backtest.history.in_slot(slot)
    if details == "signatures":
        found["signatures"] = [one.signature for one in rows]
    elif details != "none":
        shown = (_shown(one, config, short=details == "accounts") for one in rows)
        found["transactions"] = [
            {key: value for key, value in one.items() if key not in ("slot", "blockTime")} for one in shown
        ]
    if config.get("rewards", True):
        found["rewards"] = list(block.rewards)
    return found


def get_blocks(backtest: Backtest, params: list[Any]) -> list[int]:
    start = unsigned(required(params, 0, "start slot"), "start slot")
    given = params[1] if len(params) > 1 else None
    end = unsigned(given, "end slot") if given is not None and not isinstance(given, dict) else start + _MAX_BLOCKS
    end = min(end, backtest.slot)
    if end - start > _MAX_BLOCKS:
        raise invalid(f"Slot range too large; max {_MAX_BLOCKS}")
    return [block.slot for block in kept_blocks(backtest) if start <= block.slot <= end]


def get_blocks_with_limit(backtest: Backtest, params: list[Any]) -> list[int]:
    start = unsigned(required(params, 0, "start slot"), "start slot")
    limit = unsigned(required(params, 1, "limit"), "limit")
    if limit > _MAX_BLOCKS:
        raise invalid(f"Limit too large; max {_MAX_BLOCKS}")
    return [block.slot for block in kept_blocks(backtest) if block.slot >= start][:limit]


def get_block_time(backtest: Backtest, params: list[Any]) -> int | None:
    return _block(backtest, unsigned(required(params, 0, "slot"), "slot")).time


def get_first_available_block(backtest: Backtest, params: list[Any]) -> int:
    return first_available(backtest)


# -- parts


def _block(backtest: Backtest, slot: int) -> Block:
    if slot > backtest.slot:
        raise RpcFault(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    first = first_available(backtest)
    if slot < first:
        text = f"Block {slot} cleaned up, does not exist on node. First available block: {first}"
        raise RpcFault(BLOCK_CLEANED_UP, text)
    found = backtest.block_at(slot)
    if found is None:
        text = f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot"
        raise RpcFault(SLOT_SKIPPED, text)
    return found


def _encoding_config(params: list[Any], index: int) -> dict[str, Any]:
    """Return the configuration, in which the encoding may stand alone as a string."""
    if len(params) > index and isinstance(params[index], str):
        config: dict[str, Any] = {"encoding": params[index]}
    else:
        config = config_at(params, index)
    one_of(config.get("encoding", "json"), ENCODINGS)
    most = config.get("maxSupportedTransactionVersion")
    if most is not None:
        unsigned(most, "maxSupportedTransactionVersion")
    return config


def _shown(shown: TransactionItem, config: dict[str, Any], *, short: bool = False) -> dict[str, Any]:
    """Return a transaction in the requested encoding. Refuses versions that the client does not ask for."""
    reply = shown.to_json()
    version = reply.get("version", "legacy")
    most = config.get("maxSupportedTransactionVersion")
    if isinstance(version, int) and (most is None or version > most):
        text = (
            f"Transaction version ({version}) is not supported by the requesting client. Please try the request again "
            f'with the following configuration parameter: "maxSupportedTransactionVersion": {version}'
        )
        raise RpcFault(UNSUPPORTED_VERSION, text)
    try:
        reply = _without_instructions(reply) if short else in_encoding(reply, config.get("encoding") or "json")
    except NotAvailable as error:
        raise RpcFault(INVALID_PARAMS, str(error)) from error
    if most is None:
        # A node tells the version only to clients that know of versions.
        reply = {key: value for key, value in reply.items() if key != "version"}
    return reply


def _without_instructions(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a transaction with its accounts only, as for ``transactionDetails: accounts``."""
    meta = reply.get("meta")
    if isinstance(meta, dict):
        meta = {key: meta[key] for key in _SHORT_META if key in meta}
    names = {"signatures": reply["transaction"]["signatures"], "accountKeys": account_list(reply)}
    return {**reply, "transaction": names, "meta": meta}


def _between(backtest: Backtest, wanted: str, before: str | None, until: str | None) -> Iterator[TransactionItem]:
    """Yield the transactions that name an account, newest first, between two signatures."""
    started = before is None
    for one in backtest.history.newest_first():
        if one.signature == until:
            return
        if started and one.involves(wanted):
            yield one
        started = started or one.signature == before


def _signature_row(shown: TransactionItem) -> dict[str, Any]:
    return {
        "signature": shown.signature,
        "slot": shown.slot,
        "err": shown.error,
        "memo": memos_of(shown.instructions),
        "blockTime": shown.block_time,
        "confirmationStatus": "finalized",
    }
