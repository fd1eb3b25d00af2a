"""Two recorded runs compared transaction by transaction.

Transactions are matched by signature. If a signature occurs more than once, its transactions are matched in the order
of slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Optional

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm
from simsync.run import fingerprint
from simsync.run.database import DEFAULT_MEMORY, RecordingDatabase, limit_clause
from simsync.run.record_file import PathLike
from simsync.run.recorded_state import RecordedState, state_from

_CONDITIONS = {
    "regressions": "before IS NULL AND after IS NOT NULL",
    "improvements": "before IS NOT NULL AND after IS NULL",
    "other_errors": "before <> after",
    "logs": "logs",
    "units": "units <> 0",
}
"""The pairs of each kind of difference, as conditions in SQL."""
_COUNTED = ("regressions", "improvements", "other_errors", "logs")

# The joins are on 16 bytes of a hash in place of 88 characters, and only equality of the logs matters.
_RUN = """
CREATE TABLE run_{0} AS SELECT md5_number(signature) AS key, 1::BIGINT AS nth, slot, signature, error,
    compute_units AS units, md5_number(logs) AS logs, session_id FROM transactions_{0}
"""
_NUMBER_REPEATED = """
UPDATE run_{0} SET nth = numbered.nth FROM (
    SELECT rowid AS row, row_number() OVER (PARTITION BY key ORDER BY slot, rowid) AS nth FROM run_{0}
    WHERE key IN (SELECT key FROM run_{0} GROUP BY key HAVING count(*) > 1)) AS numbered
WHERE run_{0}.rowid = numbered.row
"""
_PAIRS = """
CREATE TABLE pair AS SELECT one.rowid AS base, other.rowid AS experiment, one.slot AS slot, one.error AS before,
    other.error AS after, one.units AS base_units, other.units - one.units AS units, one.logs <> other.logs AS logs,
    (one.units IS NULL) <> (other.units IS NULL) AS units_in_one
FROM run_0 AS one JOIN run_1 AS other USING (key, nth)
"""
_GAINS = """
SELECT account, mint, coalesce(sum(change) FILTER (side = 0), 0) AS base,
    coalesce(sum(change) FILTER (side = 1), 0) AS experiment
FROM (SELECT 0 AS side, account, mint, sum(change) AS change FROM balances_0 GROUP BY ALL
      UNION ALL SELECT 1, account, mint, sum(change) FROM balances_1 GROUP BY ALL)
GROUP BY account, mint HAVING base <> experiment
ORDER BY mint IS NOT NULL, abs(experiment - base) DESC, account, mint
"""
_PROGRAMS = """
SELECT program, count(*) FILTER (before IS NULL AND after IS NOT NULL) AS regressions,
    count(*) FILTER (before IS NOT NULL AND after IS NULL) AS improvements,
    count(*) FILTER (before <> after) AS other_errors
FROM (SELECT before, after, unnest(programs_of(one.logs)) AS program FROM transactions_0 AS one
      JOIN (SELECT DISTINCT signature, pair.before, pair.after FROM pair JOIN run_0 ON run_0.rowid = pair.base
            WHERE before IS DISTINCT FROM after) AS changed USING (signature))
