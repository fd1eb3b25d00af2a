"""A recorded run as an object: what it holds, whether it is complete, and its tables."""

from __future__ import annotations

import errno
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from simsync.errors import InvalidParams, MissingExtra, SimsyncError
from simsync.html_form import html_table
from simsync.params import checks
from simsync.run.completeness import CompletenessCheck, check_complete
from simsync.run.database import DEFAULT_MEMORY, SMALLEST_MEMORY, RecordingDatabase
from simsync.run.export import export_table
from simsync.run.lookup import FoundTransaction, TransactionFilter, find_transactions
from simsync.run.path_like import PathLike, file_path
from simsync.run.record_file import Record, read_records
from simsync.run.tables import TABLES
from simsync.run.totals import AccountTrace, RunTotals, account_traces, summarize

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


def read_run(path: PathLike, *, max_memory: SupportsIndex = DEFAULT_MEMORY) -> Recording:
    """Open a recorded run. Nothing is read before it is asked for.

    Args:
        path: The file, as ``simsync run``, :func:`simsync.record` or the vendor's tool has written it; ``.gz`` and
            ``.zst`` are decompressed.
        max_memory: MiB that a query may take.

    Returns:
        The run.

    Raises:
        OSError: There is no such file, or it is a folder.
        InvalidParams: ``path`` is not a path, or ``max_memory`` is not a number of MiB, or too small.
    """
    return Recording(path, max_memory=max_memory)


