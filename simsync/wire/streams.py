"""The table of subscriptions: the method, filter, decoder and key of each kind.

Filters and notification names are guesses, so each row can be replaced:
``Dialect(streams={**STREAMS, "transactions": replace(STREAMS["transactions"], method="…")})``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from simsync.events import (
    AccountDiff,
    AccountDiffFields,
    ActionResult,
    ActionResultFields,
    Event,
    Notification,
    Reading,
    Transaction,
)
from simsync.wire import json_codec
from simsync.wire.notification_results import result_of
from simsync.wire.notifications import account_diff_fields, action_result_fields

MakeEvent = Callable[[str, int, Any, bytes], Event]
"""(notification method, slot, result, payload) → event. The payload is the JSON text of the whole notification."""

Key = Callable[[Any], Any]
"""result → a value by which a replayed notification is recognised. It need not be unique: repetitions are counted."""


@dataclass(frozen=True)
class StreamRow:
    """One kind of subscription.

    Args:
        method: the subscribe method.
        filter: makes the first parameter of the request from an address, program or signature; from None for all.
        make_event: makes an event from a notification.
        key: recognises a notification that is replayed.
        single: the subscription ends after its first notification.
        config: keys of the subscribe's config that this kind needs.
        since: the N of the first protocol version 0.N that has it; 0 if it is as old as the others.
    """

    method: str
    filter: Callable[[str | None], Any]
    make_event: MakeEvent
    key: Key
    single: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    since: int = 0


def _account_diff_fields(payload: bytes) -> AccountDiffFields:
    return account_diff_fields(result_of(payload))


def _action_result_fields(payload: bytes) -> ActionResultFields:
    return action_result_fields(result_of(payload))


_ACCOUNT_DIFF = Reading(_account_diff_fields, result_of)
_ACTION_RESULT = Reading(_action_result_fields, result_of)


def transaction(_method: str, slot: int, _result: object, payload: bytes) -> Event:
    # Imported by the subscription that has received it: making the classes of msgspec takes long at every start.
    from simsync.wire.transaction_reading import TRANSACTION

    return Transaction(slot, payload, TRANSACTION)


def _account_diff(_method: str, slot: int, _result: object, payload: bytes) -> Event:
    return AccountDiff(slot, payload, _ACCOUNT_DIFF)


def _action_result(_method: str, slot: int, _result: object, payload: bytes) -> Event:
    return ActionResult(slot, payload, _ACTION_RESULT)


# guess: shapes of all other kinds
def notification(method: str, _slot: int, result: object, _payload: bytes) -> Event:
    """The event of kinds that have no event class."""
    return Notification(method, result)


def _at(result: object, *names: str) -> Any:
    """The value at a path of keys, or None."""
    for name in names:
        result = result.get(name) if isinstance(result, Mapping) else None
    return result


def content(result: object) -> Any:
    """The whole content as the key, in any order of its keys.

    Results that cannot be encoded share one key, as repetitions are counted.
    """
    try:
        return json_codec.dumps_sorted(result)
    except (TypeError, ValueError, RecursionError):
        return None


def _text(result: object, *names: str) -> str | None:
    """The text at a path of keys, or None. Only text is hashable for certain."""
    value = _at(result, *names)
    return value if isinstance(value, str) and value else None


def transaction_key(result: object) -> Any:
    signatures = _at(result, "transaction", "signatures")
    first = signatures[0] if isinstance(signatures, list) and signatures else None
    return first if isinstance(first, str) else content(result)


def _diff_key(result: object) -> Any:
    signature, account = _text(result, "signature"), _text(result, "account")
    return (signature, account) if signature and account else content(result)


def _action_key(result: object) -> Any:
    parts = [_at(result, name) for name in ("batchIndex", "actionIndex", "label", "matched")]
    return content(parts) if any(part is not None for part in parts[:3]) else content(result)


def _log_key(result: object) -> Any:
    return _text(result, "value", "signature") or content(result)


def _original_key(result: object) -> Any:
    return _text(result, "originalSignature") or content(result)


# guess: filter for transactions of programs
# guess: filter for all transactions
def _mentions(program: str | None) -> Any:
    return "all" if program is None else {"mentions": [program]}


# guess: filter for diffs of the accounts of a program
def _owned_by(program: str | None) -> Any:
    return {"address": program, "address_type": "program"}


# guess: filter for diffs of one account
def _account(address: str | None) -> Any:
    return {"address": address, "address_type": "account"}


def _itself(value: str | None) -> Any:
    return value


def _nothing(_value: str | None) -> Any:
    return None


# guess: `encoding` of accounts and programs
# Without it a server that follows Agave writes base58, and an error text in place of data of more than 128 bytes.
_BASE64 = {"encoding": "base64"}


# guess: keys that identify a notification
STREAMS: Mapping[str, StreamRow] = {
    "transactions": StreamRow("transactionSubscribe", _mentions, transaction, transaction_key),
    "program_diffs": StreamRow("accountDiffSubscribe", _owned_by, _account_diff, _diff_key),
    "account_diffs": StreamRow("accountDiffSubscribe", _account, _account_diff, _diff_key),
    # guess: filter for action results
    "actions": StreamRow("actionSubscribe", _nothing, _action_result, _action_key),
    "logs": StreamRow("logsSubscribe", _mentions, notification, _log_key),
    "accounts": StreamRow("accountSubscribe", _itself, notification, content, config=_BASE64),
    "programs": StreamRow("programSubscribe", _itself, notification, content, config=_BASE64),
    # guess: `signatureSubscribe`
    "signatures": StreamRow("signatureSubscribe", _itself, notification, content, single=True),
    "slots": StreamRow("slotSubscribe", _nothing, notification, content),
    # guess: reroutes, replacements, diagnostics
    "reroutes": StreamRow("rerouteSubscribe", _nothing, notification, _original_key, since=15),
    "replacements": StreamRow("replacementSubscribe", _nothing, notification, content, since=23),
    "diagnostics": StreamRow("diagnosticSubscribe", _nothing, notification, content, since=23),
}
"""The rows, by the name of their kind in simsync."""
