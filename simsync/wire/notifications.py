"""The contents of notifications: transactions, account diffs and action results, in every form that is known.

Nothing here raises: a missing part reads as empty, and what is not understood stays in the ``raw`` of the event.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from simsync.errors import ProtocolError
from simsync.events import AccountDiffFields, ActionResultFields, TransactionFields, TransactionOutcome
from simsync.wire.accounts import account_state, decode_data
from simsync.wire.spelling import FoldedFields
from simsync.wire.transaction_bytes import message_version

_pubkey = itemgetter("pubkey")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _tuple(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# Transactions.


# guess: shape of a transaction
def transaction_fields(result: object) -> TransactionFields:
    """The fields of a transaction in the form of a ``getTransaction`` reply, encoded as ``json`` or ``jsonParsed``."""
    reply = _mapping(result)
    meta = _mapping(reply.get("meta"))
    transaction = _mapping(reply.get("transaction"))
    message = _mapping(transaction.get("message"))
    keys = _account_keys(_list(message.get("accountKeys")))
    before = _tuple(meta.get("preBalances"))
    if len(keys) < len(before):  # jsonParsed lists them among the account keys
        loaded = _mapping(meta.get("loadedAddresses"))
        keys += tuple([_text(value) for part in ("writable", "readonly") for value in _list(loaded.get(part))])
    signatures = _list(transaction.get("signatures"))
    return TransactionFields(  # in their order: names would cost as much again, for each transaction
        _text(signatures[0]) if signatures else "",
        meta.get("err"),
        _tuple(meta.get("logMessages")),
        meta.get("fee") or 0,
        meta.get("computeUnitsConsumed"),
        message_version(reply.get("version"), _list(message.get("addressTableLookups"))),
        reply.get("blockTime"),
        keys,
        before,
        _tuple(meta.get("postBalances")),
        _tuple(meta.get("preTokenBalances")),
        _tuple(meta.get("postTokenBalances")),
    )


def _account_keys(keys: list[Any]) -> tuple[str, ...]:
    try:
        addresses = tuple(keys if type(keys[0]) is str else map(_pubkey, keys))
        "".join(addresses)  # raises TypeError unless all are text, without a step of Python for each
    except (TypeError, LookupError):
        return tuple([_account_key(key) for key in keys])
    return addresses


def _account_key(value: object) -> str:
    """``jsonParsed`` writes an object per account key."""
    return _text(value.get("pubkey") if isinstance(value, dict) else value)


# Account diffs.


# guess: shape of an account diff
# guess: names of a transaction's index and time in a diff's context
# guess: a diff without a signature
def account_diff_fields(result: object) -> AccountDiffFields:
    """The fields of an account diff. Without ``pre`` the account was created, without ``post`` it was deleted."""
    fields = FoldedFields(_mapping(result))
    return AccountDiffFields(
        account=fields.text("account"),
        signature=fields.text("signature"),
        before=account_state(fields.get("pre")),
        after=account_state(fields.get("post")),
    )


# Action results.


# guess: shape of an action result, older and newer
def action_result_fields(result: object) -> ActionResultFields:
    """The fields of an action result: a list of outcomes, or one outcome at the top level in older servers."""
    fields = FoldedFields(_mapping(result))
    outcomes = fields.get("transaction_outcomes")
    if isinstance(outcomes, list):
        decoded = tuple(_outcome(FoldedFields(one)) for one in outcomes if isinstance(one, dict))
    else:
        decoded = (_outcome(fields),)
    committed = fields.get("committed")
    return ActionResultFields(
        batch_index=fields.number("batch_index"),
        action_index=fields.number("action_index"),
        label=fields.text("label"),
        committed=committed if isinstance(committed, bool) else None,
        outcomes=decoded,
        accounts=tuple(account_state(account) for account in fields.list("accounts")),
        matched=_matched(fields.get("matched")),
    )


def _outcome(fields: FoldedFields) -> TransactionOutcome:
    return TransactionOutcome(
        error=fields.get("err"),
        logs=tuple(fields.list("logs")),
        compute_units=fields.number("units_consumed"),
        fee=fields.number("fee"),
        return_data=fields.get("return_data"),
    )


def _matched(raw: object) -> bytes | None:
    if raw is None:
        return None
    try:
        return decode_data(raw)
    except ProtocolError:
        return None
