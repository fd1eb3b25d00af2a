"""Encodes what the server executes by itself: discovery filters, anchors and scheduled actions.

Servers of different generations want different forms, see :mod:`simsync.wire.generations`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from simsync.params import (
    Anchor,
    CreateSession,
    DiscoveryFilter,
    OracleUpdate,
    ProgramExecuted,
    ScheduledAction,
)
from simsync.params.schedule import compressed_transactions
from simsync.wire.accounts import account_modifications
from simsync.wire.dialect import Dialect
from simsync.wire.generations import BLOB_OF_TRANSACTIONS, EVERY_N_SLOTS, LISTS_OF_TRANSACTIONS, SLOTS_IN_ANCHORS
from simsync.wire.spelling import without_none


# guess: tagging of discovery filters
def discovery_filter(value: DiscoveryFilter | Mapping[str, object]) -> Any:
    """External tagging."""
    if isinstance(value, ProgramExecuted):
        return {"programExecuted": value.program}
    # guess: oracle updates
    if isinstance(value, OracleUpdate):
        return {"oracleUpdate": {"programs": list(value.programs), "accounts": list(value.accounts)}}
    return dict(value) if isinstance(value, Mapping) else value


_ANCHOR_NAMES = {
    "after_slot": "afterSlot",
    "before_slot": "beforeSlot",
    "before_match": "beforeMatch",
    "after_match": "afterMatch",
    "before_every_slot": "beforeEverySlot",
    "after_every_slot": "afterEverySlot",
}


# guess: tagging of anchors
def anchor(value: Anchor) -> Any:
    """External tagging."""
    name = _ANCHOR_NAMES[value.where]
    # guess: match anchors
    if value.filter is not None:
        return {name: {"filter": discovery_filter(value.filter)}}
    # guess: anchors at every n slots, and their key
    if value.every is not None:
        # In both spellings, because that of the server is not known.
        return {name: {"every_n_slots": value.every, "everyNSlots": value.every}}
    return {name: {"slots": list(value.slots)}} if value.slots else name


def scheduled_actions(create: CreateSession, dialect: Dialect) -> list[Any]:
    """All actions of a create. The caller's come first, because results refer to an action by its index."""
    return [scheduled_action(value, create, dialect) for value in (*create.actions, *_overrides(create))]


# guess: other keys of an action
def scheduled_action(action: ScheduledAction | Mapping[str, object], create: CreateSession, dialect: Dialect) -> Any:
    """One action in the form of the generation of the server. A mapping is passed through."""
    if not isinstance(action, ScheduledAction):
        return dict(action)
    where, transactions = action.anchor, action.transactions
    if not isinstance(transactions, str):
        where, transactions = _anchored(where, list(transactions), create, dialect)
    fields = {
        "anchor": anchor(where),
        "kind": action.kind,
        **_transactions(transactions, dialect),
        "accountOverrides": account_modifications(action.account_overrides),
        "returnAccounts": list(action.return_accounts),
        "label": action.label,
        "feedsReroute": action.feeds_reroute or None,
    }
    return without_none(fields)


def _anchored(
    where: Anchor, transactions: list[str], create: CreateSession, dialect: Dialect
) -> tuple[Anchor, list[str]]:
    """Name the slots of an anchor at every n slots for a server that does not know such anchors."""
    if where.every is None or dialect.minor is None or dialect.minor >= EVERY_N_SLOTS:
        return where, transactions
    name = where.where.replace("_every", "")
    if dialect.minor < SLOTS_IN_ANCHORS:
        return Anchor(name), transactions
    slots = where.slots_between(create.start_slot, create.last_slot)
    # Entry i is executed at slot i, so each slot has one entry for each transaction.
    copies = max(1, len(transactions))
    return Anchor(name, [slot for slot in slots for _ in range(copies)]), transactions * len(slots)


# guess: transactions of an action
def _transactions(transactions: str | list[str], dialect: Dialect) -> dict[str, Any]:
    """The field that holds the transactions, if there are any."""
    if not transactions:
        return {}
    if isinstance(transactions, str) or dialect.minor is None:
        return {"transactions": transactions}
    if dialect.minor < LISTS_OF_TRANSACTIONS:
        return {"transaction": transactions[0]}
    if dialect.minor < BLOB_OF_TRANSACTIONS or dialect.action_blob is None:
        return {"transactions": transactions}
    blob = dialect.action_blob([base64.b64decode(text) for text in transactions])
    return {"transactions": compressed_transactions("the result of action_blob", blob)}


# guess: overrides per slot
# guess: overrides of a slot without a block
# guess: overrides per slot when the range is split
def _overrides(create: CreateSession) -> list[ScheduledAction]:
    """Overrides per slot become actions before that slot that contain only overrides."""
    return [
        ScheduledAction(Anchor("before_slot", [slot]), account_overrides=states)
        for slot, states in sorted(create.overrides.items())
        if states
    ]
