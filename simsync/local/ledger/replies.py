"""Recorded RPC replies: unwrapped, checked when they are loaded, and in the one form that sessions serve."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from solders.transaction import VersionedTransaction

from simsync.errors import InvalidParams
from simsync.local.encoding import decode_base58
from simsync.local.solana_json import message_json, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SKIPPED = (-32007, -32009)
"""Errors with which a node says that a slot carries no block."""


def numbered_replies(blocks: Iterable[object] | Mapping[Any, object]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield slot and content of ``getBlock`` replies; slots without a block are left out.

    Args:
        blocks: Pairs of slot and reply (tuples or lists), replies with a key ``slot``, or a mapping of slots. A reply
            may be in its JSON-RPC envelope. None and the errors for skipped slots stand for slots without a block.

    Raises:
        InvalidParams: A reply is something else, or has no slot.
    """
    items: Iterable[Any] = blocks.items() if isinstance(blocks, Mapping) else blocks
    for item in items:
        slot, reply = item if isinstance(item, (tuple, list)) and len(item) == 2 else (None, item)
        if isinstance(slot, str) and slot.isdecimal():
            slot = int(slot)
        if slot is None and isinstance(reply, dict):
            slot = reply.get("slot")
        found = block_of_reply(reply, slot)
        if found is None:
            continue
        if slot is None:
            slot = found.get("slot")
        if not isinstance(slot, int) or isinstance(slot, bool) or slot < 0:
            raise InvalidParams("blocks", item, "each must be (slot, getBlock reply) or a reply with a slot")
        yield slot, found


def block_of_reply(reply: object, slot: object) -> dict[str, Any] | None:
    """Return the content of a ``getBlock`` reply, None for a slot without a block. Raises InvalidParams."""
    if isinstance(reply, dict) and "error" in reply and "transactions" not in reply:
        error = reply["error"]
        if isinstance(error, dict) and error.get("code") in _SKIPPED:
            return None
        raise InvalidParams("blocks", slot, f"the reply is an error, not a block: {error}")
    if isinstance(reply, dict) and "result" in reply and "transactions" not in reply:
        inside = reply["result"]
        return None if inside is None else block_of_reply(inside, slot)
    if reply is None:
        return None
    if not isinstance(reply, dict):
        raise InvalidParams("blocks", reply, "each must be (slot, getBlock reply) or a reply with a slot")
    return reply


def transactions_of(reply: dict[str, Any], slot: int) -> list[Any]:
    """Return the transactions of a block. Raises InvalidParams if the reply holds less than them."""
    found = reply.get("transactions")
    if not isinstance(found, list):
        raise InvalidParams("blocks", slot, "the block has no transactions; call getBlock with transactionDetails full")
    return found


def recorded_transaction(reply: object, slot: int, time: int) -> dict[str, Any]:
    """Return a transaction as subscriptions show it: with slot and time, and with its message in JSON.

    Raises InvalidParams for what sessions could not serve.
    """
    if not isinstance(reply, dict):
        raise _refusal(slot, "each must be an object with a transaction")
    transaction = reply.get("transaction")
    version = reply.get("version", "legacy")
    if isinstance(transaction, (list, str)):
        transaction, version = _decoded(transaction, slot)
    if not isinstance(transaction, dict):
        raise _refusal(slot, "each must have a transaction with signatures")
    if "message" not in transaction and "accountKeys" in transaction:
        raise _refusal(slot, "a transaction holds only its accounts; call getBlock with transactionDetails full")
    _check(transaction, reply.get("meta"), slot)
    return {"blockTime": time, **reply, "version": version, "slot": slot, "transaction": transaction}


def _check(transaction: dict[str, Any], meta: object, slot: int) -> None:
    signatures = transaction.get("signatures")
    if not isinstance(signatures, list) or not signatures or not all(isinstance(one, str) for one in signatures):
        raise _refusal(slot, "each must have a transaction with signatures")
    message = transaction.get("message")
    if not isinstance(message, dict):
        raise _refusal(slot, f"the transaction {signatures[0]} has no message")
    keys = message.get("accountKeys")
    if not isinstance(keys, list) or not all(_is_key(key) for key in keys):
        raise _refusal(slot, f"accountKeys of the transaction {signatures[0]} must be a list of addresses")
    if not isinstance(message.get("instructions", []), list):
        raise _refusal(slot, f"instructions of the transaction {signatures[0]} must be a list")
    if meta is None:
        return
    if not isinstance(meta, dict):
        raise _refusal(slot, f"meta of the transaction {signatures[0]} must be an object")
    logs, loaded = meta.get("logMessages"), meta.get("loadedAddresses")
    if logs is not None and not isinstance(logs, list):
        raise _refusal(slot, f"logMessages of the transaction {signatures[0]} must be a list")
    if loaded is not None and not isinstance(loaded, dict):
        raise _refusal(slot, f"loadedAddresses of the transaction {signatures[0]} must be an object")


def _is_key(key: object) -> bool:
    return isinstance(key, str) or (isinstance(key, dict) and isinstance(key.get("pubkey"), str))


def _decoded(encoded: list[Any] | str, slot: int) -> tuple[dict[str, Any], str | int]:
    """Return a transaction in base58 or base64 as JSON, and its version."""
    pair = [encoded, "base58"] if isinstance(encoded, str) else encoded
    if len(pair) != 2 or not isinstance(pair[0], str) or pair[1] not in ("base58", "base64"):
        raise _refusal(slot, "an encoded transaction must be a text and base58 or base64")
    try:
        wire = base64.b64decode(pair[0], validate=True) if pair[1] == "base64" else decode_base58(pair[0])
        transaction = VersionedTransaction.from_bytes(wire)
    except (ValueError, binascii.Error) as error:
        raise _refusal(slot, f"a transaction cannot be decoded: {error}") from error
    signatures = [str(signature) for signature in transaction.signatures]
    return {"signatures": signatures, "message": message_json(transaction.message)}, version_of(transaction.message)


def _refusal(slot: int, text: str) -> InvalidParams:
    return InvalidParams("transactions", slot, text)
