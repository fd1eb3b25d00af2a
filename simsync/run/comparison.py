"""Two recorded runs compared, transaction by transaction, in a temporary SQLite file so that size does not matter.

Transactions are matched by signature; where a signature occurs more than once, in the order of slots.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm
from simsync.params import checks
from simsync.run.records import PathLike, read_records
from simsync.run.transactions import transaction_of

BASE, EXPERIMENT = 0, 1
_BATCH = 5_000

_SCHEMA = """
CREATE TABLE tx (side INTEGER, slot INTEGER, signature TEXT, error TEXT, units INTEGER, logs BLOB);
CREATE TABLE change (side INTEGER, account TEXT, mint TEXT, delta TEXT);
"""
_MATCH = """
CREATE TABLE numbered AS SELECT *, row_number() OVER (PARTITION BY side, signature ORDER BY slot, rowid) AS nth FROM tx;
CREATE INDEX by_signature ON numbered (signature, nth, side);
CREATE TABLE pair AS SELECT base.slot AS slot, base.signature AS signature, base.error AS before, other.error AS after,
    other.units - base.units AS units, base.logs <> other.logs AS logs
  FROM numbered AS base JOIN numbered AS other USING (signature, nth) WHERE base.side = 0 AND other.side = 1;
"""
_KINDS = {
    "regressions": "before IS NULL AND after IS NOT NULL",
    "improvements": "before IS NOT NULL AND after IS NULL",
    "other_errors": "before IS NOT NULL AND after IS NOT NULL AND before <> after",
    "logs": "logs",
    "units": "units <> 0",
}


@dataclass(frozen=True)
class ComparisonTotals(JsonForm):
    """How many transactions. ``only_base`` and ``only_experiment`` have no partner; ``units``: the sum of differences
    in compute units, None where one of the runs did not record any."""

    base: int
    experiment: int
    matched: int
    only_base: int
    only_experiment: int
    regressions: int
    improvements: int
    other_errors: int
    logs: int
    units: Optional[int]


@dataclass(frozen=True)
class Difference(JsonForm):
    """One transaction with a different outcome. ``before`` and ``after``: the error, None for success.

    ``units``: difference in compute units.
    """

    slot: int
    signature: str
    before: Optional[str]
    after: Optional[str]
    units: Optional[int]


@dataclass(frozen=True)
class BalanceDifference(JsonForm):
    """What an account gained in each run, in lamports (``mint`` None) or the token's smallest unit."""

    account: str
    mint: Optional[str]
    base: int
    experiment: int

    @property
    def difference(self) -> int:
        return self.experiment - self.base


class _Sum:
    """A sum of whole numbers of any size, which SQLite itself does not have."""

    def __init__(self) -> None:
        self._total = 0

    def step(self, *values: str | None) -> None:
        self._total += sum(int(value) for value in values if value is not None)

    def finalize(self) -> str:
        return str(self._total)


class Comparison:
    """A context manager. Reading both files happens on entering; raises OSError or InvalidParams."""

    def __init__(self, base: PathLike, experiment: PathLike) -> None:
        self.paths = (base, experiment)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Comparison:
        self._folder = tempfile.TemporaryDirectory(prefix="simsync-compare-")
        try:
            database = self._database = sqlite3.connect(f"{self._folder.name}/runs.sqlite")
            database.create_aggregate("whole_sum", 1, _Sum)  # type: ignore[arg-type]  # text in place of numbers
            # Nobody needs this file after a crash.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.executescript(_SCHEMA)
            for side, path in enumerate(self.paths):
                self._load(side, path)
            database.executescript(_MATCH)
            database.commit()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _load(self, side: int, path: PathLike) -> None:
        transactions: list[tuple[Any, ...]] = []
        changes: list[tuple[Any, ...]] = []
        for record in read_records(path):
            if record.kind != "tx":
                continue
            one = transaction_of(record.data)
            logs = hashlib.blake2b("\n".join(one.logs).encode("utf-8", "replace"), digest_size=8).digest()
            transactions.append((side, one.slot, one.signature, one.error, one.units, logs))
            changes += [
                (side, change.account, change.mint, str(change.after - change.before))
                for change in one.changes
                if change.after != change.before
            ]
            if len(transactions) >= _BATCH:
                self._insert(transactions, changes)
        self._insert(transactions, changes)

    def _insert(self, transactions: list[tuple[Any, ...]], changes: list[tuple[Any, ...]]) -> None:
        assert self._database is not None
        self._database.executemany("INSERT INTO tx VALUES (?, ?, ?, ?, ?, ?)", transactions)
        self._database.executemany("INSERT INTO change VALUES (?, ?, ?, ?)", changes)
        transactions.clear()
        changes.clear()

    def _query(self, text: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        if self._database is None:
            raise InvalidParams("comparison", self, "must be used in a with statement")
        return iter(self._database.execute(text, values))

    def totals(self) -> ComparisonTotals:
        base, experiment = (
            next(self._query("SELECT count(*) FROM tx WHERE side = ?", side))[0] for side in (BASE, EXPERIMENT)
        )
        (matched,) = next(self._query("SELECT count(*) FROM pair"))
        counts = {
            kind: next(self._query(f"SELECT count(*) FROM pair WHERE {rule}"))[0]
            for kind, rule in _KINDS.items()
            if kind != "units"
        }
        (units,) = next(self._query("SELECT sum(units) FROM pair"))
        return ComparisonTotals(
            base=base,
            experiment=experiment,
            matched=matched,
            only_base=base - matched,
            only_experiment=experiment - matched,
            units=units,
            **counts,
        )

    def differences(self, kind: str, limit: int | None = None) -> Iterator[Difference]:
        """The transactions of a kind: ``regressions``, ``improvements``, ``other_errors``, ``logs`` or ``units``.

        In the order of slots; ``units`` with the largest difference first.
        """
        if kind not in _KINDS:
            raise InvalidParams("kind", kind, "must be one of " + ", ".join(_KINDS))
        order = "abs(units) DESC, slot, signature" if kind == "units" else "slot, signature"
        text = f"SELECT slot, signature, before, after, units FROM pair WHERE {_KINDS[kind]} ORDER BY {order} LIMIT ?"
        return (Difference(*row) for row in self._query(text, _limit(limit)))

    def balances(self, limit: int | None = None) -> list[BalanceDifference]:
        """Accounts that gained something else, the largest difference first; lamports, then tokens."""
        rows = self._query(
            "SELECT account, mint, whole_sum(CASE side WHEN 0 THEN delta END),"
            " whole_sum(CASE side WHEN 1 THEN delta END) FROM change GROUP BY account, mint"
        )
        found = [BalanceDifference(account, mint, int(base), int(other)) for account, mint, base, other in rows]
        found = [row for row in found if row.difference]
        found.sort(key=lambda row: (row.mint is not None, -abs(row.difference), row.account, row.mint or ""))
        return found if limit is None else found[: checks.integer("limit", limit, 0, checks.U32)]


def _limit(limit: int | None) -> int:
    """SQLite takes a negative number for none."""
    return -1 if limit is None else checks.integer("limit", limit, 0, checks.U32)