GROUP BY program ORDER BY regressions DESC, other_errors DESC, improvements DESC, program
"""


@dataclass(frozen=True)
class ComparisonTotals(JsonForm):
    """How many transactions two runs have, and how many differ.

    Attributes:
        base: Transactions of the first run.
        experiment: Transactions of the second run.
        base_failed: Failed transactions of the first run.
        experiment_failed: Failed transactions of the second run.
        matched: Transactions that are in both.
        only_base: Transactions of the first run without a match.
        only_experiment: Transactions of the second run without a match.
        regressions: Matched transactions that succeeded in the first run and failed in the second.
        improvements: Matched transactions that failed in the first run and succeeded in the second.
        other_errors: Matched transactions that failed in both, with different errors.
        logs: Matched transactions with different logs.
        units: The sum of the differences in compute units; None if one of the runs did not record any.
        base_units: The compute units of the first run in the transactions that ``units`` is about.
        with_units: Matched transactions whose compute units are in both runs.
        units_in_one: Matched transactions whose compute units are in one of the runs only.
    """

    base: int
    experiment: int
    base_failed: int
    experiment_failed: int
    matched: int
    only_base: int
    only_experiment: int
    regressions: int
    improvements: int
    other_errors: int
    logs: int
    units: Optional[int]
    base_units: Optional[int]
    with_units: int = 0
    units_in_one: int = 0

    @property
    def unmatched(self) -> int:
        """Transactions that are in one of the runs only."""
        return self.only_base + self.only_experiment


@dataclass(frozen=True)
class Difference(JsonForm):
    """One transaction with a different outcome.

    Attributes:
        slot: Its slot in the first run; None if the file has none.
        signature: Its signature, in base58.
        before: The error in the first run; None for success.
        after: The error in the second run; None for success.
        units: Compute units of the second run minus those of the first; None if one did not record them.
    """

    slot: Optional[int]
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


@dataclass(frozen=True)
class Unmatched(JsonForm):
    """A transaction that is in one of the runs only.

    Attributes:
        run: ``base`` or ``experiment``.
        slot: Its slot.
        signature: Its signature, in base58; None if it was recorded without.
        error: Its error; None for success.
    """

    run: str
    slot: Optional[int]
    signature: Optional[str]
    error: Optional[str]


@dataclass(frozen=True)
class ProgramDifference(JsonForm):
    """Matched transactions with another outcome whose logs in the first run name a program.

    Attributes:
        program: The address.
        regressions: Newly failing.
        improvements: Newly succeeding.
        other_errors: Failing with a different error.
    """

    program: str
    regressions: int
    improvements: int
    other_errors: int


class Comparison:
    """A comparison of two recorded runs (extra ``[report]``); a context manager that reads both files when entered.

    Args:
        base: The file of the first run.
        experiment: The file of the second run.
        max_memory: MiB that the process may take; the rest is written to the temporary folder.

    Raises:
        InvalidParams: A file is not a recorded run; raised on entering.
        MissingExtra: DuckDB is not installed; raised on entering.
        OSError: A file cannot be read; raised on entering.
        SimsyncError: The memory limit is too small, or the temporary folder is full.
    """

    def __init__(self, base: PathLike, experiment: PathLike, max_memory: int = DEFAULT_MEMORY) -> None:
        self.paths = (base, experiment)
        self._database = RecordingDatabase(base, experiment, max_memory=max_memory)
        self._states: list[RecordedState] = []
        self._totals: Optional[ComparisonTotals] = None

    def __enter__(self) -> Comparison:
        self._database.__enter__()
        try:
            for number in range(2):
                self._load(number)
            self._database.execute(_PAIRS)
        except BaseException:
            self._database.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.__exit__(kind, error, traceback)

    def _load(self, number: int) -> None:
        """Read what is compared of one run into a table, and check whether the run is complete."""
        database = self._database
        database.execute(_RUN.format(number))
        (repeated,) = database.one(f"SELECT count(*) - count(DISTINCT key) FROM run_{number}")
        if repeated:
            database.execute(_NUMBER_REPEATED.format(number))
        counted = database.query(
            "SELECT session_id, count(*), count(error), sum(transaction_key(slot, signature)), min(slot), max(slot)"
            f" FROM run_{number} GROUP BY session_id"
        )
        self._states.append(state_from(database, number, counted))

    @property
    def database(self) -> RecordingDatabase:
        """The database of both runs."""
        return self._database

    @property
    def base(self) -> RecordedState:
        """What the first run says of itself."""
        return self._state(0)

    @property
    def experiment(self) -> RecordedState:
        """What the second run says of itself."""
        return self._state(1)

    def _state(self, number: int) -> RecordedState:
        if not self._states:
            raise InvalidParams("comparison", self, "must be used in a with statement")
        return self._states[number]

    def options_that_differ(self) -> dict[str, tuple[Any, Any]]:
        """The options of the two runs that differ, from their metadata.

        Returns:
            Both values by the name of the option; None where a run has none.
        """
        return fingerprint.differences(_options(self.base.metadata), _options(self.experiment.metadata))

    def totals(self) -> ComparisonTotals:
        """Count the differences.

        Returns:
            The totals of both runs.
        """
        base, experiment = self.base, self.experiment
        if self._totals is None:
            counts = ", ".join(f"count(*) FILTER ({_CONDITIONS[kind]})" for kind in _COUNTED)
            matched, units, base_units, with_units, units_in_one, *found = self._database.one(
                "SELECT count(*), sum(units), sum(base_units) FILTER (units IS NOT NULL), count(units),"
                f" count(*) FILTER (units_in_one), {counts} FROM pair"
            )
            self._totals = ComparisonTotals(
                base=base.counts.transactions,
                experiment=experiment.counts.transactions,
                base_failed=base.counts.failed,
                experiment_failed=experiment.counts.failed,
                matched=matched,
                only_base=base.counts.transactions - matched,
                only_experiment=experiment.counts.transactions - matched,
                units=units,
                base_units=base_units,
                with_units=with_units,
                units_in_one=units_in_one,
                **dict(zip(_COUNTED, found)),
            )
        return self._totals

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
        order = "abs(found.units) DESC, found.slot, signature" if kind == "units" else "found.slot, signature"
        _columns, rows = self._database.rows(
            "SELECT found.slot AS slot, signature, before, after, found.units AS units"
            f" FROM (SELECT * FROM pair WHERE {_CONDITIONS[kind]}) AS found"
            f" JOIN run_0 AS one ON one.rowid = found.base ORDER BY {order} {limit_clause(limit)}"
        )
        return (Difference(*row) for row in rows)

    def unmatched(self, limit: int | None = None) -> Iterator[Unmatched]:
        """List the transactions that are in one of the runs only.

        Args:
            limit: How many at most of each run; None for all.

        Returns:
            An iterator over those of the first run, then over those of the second, each in the order of slots.

        Raises:
            InvalidParams: The limit is not valid.
        """
        counts, text = (self.totals().only_base, self.totals().only_experiment), limit_clause(limit)
        for number, (count, side) in enumerate(zip(counts, ("base", "experiment"))):
            if count:
                _columns, rows = self._database.rows(
                    f"SELECT slot, signature, error FROM run_{number} AS one WHERE NOT EXISTS"
                    f" (FROM pair WHERE pair.{side} = one.rowid) ORDER BY slot, signature {text}"
                )
                yield from (Unmatched(side, *row) for row in rows)

    def balances(self, limit: int | None = None) -> list[BalanceDifference]:
        """List the balances that gained a different amount.

        Args:
            limit: How many at most; None for all.

        Returns:
            Lamports before tokens, each with the largest difference first.

        Raises:
            InvalidParams: The limit is not valid.
        """
        self._state(0)
        rows = self._database.query(f"{_GAINS} {limit_clause(limit)}")
        return [BalanceDifference(*row) for row in rows]

    def changes_not_understood(self) -> tuple[int, int]:
        """Count the changes of balances of each run that are in an unknown form, and therefore not compared.

        Returns:
            How many the first and the second run have. Simsync writes one form only, so its files have none.
        """
        counts = [0, 0]
        for number, state in enumerate((self.base, self.experiment)):
            if not state.of_simsync:
                (counts[number],) = self._database.one(f"SELECT count(*) FROM not_understood_{number}")
        return counts[0], counts[1]

    def programs(self) -> list[ProgramDifference]:
        """Count the matched transactions whose outcome changed, by the programs that their logs in the first run name.

        Returns:
            The programs with the most regressions first.
        """
        return [ProgramDifference(*row) for row in self._database.query(_PROGRAMS)]


def _options(metadata: Mapping[str, object]) -> Mapping[str, object]:
    """The options that a run was started with; recordings without a fingerprint name only a few."""
    options = fingerprint.parts_in(metadata)
    if options is not None:
        return options
    return {
        name: metadata[name] for name in ("start_slot", "end_slot", "program_ids", "program_so") if name in metadata
    }
