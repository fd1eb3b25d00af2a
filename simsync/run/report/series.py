"""The data of the charts: outcomes and compute units by slot, and balances of accounts. All of it is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from simsync.run.database import RecordingDatabase

BINS = 240
"""Most bars of a chart by slot."""
_POINTS = 1_000
"""Most points of a balance."""
PERCENTILES = (50, 90, 99)

Balance = tuple[str, Optional[str]]
"""An account, and a mint or None for lamports."""


@dataclass
class BalanceLine:
    """A balance over a run.

    Attributes:
        points: (slot, amount after it) in the order of slots.
        of_changes: True if the file holds changes only; the amounts are what was gained since the first of them.
    """

    points: list[tuple[int, int]]
    of_changes: bool


@dataclass
class SlotBins:
    """Counts by slot, in at most ``BINS`` equal parts of a range.

    Attributes:
        width: Slots of each part.
        starts: The first slot of each part.
        succeeded: Transactions without an error, of each part.
        failed: Transactions with an error.
        units: Compute units.
    """

    width: int
    starts: list[int]
    succeeded: list[int]
    failed: list[int]
    units: list[int]


def slot_bins(database: RecordingDatabase, first: int, last: int) -> SlotBins:
    """Count the transactions of the first file by slot; those outside of the range count at its edges, those without a
    slot nowhere."""
    width = -(-max(1, last - first + 1) // BINS)
    starts = list(range(first, max(first, last) + 1, width))
    bins = SlotBins(width, starts, *([0] * len(starts) for _ in range(3)))
    rows = database.query(
        "SELECT least(greatest((slot - ?) // ?, 0), ?) AS part, count(*) - count(error), count(error),"
        " coalesce(sum(compute_units), 0) FROM transactions_0 WHERE slot IS NOT NULL GROUP BY part",
        *(first, width, len(starts) - 1),
    )
    for part, succeeded, failed, units in rows:
        bins.succeeded[part], bins.failed[part], bins.units[part] = succeeded, failed, units
    return bins


def unit_percentiles(database: RecordingDatabase, number: int = 0) -> Optional[dict[str, int]]:
    """The compute units of a transaction at some percentiles, and the most; None if none were recorded."""
    shares = ", ".join(str(share / 100) for share in PERCENTILES)
    found, most = database.one(
        f"SELECT quantile_disc(compute_units, [{shares}]), max(compute_units) FROM transactions_{number}"
    )
    if not found:
        return None
    return {**{f"{share} %": units for share, units in zip(PERCENTILES, found)}, "most": most}


def busiest_balances(database: RecordingDatabase, count: int) -> list[Balance]:
    """The balances that change most often, without those that changed only once."""
    rows = database.query(
        "SELECT account, mint FROM balances_0 WHERE slot IS NOT NULL GROUP BY ALL HAVING count(*) > 1"
        f" ORDER BY count(*) DESC, account, mint LIMIT {count}"
    )
    return [(account, mint) for account, mint in rows]


def balance_lines(database: RecordingDatabase, accounts: Sequence[str]) -> dict[Balance, BalanceLine]:
    """The balances of some accounts after each slot in which they changed; of many points, every n-th and the last."""
    rows = database.query(
        "SELECT account, mint, slot, after, sum(change) OVER (PARTITION BY account, mint ORDER BY slot),"
        " bool_or(only_change) OVER (PARTITION BY account, mint)"
        " FROM (SELECT account, mint, slot, arg_max(after, position) AS after, sum(change) AS change,"
        " bool_or(after IS NULL) AS only_change FROM (SELECT *, row_number() OVER () AS position"
        " FROM balances_0 WHERE list_contains(?, account) AND slot IS NOT NULL) GROUP BY account, mint, slot)"
        " ORDER BY account, mint NULLS FIRST, slot",
        list(accounts),
    )
    found: dict[Balance, BalanceLine] = {}
    for account, mint, slot, after, gain, of_changes in rows:
        line = found.setdefault((account, mint), BalanceLine([], of_changes))
        line.points.append((slot, int(gain) if of_changes else after))
    return {key: BalanceLine(_thinned(line.points), line.of_changes) for key, line in found.items()}


def _thinned(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept = points[:: -(-len(points) // _POINTS)]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]
