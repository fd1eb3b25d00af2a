"""Actions that the server runs by itself at given points of the replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import checked_modifications, modifications_from_json
from simsync.params.discovery import DiscoveryFilter, checked_filter, filter_from_json

SLOT_ANCHORS = ("after_slot", "before_slot")
MATCH_ANCHORS = ("before_match", "after_match")
EVERY_ANCHORS = ("before_every_slot", "after_every_slot")


@dataclass(frozen=True)
class Anchor(JsonForm):
    """Where an action fires.

    ``where``: ``after_slot`` or ``before_slot`` (of ``slots``; without any: of each slot), ``before_match`` or
    ``after_match`` (around each batch that ``filter`` matches), ``before_every_slot`` or ``after_every_slot`` (slots
    that ``every`` divides).
    """

    where: str = "after_slot"
    slots: Sequence[int] = ()
    filter: Optional[DiscoveryFilter] = field(default=None, metadata=config(decoder=filter_from_json))
    every: Optional[int] = None

    def __post_init__(self) -> None:
        kinds = SLOT_ANCHORS + MATCH_ANCHORS + EVERY_ANCHORS
        if self.where not in kinds:
            raise InvalidParams("where", self.where, "must be one of " + ", ".join(kinds))
        slots = tuple(
            checks.integer(f"slots[{index}]", slot, 0, checks.U64)
            for index, slot in enumerate(checks.items("slots", self.slots))
        )
        checks.assign(self, slots=slots)
        if slots and self.where not in SLOT_ANCHORS:
            raise InvalidParams("slots", self.slots, f"goes with {' and '.join(SLOT_ANCHORS)} only")
        if self.where in MATCH_ANCHORS:
            checked_filter("filter", self.filter)
        elif self.filter is not None:
            raise InvalidParams("filter", self.filter, f"goes with {' and '.join(MATCH_ANCHORS)} only")
        if self.where in EVERY_ANCHORS:
            checks.integer("every", self.every, 1, checks.U64)
        elif self.every is not None:
            raise InvalidParams("every", self.every, f"goes with {' and '.join(EVERY_ANCHORS)} only")


@dataclass(frozen=True)
class ScheduledAction(JsonForm):
    """Transactions, account overrides, or both, that the server runs at ``anchor``.

    ``kind``: ``simulate`` (scratch state, seen by later transactions of the same action only) or ``send`` (committed;
    takes no ``account_overrides``). ``return_accounts``: addresses whose state comes back with the result. ``label`` is
    echoed in the result.
    """

    anchor: Anchor
    kind: str = "simulate"
    transactions: Sequence[Any] = ()
    account_overrides: Mapping[str, Any] = field(default_factory=dict, metadata=config(decoder=modifications_from_json))
    return_accounts: Sequence[str] = ()
    label: Optional[str] = None
    feeds_reroute: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.anchor, Anchor):
            raise InvalidParams("anchor", self.anchor, "must be an Anchor(...)")
        if self.kind not in ("simulate", "send"):
            raise InvalidParams("kind", self.kind, "must be 'simulate' or 'send'")
        checks.assign(
            self,
            transactions=checks.transactions("transactions", self.transactions),
            account_overrides=checked_modifications("account_overrides", self.account_overrides),
            return_accounts=checks.addresses("return_accounts", self.return_accounts),
            feeds_reroute=checks.flag("feeds_reroute", self.feeds_reroute),
        )
        if self.kind == "send" and self.account_overrides:
            raise InvalidParams("account_overrides", self.account_overrides, "cannot go with kind='send'")
        if self.label is not None:
            checks.text("label", self.label)
