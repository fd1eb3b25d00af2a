"""The data of the charts: outcomes and compute units by slot, and balances of accounts. All of it is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Optional

from simsync.run.event_records import RecordedTransaction

BINS = 240
"""Most bars of a chart by slot."""
_POINTS = 1_000
"""Most points of a balance."""
_KNOWN_BALANCES = 200_000
"""Balances that are counted to find the busiest. Later ones are ignored, which bounds memory."""

Balance = tuple[str, Optional[str]]
"""An account, and a mint or None for lamports."""
Points = Sequence[tuple[int, int]]
"""(slot, balance after it) in the order of slots."""


@dataclass
class SlotBins:
    """Counts by slot, in at most ``BINS`` equal parts of the range from ``first`` to ``last``, both included."""

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
    """Finds the balances that change most often."""

    def __init__(self) -> None:
        self._changes: Counter[Balance] = Counter()

    def add(self, transaction: RecordedTransaction) -> None:
        for change in transaction.changes:
            key = (change.account, change.mint)
            if key in self._changes or len(self._changes) < _KNOWN_BALANCES:
                self._changes[key] += 1

    def most(self, count: int) -> list[Balance]:
        """At most ``count`` balances, without those that changed only once."""
        return [key for key, changes in self._changes.most_common(count) if changes > 1]


class BalanceTraces:
    """Balances after each slot in which they changed.

    ``accounts`` selects all balances of these accounts, ``balances`` selects (account, mint) pairs.
    """

    def __init__(self, accounts: Collection[str] = (), balances: Collection[Balance] = ()) -> None:
        self._accounts, self._balances = frozenset(accounts), frozenset(balances)
        self._after: dict[Balance, dict[int, int]] = {key: {} for key in balances}

    def add(self, transaction: RecordedTransaction) -> None:
        for change in transaction.changes:
            key = (change.account, change.mint)
            if key in self._balances or change.account in self._accounts:
                self._after.setdefault(key, {})[transaction.slot] = change.after

    def traces(self) -> list[tuple[str, Optional[str], Points]]:
        """(account, mint, points) of each balance; if it has very many points, every n-th and the last."""
        found: list[tuple[str, Optional[str], Points]] = []
        for (account, mint), after in self._after.items():
            points = sorted(after.items())
            step = -(-len(points) // _POINTS) or 1
            kept = points[::step]
            if points and kept[-1] != points[-1]:
                kept.append(points[-1])
            if kept:
                found.append((account, mint, kept))
        return found
