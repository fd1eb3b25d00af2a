"""Scheduled actions: what a session does by itself at certain slots or around certain batches.

A create request lists them (:mod:`simsync.local.action_requests`), a schedule says when they are due, and each run has
a result.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Union

from solders.pubkey import Pubkey

from simsync.local.encoding import dump_json
from simsync.local.engine.error_texts import describe_error
from simsync.local.solana_json import account_json
from simsync.local.transaction_json import return_data_json

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from solders.account import Account
    from solders.transaction import VersionedTransaction

    from simsync.local.engine.transactions import Outcome


@dataclass(frozen=True)
class SlotAnchor:
    """The start or end of slots that carry a block: the named slots, or every slot that ``every`` divides."""

    before: bool
    slots: tuple[int, ...] | None = None
    every: int = 1


@dataclass(frozen=True)
class MatchAnchor:
    """Before or after each batch in which a transaction names ``program`` among its account keys."""

    before: bool
    program: Pubkey


Anchor = Union[SlotAnchor, MatchAnchor]


@dataclass(frozen=True)
class Action:
    """One action. ``index`` is its position in the create request; ``commits`` is True for send, not simulate."""

    index: int
    anchor: Anchor
    commits: bool
    transactions: tuple[VersionedTransaction, ...] = ()
    overrides: tuple[tuple[Pubkey, Account], ...] = ()
    return_accounts: tuple[Pubkey, ...] = ()
    label: str | None = None

    @property
    def only_overrides(self) -> bool:
        """It only replaces accounts, and has no result."""
        return bool(self.overrides) and not self.transactions


# -- when an action is due


class Due(NamedTuple):
    """An action that is due, and those of its transactions that run now."""

    action: Action
    transactions: tuple[VersionedTransaction, ...]


class Schedule:
    """The actions of a session, by the places where they are due."""

    def __init__(self, actions: Iterable[Action]) -> None:
        actions = tuple(actions)
        self._periodic = {before: _periodic(actions, before) for before in (True, False)}
        self._by_slot: dict[tuple[bool, int], list[Due]] = {}
        for action in actions:
            for slot, due in _named(action):
                self._by_slot.setdefault((action.anchor.before, slot), []).append(due)
        self._around = [(action, action.anchor) for action in actions if isinstance(action.anchor, MatchAnchor)]

    @property
    def programs(self) -> frozenset[Pubkey]:
        """The programs for which actions around batches wait."""
        return frozenset(anchor.program for _, anchor in self._around)

    def at(self, slot: int, *, before: bool) -> list[Due]:
        """Return the actions due at the start or end of a slot with a block, in the order of the request."""
        due = list(self._by_slot.get((before, slot), ()))
        due.extend(Due(action, action.transactions) for every, action in self._periodic[before] if slot % every == 0)
        return sorted(due, key=lambda one: one.action.index)

    def around(self, keys: Sequence[Container[Pubkey]]) -> Iterator[tuple[Due, bool, int]]:
        """Yield the actions due around a batch whose transactions name these accounts.

        Each comes with whether it runs before the batch, and with the index of the first transaction that matches.
        """
        for action, anchor in self._around:
            for index, named in enumerate(keys):
                if anchor.program in named:
                    yield Due(action, action.transactions), anchor.before, index
                    break


def _periodic(actions: Sequence[Action], before: bool) -> list[tuple[int, Action]]:
    return [
        (action.anchor.every, action)
        for action in actions
        if isinstance(action.anchor, SlotAnchor) and action.anchor.slots is None and action.anchor.before == before
    ]


def _named(action: Action) -> Iterator[tuple[int, Due]]:
    """Yield the slots that an action names, with the transactions that run there.

    Entry i of the transactions runs at entry i of the slots.
    """
    if not isinstance(action.anchor, SlotAnchor) or action.anchor.slots is None:
        return
    slots = action.anchor.slots
    for slot in sorted(set(slots)):
        yield slot, Due(action, tuple(one for at, one in zip(slots, action.transactions) if at == slot))


# -- results


class ActionResult:
    """The result of an action as ``actionSubscribe`` shows it.

    It holds the outcomes of the transactions that ran, and the requested accounts after the last of them.

    ``batch_index`` is None at the start or end of a slot; ``matched`` is the transaction that triggered the action.
    """

    __slots__ = ("_accounts", "_action", "_batch_index", "_encoded", "_form", "_matched", "_outcomes", "slot")

    def __init__(
        self,
        action: Action,
        slot: int,
        outcomes: Sequence[Outcome],
        accounts: Sequence[Account | None],
        *,
        batch_index: int | None = None,
        matched: bytes | None = None,
        form: str = "0.11",
    ) -> None:
        self.slot = slot
        self._action = action
        self._outcomes = outcomes
        self._accounts = accounts
        self._batch_index = batch_index
        self._matched = matched
        self._form = form
        self._encoded: bytes | None = None

    def to_json(self) -> dict[str, object]:
        """Return the result in the form of protocol 0.11, or of 0.10, which has only the last transaction."""
        outcomes = [_outcome_json(outcome) for outcome in self._outcomes]
        if self._form == "0.10":
            ran = outcomes[-1] if outcomes else {"err": None, "logs": [], "unitsConsumed": 0}
        else:
            ran = {"transactionOutcomes": outcomes}
        matched = self._matched
        return {
            "context": {"slot": self.slot},
            "slot": self.slot,
            "batchIndex": self._batch_index,
            "actionIndex": self._action.index,
            "label": self._action.label,
            "committed": self._action.commits,
            **ran,
            "accounts": [None if account is None else account_json(account) for account in self._accounts],
            "matched": None if matched is None else {"data": base64.b64encode(matched).decode(), "encoding": "base64"},
        }

    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = dump_json(self.to_json())
        return self._encoded

    def leave_buffer(self) -> None:
        """Free the JSON once the result has left the buffer of the subscriptions."""
        self._encoded = None


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    return {
        "err": None if outcome.error is None else describe_error(outcome.error),
        "logs": outcome.logs,
        "unitsConsumed": outcome.units,
        "fee": outcome.fee,
        "returnData": return_data_json(outcome),
    }
