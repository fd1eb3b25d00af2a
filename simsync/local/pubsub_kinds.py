"""The kinds of subscriptions: what each takes as a filter, which events it picks, and how it writes them.

A kind is one class and one row of :data:`KINDS`. It sees every item of a session's stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simsync.local.action_result import ActionResult
from simsync.local.encoding import dump_json
from simsync.local.executed import TRANSACTIONS
from simsync.local.pubsub_accounts import AccountDiffs, Accounts, ProgramAccounts
from simsync.local.pubsub_params import NOTHING, InvalidSubscription, address, filter_of
from simsync.local.stream import SlotShown

if TYPE_CHECKING:
    from simsync.local.executed import TransactionItem
    from simsync.local.pubsub_params import Kind, Pick
    from simsync.local.stream import StreamItem


class Transactions:
    """Transactions, all or those that mention one of some accounts. The forms of the filter are guesses of simsync."""

    stem = "transaction"
    once = False

    def picker(self, params: list[Any]) -> Pick:
        wanted = filter_of(params)
        if wanted == "all":
            return lambda item: (item.encoded(),) if isinstance(item, TRANSACTIONS) else NOTHING
        addresses = _mentions(wanted)
        if not addresses:
            raise InvalidSubscription('the filter must be "all" or {"mentions": [address, ...]}')

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, TRANSACTIONS) or addresses.isdisjoint(item.mentions):
                return NOTHING
            return (item.encoded(),)

        return pick


class Logs:
    """The logs of transactions, all or those that mention one account, as Solana's logsSubscribe gives them."""

    stem = "logs"
    once = False

    def picker(self, params: list[Any]) -> Pick:
        wanted = filter_of(params)
        addresses = None if wanted in ("all", "allWithVotes") else _mentions(wanted)
        if addresses is not None and len(addresses) != 1:
            raise InvalidSubscription('the filter must be "all", "allWithVotes" or {"mentions": [one address]}')

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, TRANSACTIONS):
                return NOTHING
            if addresses is not None and addresses.isdisjoint(item.mentions):
                return NOTHING
            return (_logs(item),)

        return pick


class Signatures:
    """One notification when a transaction was executed, then the subscription is over, as in Solana."""

    stem = "signature"
    once = True

    def picker(self, params: list[Any]) -> Pick:
        wanted = filter_of(params)
        if not isinstance(wanted, str) or not wanted:
            raise InvalidSubscription("the filter must be a signature")

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, TRANSACTIONS) or item.signature != wanted:
                return NOTHING
            return (dump_json({"context": {"slot": item.slot}, "value": {"err": item.error}}),)

        return pick


class Slots:
    """Executed slots, as Solana's slotSubscribe gives them."""

    stem = "slot"
    once = False

    def picker(self, params: list[Any]) -> Pick:
        return _slot


class Actions:
    """The results of all scheduled actions of the session."""

    stem = "action"
    once = False

    def picker(self, params: list[Any]) -> Pick:
        return lambda item: (item.encoded(),) if isinstance(item, ActionResult) else NOTHING


KINDS: tuple[Kind, ...] = (
    Transactions(),
    AccountDiffs(),
    Actions(),
    Logs(),
    Accounts(),
    ProgramAccounts(),
    Signatures(),
    Slots(),
)
SUBSCRIBE = {f"{kind.stem}Subscribe": kind for kind in KINDS}
UNSUBSCRIBE = frozenset(f"{kind.stem}Unsubscribe" for kind in KINDS)


def _mentions(value: Any) -> frozenset[str]:
    """Return the addresses of a filter by mentions, none if it is something else. Raises InvalidSubscription."""
    wanted = value.get("mentions") if isinstance(value, dict) else None
    return frozenset(address(item) for item in wanted) if isinstance(wanted, list) else frozenset()


def _slot(item: StreamItem) -> Sequence[bytes]:
    if not isinstance(item, SlotShown):
        return NOTHING
    return (dump_json({"slot": item.slot, "parent": item.parent, "root": item.root}),)


def _logs(item: TransactionItem) -> bytes:
    value = {"signature": item.signature, "err": item.error, "logs": item.logs}
    return dump_json({"context": {"slot": item.slot}, "value": value})
