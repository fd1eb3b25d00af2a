"""Two recorded runs compared transaction by transaction, in a temporary SQLite file so that memory stays bounded.

Transactions are matched by signature. If a signature occurs more than once, its transactions are matched in the order
of slots.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Optional, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm
from simsync.params import checks
from simsync.run.event_records import transaction_of
from simsync.run.record_file import PathLike, read_records

_BASE, _EXPERIMENT = 0, 1
"""The values of the column ``side``."""
_BATCH = 5_000
"""Transactions that are inserted at a time; it bounds memory."""

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
_CONDITIONS = {
    "regressions": "before IS NULL AND after IS NOT NULL",
    "improvements": "before IS NOT NULL AND after IS NULL",
    "other_errors": "before IS NOT NULL AND after IS NOT NULL AND before <> after",
    "logs": "logs",
    "units": "units <> 0",
}
"""The pairs of each kind of difference, as conditions in SQL."""


@dataclass(frozen=True)
class ComparisonTotals(JsonForm):
    """How many transactions two runs have, and how many differ.

    Attributes:
        base: Transactions of the first run.
        experiment: Transactions of the second run.
        matched: Transactions that are in both.
        only_base: Transactions of the first run without a match.
        only_experiment: Transactions of the second run without a match.
        regressions: Matched transactions that succeeded in the first run and failed in the second.
        improvements: Matched transactions that failed in the first run and succeeded in the second.
        other_errors: Matched transactions that failed in both, with different errors.
        logs: Matched transactions with different logs.
        units: The sum of the differences in compute units; None if one of the runs did not record any.
    """

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
    """One transaction with a different outcome.

    Attributes:
        slot: Its slot in the first run.
        signature: Its signature, in base58.
        before: The error in the first run; None for success.
        after: The error in the second run; None for success.
        units: Compute units of the second run minus those of the first; None if one did not record them.
    """

    slot: int
    signature: str
    before: Optional[str]
    after: Optional[str]
    units: Optional[int]


@dataclass(frozen=True)
class BalanceDifference(JsonForm):
    """What an account gained in each run.

    Attributes:
        account: The address.
        mint: The token; None for lamports.
        base: The gain in the first run, in lamports or the token's smallest unit.
        experiment: The gain in the second run.
    """

    account: str
    mint: Optional[str]
    base: int
    experiment: int

    @property
    def difference(self) -> int:
        """The gain in the second run minus the gain in the first."""
        return self.experiment - self.base


class _TransactionRow(NamedTuple):
    """A row of the table ``tx``; ``logs`` is a hash."""

    side: int
    slot: int
    signature: str
    error: Optional[str]
    units: Optional[int]
    logs: bytes


class _ChangeRow(NamedTuple):
    """A row of the table ``change``; ``delta`` is a number as text, see :class:`_Sum`."""

    side: int
    account: str
    mint: Optional[str]
    delta: str


class _Sum:
    """An aggregate over integers of any size, as text: those of SQLite end at 64 bits, and token amounts do not."""

    def __init__(self) -> None:
        self._total = 0

    def step(self, *values: str | None) -> None:
        self._total += sum(int(value) for value in values if value is not None)

    def finalize(self) -> str:
        return str(self._total)


class Comparison:
    """A comparison of two recorded runs; a context manager that reads both files when it is entered.

    Args:
        base: The file of the first run.
        experiment: The file of the second run.

    Raises:
        InvalidParams: A file is not a recorded run; raised on entering.
        OSError: A file cannot be read, or the temporary file not be written; raised on entering.
    """

    def __init__(self, base: PathLike, experiment: PathLike) -> None:
        self.paths = (base, experiment)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Comparison:
        self._folder = tempfile.TemporaryDirectory(prefix="simsync-compare-")
        try:
            database = self._database = sqlite3.connect(f"{self._folder.name}/runs.sqlite")
            database.create_aggregate("whole_sum", 1, _Sum)  # type: ignore[arg-type]  # text in place of numbers
            # The file is worthless after a crash, so it needs neither a journal nor syncing.
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
        transactions: list[_TransactionRow] = []
        changes: list[_ChangeRow] = []
        for record in read_records(path):
            if record.kind != "tx":
                continue
            one = transaction_of(record.data)
            # Only equality matters, so eight bytes of a hash stand for kilobytes of logs.
            logs = hashlib.blake2b("\n".join(one.logs).encode("utf-8", "replace"), digest_size=8).digest()
            transactions.append(_TransactionRow(side, one.slot, one.signature, one.error, one.units, logs))
            changes += [
                _ChangeRow(side, change.account, change.mint, str(change.after - change.before))
                for change in one.changes
                if change.after != change.before
            ]
            if len(transactions) >= _BATCH:
                self._insert(transactions, changes)
        self._insert(transactions, changes)

    def _insert(self, transactions: list[_TransactionRow], changes: list[_ChangeRow]) -> None:
        assert self._database is not None
        self._database.executemany("INSERT INTO tx VALUES (?, ?, ?, ?, ?, ?)", transactions)
        self._database.executemany("INSERT INTO change VALUES (?, ?, ?, ?)", changes)
        transactions.clear()
        changes.clear()

    def _query(self, text: str, *values: Union[int, str]) -> Iterator[tuple[Any, ...]]:
        if self._database is None:
            raise InvalidParams("comparison", self, "must be used in a with statement")
        return iter(self._database.execute(text, values))

    def _count(self, rows: str, *values: Union[int, str]) -> int:
        """How many rows a table has; with a condition behind its name, how many of them meet it."""
        return int(next(self._query(f"SELECT count(*) FROM {rows}", *values))[0])

    def totals(self) -> ComparisonTotals:
        """Count the differences.

        Returns:
            The totals of both runs.
        """
        base, experiment = (self._count("tx WHERE side = ?", side) for side in (_BASE, _EXPERIMENT))
        matched = self._count("pair")
        counts = {
            kind: self._count(f"pair WHERE {condition}") for kind, condition in _CONDITIONS.items() if kind != "units"
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
        """List the transactions that differ in one way.

        Args:
            kind: ``regressions``, ``improvements``, ``other_errors``, ``logs`` or ``units``.
            limit: How many at most; None for all.

        Returns:
            An iterator in the order of slots; for ``units`` the largest difference first.

        Raises:
            InvalidParams: The kind is unknown, or the limit is not valid.
        """
        if kind not in _CONDITIONS:
            raise InvalidParams("kind", kind, "must be one of " + ", ".join(_CONDITIONS))
        order = "abs(units) DESC, slot, signature" if kind == "units" else "slot, signature"
        columns = "slot, signature, before, after, units"
        text = f"SELECT {columns} FROM pair WHERE {_CONDITIONS[kind]} ORDER BY {order} LIMIT ?"
        return (Difference(*row) for row in self._query(text, _limit(limit)))

    def balances(self, limit: int | None = None) -> list[BalanceDifference]:
        """List the balances that gained a different amount.

        Args:
            limit: How many at most; None for all.

        Returns:
            Lamports before tokens, each with the largest difference first.

        Raises:
            InvalidParams: The limit is not valid.
        """
        rows = self._query(
            "SELECT account, mint, whole_sum(CASE side WHEN 0 THEN delta END),"
            " whole_sum(CASE side WHEN 1 THEN delta END) FROM change GROUP BY account, mint"
        )
        found = [BalanceDifference(account, mint, int(base), int(other)) for account, mint, base, other in rows]
        found = [row for row in found if row.difference]
        found.sort(key=lambda row: (row.mint is not None, -abs(row.difference), row.account, row.mint or ""))
        return found if limit is None else found[: checks.integer("limit", limit, 0, checks.U32)]


def _limit(limit: int | None) -> int:
    """The limit in SQLite, where a negative number means no limit."""
    return -1 if limit is None else checks.integer("limit", limit, 0, checks.U32)
