"""Recorded runs for other tools: a folder with one file for each table, as Parquet or CSV."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Callable

from simsync.errors import InvalidParams, MissingExtra
from simsync.run.records import PathLike, read_records
from simsync.run.replacing import replacing
from simsync.run.tables import TABLES, rows_of

_ROWS = 10_000
"""Rows that are written at a time."""


def export_run(path: PathLike, folder: PathLike, format: str = "parquet") -> dict[str, int]:
    """Write the tables of a recorded run into ``folder``, which is made if it is not there; their files are replaced.

    ``format``: ``parquet`` (extra ``[report]``) or ``csv``. The columns are in :data:`simsync.run.tables.TABLES`.
    Memory does not grow with the run. Returns the number of rows by table. Raises OSError, and InvalidParams for a
    file that is no recorded run, or holds what fits no column; then no file is replaced.
    """
    if format not in FORMATS:
        raise InvalidParams("format", format, "must be one of " + ", ".join(FORMATS))
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(TABLES, 0)
    with contextlib.ExitStack() as stack:
        # All parts before all writers: the files take their places when every writer is through.
        parts = {name: stack.enter_context(replacing(target / f"{name}.{format}")) for name in TABLES}
        writers = {name: stack.enter_context(FORMATS[format](name, part)) for name, part in parts.items()}
        waiting: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
        for record in read_records(path):
            for name, row in rows_of(record):
                counts[name] += 1
                waiting[name].append(row)
                if len(waiting[name]) >= _ROWS:
                    writers[name].write(waiting[name])
                    waiting[name] = []
        for name, rows in waiting.items():
            writers[name].write(rows)
    return counts


class _Writer:
    """A context manager around the file of one table."""

    _file: Any

    def __enter__(self) -> _Writer:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        raise NotImplementedError


class _Csv(_Writer):
    """RFC 4180 with a line of names; empty cells for what is missing, ``true`` and ``false``."""

    def __init__(self, table: str, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file)
        self._csv.writerow([column.name for column in TABLES[table]])

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            self._csv.writerow([str(cell).lower() if isinstance(cell, bool) else cell for cell in row])


class _Parquet(_Writer):
    def __init__(self, table: str, path: Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtra("Parquet", "report") from error
        self._arrow = pyarrow
        self._schema = pyarrow.schema(
            [pyarrow.field(column.name, getattr(pyarrow, _ARROW[column.kind])()) for column in TABLES[table]]
        )
        self._file = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            columns = [self._arrow.array(values, type=field.type) for values, field in zip(zip(*rows), self._schema)]
            self._file.write_batch(self._arrow.record_batch(columns, schema=self._schema))


_ARROW = {"int64": "int64", "uint64": "uint64", "double": "float64", "string": "string", "bool": "bool_"}
FORMATS: dict[str, Callable[[str, Path], _Writer]] = {"parquet": _Parquet, "csv": _Csv}
