"""Scheduled actions: what a session does by itself at certain slots or around certain batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from solders.account import Account
    from solders.pubkey import Pubkey
    from solders.transaction import VersionedTransaction


@dataclass(frozen=True)
class SlotAnchor:
    """Start or end of slots that carry a block: those named, or every one that ``every`` divides."""

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
    """One action. ``index`` is its place in the create request; ``commits`` tells send from simulate."""

    index: int
    anchor: Anchor
    commits: bool
    transactions: tuple[VersionedTransaction, ...] = ()
    overrides: tuple[tuple[Pubkey, Account], ...] = ()
    return_accounts: tuple[Pubkey, ...] = ()
    label: str | None = None

    @property
    def declares(self) -> bool:
        """It only replaces accounts, and has no result."""
        return bool(self.overrides) and not self.transactions


class Due(NamedTuple):
    """An action whose time has come, and which of its transactions run now."""

    action: Action
    transactions: tuple[VersionedTransaction, ...]


class Schedule:
    """The actions of a session by when they are due."""

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
        """The programs that actions around batches wait for."""
        return frozenset(anchor.program for _, anchor in self._around)

    def at(self, slot: int, *, before: bool) -> list[Due]:
        """Return what is due at the start or end of a slot with a block, in the order of the request."""
        due = list(self._by_slot.get((before, slot), ()))
        due.extend(Due(action, action.transactions) for every, action in self._periodic[before] if slot % every == 0)
        return sorted(due, key=lambda one: one.action.index)

    def around(self, keys: Sequence[Container[Pubkey]]) -> Iterator[tuple[Due, bool, int]]:
        """Yield what is due around a batch whose transactions name these accounts.

        With each comes whether it runs before the batch, and the place of the first transaction that matches.
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
    """Yield the slots that an action names, with what runs there.

    As many transactions as slots, and more than one, belong together one by one; else all run at each slot.
    """
    if not isinstance(action.anchor, SlotAnchor) or action.anchor.slots is None:
        return
    slots = action.anchor.slots
    paired = len(slots) == len(action.transactions) > 1
    for slot in sorted(set(slots)):
        if paired:
            yield slot, Due(action, tuple(one for at, one in zip(slots, action.transactions) if at == slot))
        else:
            yield slot, Due(action, action.transactions)