class Recording:
    """A recorded run in a file. :func:`simsync.read_run` and :func:`simsync.record` make it.

    Everything is read from the file when it is asked for. :attr:`metadata`, :attr:`summary`, :attr:`complete` and
    :meth:`records` need no extra package, the tables and queries need DuckDB (extra ``[report]``).

    Attributes:
        path: The file.
    """

    def __init__(self, path: PathLike, *, max_memory: SupportsIndex = DEFAULT_MEMORY) -> None:
        self.path = file_path("path", path)
        self._max_memory = checks.integer("max_memory", max_memory, SMALLEST_MEMORY, checks.U32)
        self._checked: tuple[object, CompletenessCheck] | None = None
        if self._identity() is None:
            raise IsADirectoryError(errno.EISDIR, "is a folder, not a recorded run", str(self.path))

    def __repr__(self) -> str:
        return f"<Recording {str(self.path)!r}>"

    def _repr_html_(self) -> str:
        try:
            check = self._check
        except (SimsyncError, OSError) as error:  # a notebook shows nothing at all if this raises
            return html_table(str(self.path), {"run": f"cannot be read: {error}"})
        rows = {
            "slots": f"{self.metadata.get('start_slot')} to {self.metadata.get('end_slot')}",
            "transactions": check.counts.transactions,
            "failed": check.counts.failed,
            "account diffs": check.counts.diffs + check.diffs_in_transactions,
            "run": "complete" if self.complete else f"INCOMPLETE: {self.incomplete_because}",
        }
        return html_table(str(self.path), rows)

    # What the file says of itself.

    @property
    def _check(self) -> CompletenessCheck:
        identity = self._identity()
        if self._checked is None or self._checked[0] != identity:
            self._checked = identity, check_complete(self.path)
        return self._checked[1]

    def _identity(self) -> tuple[int, ...] | None:
        """What changes when the file is written or replaced; None for a folder. A pipe can be read only once."""
        status = self.path.stat()
        if stat.S_ISDIR(status.st_mode):
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else ()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What was run: range, programs, options and fingerprint, as JSON values.

        Raises:
            InvalidParams: The file is not a recorded run.
            OSError: The file cannot be read.
        """
        return self._check.metadata

    @property
    def summary(self) -> Mapping[str, Any]:
        """The totals that the run has written at its end, as JSON values; empty if it was interrupted."""
        return self._check.summary

    @property
    def complete(self) -> bool:
        """True if the file is proven to hold the whole run."""
        return self.incomplete_because is None

    @property
    def incomplete_because(self) -> str | None:
        """Why the recording is not complete; None if it is."""
        return self._check.reason

    def records(self) -> Iterator[Record]:
        """Each record of the file with its kind and data, in the order of the file."""
        return read_records(self.path)

    # Tables.

    def transactions(
        self,
        *,
        failed: bool = False,
        error: str | None = None,
        signature: object = None,
        program: object = None,
        account: object = None,
        slots: tuple[SupportsIndex, SupportsIndex] | None = None,
        limit: SupportsIndex | None = None,
    ) -> list[FoundTransaction]:
        """The transactions that meet all conditions, in the order of slots (extra ``[report]``).

        Args:
            failed: Only those that failed.
            error: Only those whose error contains this text.
            signature: Only those whose signature begins with this: text, or an object that prints as a signature.
            program: Only those whose logs name this program.
            account: Only those that changed a balance or the data of this account.
            slots: The first and the last slot, both included.
            limit: How many at most.

        Returns:
            The transactions with their logs; for many, take :meth:`to_arrow` or :meth:`sql`.

        Raises:
            InvalidParams: A condition is not valid, or the file is not a recorded run.
            MissingExtra: DuckDB is not installed.
        """
        first, last = (None, None) if slots is None else _first_and_last(slots)
        wanted = TransactionFilter(
            signature=None if signature is None else checks.text("signature", _text_of(signature)),
            failed=checks.flag("failed", failed),
            error=None if error is None else checks.text("error", error),
            program=None if program is None else checks.address("program", program),
            account=None if account is None else checks.address("account", account),
            first_slot=first,
            last_slot=last,
        )
        most = checks.optional_integer("limit", limit, 1, checks.U32)
        with self._database() as database:
            return find_transactions(database, wanted, most)[0]

    @property
    def failures(self) -> list[FoundTransaction]:
        """The failed transactions (extra ``[report]``)."""
        return self.transactions(failed=True)

    def totals(self, *, accounts: Sequence[object] = ()) -> RunTotals:
        """The run summed up: transactions, failures, programs, sessions (extra ``[report]``).

        Args:
            accounts: Addresses whose balances are traced.
        """
        return summarize(self.path, accounts, max_memory=self._max_memory)

    def balances(self, account: object) -> list[AccountTrace]:
        """What an account had before and after the run: lamports, then each token (extra ``[report]``).

        Args:
            account: The address.
        """
        with self._database() as database:
            return account_traces(database, [checks.address("account", account)])

    def sql(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Query the tables of ``docs/reference/recording_file.md`` with SQL, in the dialect of DuckDB.

        Args:
            query: For example ``"select error, count(*) n from transactions group by error"``.
            *values: The values of ``?`` in the query: text, numbers (also of numpy), addresses (also solders'
                ``Pubkey``), None, and lists of text.

        Returns:
            One dict per row.

        Raises:
            InvalidParams: ``query`` is not text, or a value has another type.
            SimsyncError: The query failed.
            MissingExtra: DuckDB is not installed.
        """
        checks.text("query", query)
        plain = [checks.plain(f"values[{index}]", value) for index, value in enumerate(values)]
        with self._database() as database:
            database.make_views()
            names, rows = database.rows(query, *plain)
            return [dict(zip(names, row)) for row in rows]

    def to_arrow(self, table: str = "transactions") -> pyarrow.Table:
        """One of the tables as an Arrow table (extras ``[report]`` and ``[arrow]``). Slots and lamports stay exact.

        Args:
            table: ``transactions``, ``balances``, ``diffs``, ``sessions`` or ``others``.

        Raises:
            InvalidParams: There is no such table, or a value does not fit into its column.
            MissingExtra: pyarrow or DuckDB is not installed.
        """
        if table not in TABLES:
            raise InvalidParams("table", table, "must be one of " + ", ".join(TABLES))
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtra("to_arrow", "arrow") from error
        with self._database() as database, tempfile.TemporaryDirectory(prefix="simsync-arrow-") as folder:
            file = Path(folder, "table.parquet")
            export_table(database, table, file, "parquet")
            return parquet.read_table(file, memory_map=False)

    def to_pandas(self, table: str = "transactions") -> pandas.DataFrame:
        """One of the tables as a pandas data frame with Arrow types (extras ``[report]`` and ``[pandas]``)."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtra("to_pandas", "pandas") from error
        frame: pandas.DataFrame = self.to_arrow(table).to_pandas(types_mapper=pandas.ArrowDtype)
        return frame

    def to_polars(self, table: str = "transactions") -> polars.DataFrame:
        """One of the tables as a Polars data frame (extras ``[report]`` and ``[polars]``)."""
        try:
            import polars
        except ImportError as error:
            raise MissingExtra("to_polars", "polars") from error
        frame = polars.from_arrow(self.to_arrow(table))
        assert isinstance(frame, polars.DataFrame)
        return frame

    def _database(self) -> RecordingDatabase:
        return RecordingDatabase(self.path, max_memory=self._max_memory)


def _first_and_last(slots: object) -> tuple[int, int]:
    pair = checks.items("slots", slots)
    if len(pair) != 2:
        raise InvalidParams("slots", slots, "must be the first and the last slot, as in (1000, 1099)")
    return checks.slot_range(*pair)


def _text_of(signature: object) -> object:
    """A part of a signature need not be one, so text is taken as it is."""
    return signature if isinstance(signature, str) else checks.signature("signature", signature)
