"""Recorded RPC replies: unwrapped, checked when they are loaded, and in the one form that sessions serve."""

from __future__ import annotations

import base64
import binascii
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simsync.errors import InvalidParams
from simsync.local.encoding import decode_base58
from simsync.local.engine.message_parts import MessageParts, parse_transaction
from simsync.local.ledger.recorded_shape import Misshapen, check_rewards, check_row
from simsync.local.ledger.unsigned import unsigned
from simsync.local.transaction_json import message_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SKIPPED = (-32007, -32009)
"""Errors with which a node says that a slot carries no block."""
_ENCODINGS = ("base58", "base64")
_LONGEST_SLOT = 20
"""Digits of the largest slot."""
_LONGEST_SIGNATURE = 88
_NO_SLOT = "each must be (slot, getBlock reply) or a reply with a slot"


def numbered_replies(blocks: Iterable[object] | Mapping[Any, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield slot and content of ``getBlock`` replies; slots without a block are left out.

    Args:
        blocks: Pairs of slot and reply (tuples or lists), replies with a key ``slot``, or a mapping of slots. A reply
            may be in its JSON-RPC envelope, or beside its slot under the key ``block``. None and the errors for
            skipped slots stand for slots without a block.

    Raises:
        InvalidParams: A reply is something else, or has no slot.
    """
    items: Iterable[Any] = blocks.items() if isinstance(blocks, Mapping) else blocks
    for item in items:
        slot, reply = item if isinstance(item, (tuple, list)) and len(item) == 2 else (None, item)
        if isinstance(slot, str):
            slot = slot_of_text(slot)
        if slot is None and isinstance(reply, dict):
            slot = reply.get("slot")
        found = block_of_reply(reply, slot)
        if found is None:
            continue
        if slot is None:
            slot = found.get("slot")
        try:
            number = unsigned("the slot", slot)
        except ValueError as error:
            rule = _NO_SLOT if slot is None else f"{_NO_SLOT}: {error}"
            raise InvalidParams("blocks", item, rule) from None
        yield number, found


def slot_of_text(text: str) -> int | str:
    """Return the slot in a key of a JSON object; the text itself if it is not a number."""
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_SLOT else text


def block_of_reply(reply: object, slot: object) -> dict[str, Any] | None:
    """Return the content of a ``getBlock`` reply, None for a slot without a block. Raises InvalidParams."""
    while isinstance(reply, dict) and "transactions" not in reply:
        error = reply.get("error")
        if error is not None:
            code, text = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
            if code in _SKIPPED:
                return None
            shown = f"{reprlib.repr(text)} (code {reprlib.repr(code)})"
            raise InvalidParams("blocks", slot, f"the reply is an error, not a block: {shown}")
        inside = next((name for name in ("result", "block") if name in reply), None)
        if inside is None:
            return reply
        reply = reply[inside]
    if reply is not None and not isinstance(reply, dict):
        raise InvalidParams("blocks", reply, _NO_SLOT)
    return reply


def transactions_of(reply: dict[str, Any], slot: int) -> list[Any]:
    """Return the transactions of a block. Raises InvalidParams if the reply holds less than them."""
    found = reply.get("transactions")
    if not isinstance(found, list):
        raise InvalidParams("blocks", slot, "the block has no transactions; call getBlock with transactionDetails full")
    return found


def rewards_of(reply: dict[str, Any], slot: int) -> tuple[dict[str, Any], ...]:
    """Return the rewards of a block. Raises InvalidParams."""
    found = reply.get("rewards")
    try:
        return () if found is None else check_rewards(found)
    except Misshapen as error:
        raise InvalidParams("blocks", slot, str(error)) from None


def recorded_transaction(reply: object, slot: int, time: int | None) -> dict[str, Any]:
    """Return a transaction as subscriptions show it: with slot and time, and with its message in JSON.

    Raises InvalidParams for what sessions could not serve.
    """
    if not isinstance(reply, dict):
        raise _refusal(slot, "each must be an object with a transaction")
    transaction = reply.get("transaction")
    version = reply.get("version")
    if isinstance(transaction, (list, str)):
        try:
            transaction, version = decoded_transaction(transaction)
        except ValueError as error:
            raise _refusal(slot, str(error)) from error
    if not isinstance(transaction, dict):
        raise _refusal(slot, "each must have a transaction with signatures")
    if "message" not in transaction and "accountKeys" in transaction:
        raise _refusal(slot, "a transaction holds only its accounts; call getBlock with transactionDetails full")
    version = "legacy" if version is None else version
    row = {"blockTime": time, **reply, "version": version, "slot": slot, "transaction": transaction}
    try:
        check_row(row)
    except Misshapen as error:
        raise _refusal(slot, f"{error}{_named(transaction)}") from None
    return row


def _named(transaction: dict[str, Any]) -> str:
    """Return which transaction it is, as far as that can be told."""
    signatures = transaction.get("signatures")
    if not isinstance(signatures, list) or not signatures or not isinstance(signatures[0], str):
        return ""
    return f" (transaction {signatures[0][:_LONGEST_SIGNATURE]})"


def decoded_transaction(encoded: object) -> tuple[dict[str, Any], str | int]:
    """Return a transaction in base58 or base64 as JSON, and its version. Raises ValueError."""
    pair = [encoded, "base58"] if isinstance(encoded, str) else encoded
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str) or pair[1] not in _ENCODINGS:
        raise ValueError("an encoded transaction must be a text and base58 or base64")
    try:
        wire = base64.b64decode(pair[0], validate=True) if pair[1] == "base64" else decode_base58(pair[0])
        transaction = parse_transaction(wire)
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"a transaction cannot be decoded: {error}") from error
    signatures = [str(signature) for signature in transaction.signatures]
    message = MessageParts(transaction.message)
    return {"signatures": signatures, "message": message_json(message)}, message.version


def _refusal(slot: int, text: str) -> InvalidParams:
    return InvalidParams("transactions", slot, text)
