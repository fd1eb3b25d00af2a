"""A transaction in the shape of a ``getTransaction`` reply (JSON encoding, also ``jsonParsed``) → its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simsync.events import TransactionFields


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _key(value: Any) -> str:
    """``jsonParsed`` writes an object per account key."""
    return _text(value.get("pubkey") if isinstance(value, Mapping) else value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def transaction_fields(result: Any) -> TransactionFields:
    """Missing parts read as empty; nothing raises."""
    reply = _mapping(result)
    meta = _mapping(reply.get("meta"))
    transaction = _mapping(reply.get("transaction"))
    message = _mapping(transaction.get("message"))
    loaded = _mapping(meta.get("loadedAddresses"))
    keys = [_key(value) for value in _list(message.get("accountKeys"))]
    if len(keys) < len(_list(meta.get("preBalances"))):  # jsonParsed lists them among the account keys
        keys += [_text(value) for part in ("writable", "readonly") for value in _list(loaded.get(part))]
    signatures = _list(transaction.get("signatures"))
    return TransactionFields(
        signature=_text(signatures[0]) if signatures else "",
        error=meta.get("err"),
        logs=tuple(_list(meta.get("logMessages"))),
        fee=meta.get("fee") or 0,
        compute_units=meta.get("computeUnitsConsumed"),
        version=reply.get("version", "legacy"),
        block_time=reply.get("blockTime"),
        account_keys=tuple(keys),
        pre_balances=tuple(_list(meta.get("preBalances"))),
        post_balances=tuple(_list(meta.get("postBalances"))),
        pre_token_balances=tuple(_list(meta.get("preTokenBalances"))),
        post_token_balances=tuple(_list(meta.get("postTokenBalances"))),
    )
