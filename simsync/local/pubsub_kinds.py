"""The kinds of subscriptions: what each takes as a filter, which events it picks, and how it writes them.

A kind is one class and one row of :data:`KINDS`. It sees every item of a session's stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from solders.pubkey import Pubkey

from simsync.local.encoding import dump_json
from simsync.local.stream import SlotShown

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsync.local.stream import StreamItem

    Pick = Callable[[StreamItem], "bytes | None"]


class InvalidSubscription(ValueError):
    """The params of a subscribe cannot be used; the message is the answer's."""


class Kind(Protocol):
    """One kind of subscription; ``stem`` is what its method names begin with."""

    stem: str

    def picker(self, params: list[Any]) -> Pick:
        """Return a function that gives the JSON ``result`` for an item, None if it is not wanted.

        Raises InvalidSubscription.
        """
        ...


class Transactions:
    """Transactions, all or those that mention one of some accounts. The forms of the filter are guesses of simsync."""

    stem = "transaction"

    def picker(self, params: list[Any]) -> Pick:
        wanted = params[0] if params else None
        if wanted == "all":
            return _any_transaction
        if not isinstance(wanted, dict) or not isinstance(wanted.get("mentions"), list) or not wanted["mentions"]:
            raise InvalidSubscription('the filter must be "all" or {"mentions": [address, ...]}')
        addresses = frozenset(_address(item) for item in wanted["mentions"])

        def pick(item: StreamItem) -> bytes | None:
            if isinstance(item, SlotShown) or addresses.isdisjoint(item.mentions):
                return None
            return item.encoded()

        return pick


class Slots:
    """Executed slots, as Solana's slotSubscribe gives them."""

    stem = "slot"

    def picker(self, params: list[Any]) -> Pick:
        return _slot


KINDS: tuple[Kind, ...] = (Transactions(), Slots())
SUBSCRIBE = {f"{kind.stem}Subscribe": kind for kind in KINDS}
UNSUBSCRIBE = frozenset(f"{kind.stem}Unsubscribe" for kind in KINDS)


def _any_transaction(item: StreamItem) -> bytes | None:
    return None if isinstance(item, SlotShown) else item.encoded()


def _slot(item: StreamItem) -> bytes | None:
    if not isinstance(item, SlotShown):
        return None
    return dump_json({"slot": item.slot, "parent": item.parent, "root": item.root})


def _address(value: Any) -> str:
    try:
        return str(Pubkey.from_string(value))
    except (ValueError, TypeError) as error:
        raise InvalidSubscription(f"{value!r} is not an address") from error
