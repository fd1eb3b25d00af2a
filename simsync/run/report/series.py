"""What a page draws of a recorded run: outcomes and compute units by slot, and balances of accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Optional

from simsync.run.transactions import RecordedTransaction

BINS = 240
"""Most bars of a chart over slots."""
_POINTS = 1_000
"""Most points of a balance."""
_KNOWN_BALANCES = 200_000
"""Balances that are counted to find the busiest; what first occurs after so many is not among them."""


@dataclass
class SlotBins:
    """Counts by slot, in at most ``BINS`` equal parts of the range ``first`` to ``last``, both included."""

    first: int
    last: int
    width: int = field(init=False)
    succeeded: list[int] = field(init=False)
    failed: list[int] = field(init=False)
    units: list[int] = field(init=False)

    def __post_init__(self) -> None:
        slots = max(1, self.last - self.first + 1)
        self.width = -(-slots // BINS)
        count = -(-slots // self.width)
        self.succeeded, self.failed, self.units = [0] * count, [0] * count, [0] * count

    @property
    def starts(self) -> list[int]:
        """The first slot of each part."""
        return [self.first + number * self.width for number in range(len(self.succeeded))]

    def add(self, transaction: RecordedTransaction) -> None:
        number = min(max(0, (transaction.slot - self.first) // self.width), len(self.succeeded) - 1)
        (self.succeeded if transaction.error is None else self.failed)[number] += 1
        self.units[number] += transaction.units or 0


class BusiestBalances:
    """Counts changes by balance, to find those that change most."""

    def __init__(self) -> None:
        self._changes: Counter[tuple[str, Optional[str]]] = Counter()

    def add(self, transaction: RecordedTransaction) -> None:
        for change in transaction.changes:
            key = (change.account, change.mint)
            if key in self._changes or len(self._changes) < _KNOWN_BALANCES:
                self._changes[key] += 1

    def most(self, count: int) -> list[tuple[str, Optional[str]]]:
        """At most ``count``, those with one change only left out."""
        return [key for key, changes in self._changes.most_common(count) if changes > 1]


class BalanceTraces:
    """The balances of some accounts after each slot in which they changed.

    ``accounts``: all balances of these; ``balances``: these, as (account, mint).
    """

    def __init__(self, accounts: Collection[str] = (), balances: Collection[tuple[str, Optional[str]]] = ()) -> None:
        self._accounts, self._balances = frozenset(accounts), frozenset(balances)
        self._after: dict[tuple[str, Optional[str]], dict[int, int]] = {key: {} for key in balances}

    def add(self, transaction: RecordedTransaction) -> None:
        for change in transaction.changes:
            key = (change.account, change.mint)
            if key in self._balances or change.account in self._accounts:
                self._after.setdefault(key, {})[transaction.slot] = change.after

    def traces(self) -> list[tuple[str, Optional[str], Sequence[tuple[int, int]]]]:
        """Account, mint, and (slot, balance after it) in the order of slots; every n-th where there are very many."""
        found: list[tuple[str, Optional[str], Sequence[tuple[int, int]]]] = []
        for (account, mint), after in self._after.items():
            points = sorted(after.items())
            step = -(-len(points) // _POINTS) or 1
            kept = points[::step]
            if points and kept[-1] != points[-1]:
                kept.append(points[-1])
            if kept:
                found.append((account, mint, kept))
        return found
