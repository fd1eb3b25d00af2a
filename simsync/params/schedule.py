"""Actions that the server executes by itself at given points of the replay."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, SupportsIndex, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import (
    AccountModifications,
    checked_modifications,
    checked_overrides,
    modifications_from_json,
)
from simsync.params.discovery import DiscoveryFilter, checked_filter, filter_from_json

SLOT_ANCHORS = ("after_slot", "before_slot")
MATCH_ANCHORS = ("before_match", "after_match")
_ZSTD = b"\x28\xb5\x2f\xfd"
"""The first bytes of data that zstd has compressed."""
EVERY_ANCHORS = ("before_every_slot", "after_every_slot")


@dataclass(frozen=True)
class Anchor(JsonForm):
    """The points of the replay at which an action is executed.

    Attributes:
        where: ``"before_slot"`` or ``"after_slot"`` of ``slots``, ``"before_match"`` or ``"after_match"`` of a batch
            that ``filter`` matches, ``"before_every_slot"`` or ``"after_every_slot"`` of slots that are divisible by
            ``every``. For each slot, take ``every=1``.
        slots: Slots of ``before_slot``, at least one, and of ``after_slot``. Only servers of the protocol versions 0.10
            to 0.13 know ``after_slot`` without slots, which means each slot; later ones refuse it.
        filter: Filter of ``before_match`` and ``after_match``.
        every: Divisor of ``before_every_slot`` and ``after_every_slot``, at least 1.
    """

    where: str
    slots: Sequence[int] = ()
    filter: Optional[DiscoveryFilter] = field(default=None, metadata=config(decoder=filter_from_json))
    every: Optional[int] = None

    if TYPE_CHECKING:

        def __init__(
            self,
            where: str,
            slots: Sequence[SupportsIndex] = (),
            filter: Optional[DiscoveryFilter] = None,
            every: Optional[SupportsIndex] = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        kinds = SLOT_ANCHORS + MATCH_ANCHORS + EVERY_ANCHORS
        if self.where not in kinds:
            raise InvalidParams("where", self.where, "must be one of " + ", ".join(kinds))
        slots = checks.integers("slots", self.slots, 0, checks.U64)
        checks.assign(self, slots=slots)
        if slots and self.where not in SLOT_ANCHORS:
            raise InvalidParams("slots", self.slots, f"is only allowed with {' and '.join(SLOT_ANCHORS)}")
        if not slots and self.where == "before_slot":
            raise InvalidParams("slots", slots, "must name at least one slot; for each slot use every=1")
        if self.where in MATCH_ANCHORS:
            checked_filter("filter", self.filter)
        elif self.filter is not None:
            raise InvalidParams("filter", self.filter, f"is only allowed with {' and '.join(MATCH_ANCHORS)}")
        if self.where in EVERY_ANCHORS:
            checks.assign(self, every=checks.integer("every", self.every, 1, checks.U64))
        elif self.every is not None:
            raise InvalidParams("every", self.every, f"is only allowed with {' and '.join(EVERY_ANCHORS)}")

    def slots_between(self, first: int, last: int) -> Sequence[int]:
        """The slots of an anchor with ``every`` from ``first`` to ``last``, both included."""
        every = self.every or 1
        return range(-(-first // every) * every, last + 1, every)


# guess: other keys of an action
@dataclass(frozen=True)
class ScheduledAction(JsonForm):
    """Transactions, account overrides, or both, that the server executes at given points of the replay.

    Results arrive as :class:`~simsync.ActionResult` events after ``subscribe_actions()``.

    Attributes:
        anchor: When the action is executed.
        kind: ``"simulate"`` discards the changes after the action; ``"send"`` keeps them and allows no
            ``account_overrides``.
        transactions: Transactions in order: base64 text, bytes, or objects with a byte form. If ``anchor`` names slots,
            entry i is executed at ``slots[i]``: give one per slot, or none. To execute several at a slot, name it
            several times. With any other anchor all are executed each time. Servers from 0.14 on want one base64 text
            of compressed data instead, whose layout is not documented: such a text is sent unchanged.
        account_overrides: Address → :class:`~simsync.AccountData` that the transactions see.
        return_accounts: Addresses whose states are part of the result.
        label: Any text, repeated in the result.
        feeds_reroute: The state at the end also counts as an account override for later simulations and for
            :class:`~simsync.Reroute` (likely; servers from 0.22 on).
    """

    anchor: Anchor
    kind: str = "simulate"
    transactions: Union[Sequence[Any], str] = ()
    account_overrides: Mapping[str, Any] = field(default_factory=dict, metadata=config(decoder=modifications_from_json))
    return_accounts: Sequence[str] = ()
    label: Optional[str] = None
    feeds_reroute: bool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            anchor: Anchor,
            kind: str = "simulate",
            transactions: Union[Sequence[object], str] = (),
            account_overrides: AccountModifications = ...,
            return_accounts: Sequence[object] = (),
            label: Optional[str] = None,
            feeds_reroute: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.anchor, Anchor):
            raise InvalidParams("anchor", self.anchor, "must be an Anchor(...)")
        if self.kind not in ("simulate", "send"):
            raise InvalidParams("kind", self.kind, "must be 'simulate' or 'send'")
        checks.assign(
            self,
            transactions=_transactions("transactions", self.transactions),
            account_overrides=checked_modifications("account_overrides", self.account_overrides),
            return_accounts=checks.addresses("return_accounts", self.return_accounts),
            feeds_reroute=checks.flag("feeds_reroute", self.feeds_reroute),
        )
        if not self.transactions:
            checked_overrides("account_overrides", self.account_overrides)
        if self.kind == "send" and self.account_overrides:
            raise InvalidParams("account_overrides", self.account_overrides, "is not allowed with kind='send'")
        # guess: transactions and slots of an action
        slots = self.anchor.slots
        in_pairs = isinstance(self.transactions, str) or len(slots) == len(self.transactions)
        if slots and self.transactions and not in_pairs:
            problem = f"must be as many as the {len(slots)} slots of the anchor: entry i is executed at slots[i]"
            raise InvalidParams("transactions", self.transactions, problem)
        if self.label is not None:
            checks.assign(self, label=checks.text("label", self.label))


def _transactions(argument: str, values: object) -> tuple[str, ...] | str:
    return (
        compressed_transactions(argument, values) if isinstance(values, str) else checks.transactions(argument, values)
    )


def compressed_transactions(argument: str, value: object) -> str:
    """Check the transactions of an action as one text. Raises InvalidParams."""
    if isinstance(value, str):
        text = checks.transaction(argument, value)
        if base64.b64decode(text).startswith(_ZSTD):
            return text
    raise InvalidParams(argument, value, "must be a list of transactions, or the base64 text of zstd-compressed ones")
