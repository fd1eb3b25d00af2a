"""Recorded runs for other tools: a folder with one Parquet or CSV file for each table."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable

from simsync.errors import InvalidParams, MissingExtra
from simsync.run.output_file import replaced
from simsync.run.record_file import PathLike, read_records
from simsync.run.tables import TABLES, Row, rows_of

_ROWS = 10_000
"""Rows of a table that are written at a time; it bounds memory."""

WriteRows = Callable[[Sequence[Row]], None]


def export_run(path: PathLike, folder: PathLike, format: str = "parquet") -> dict[str, int]:
    """Write the tables of a recorded run to files.

    The columns are in :data:`simsync.run.tables.TABLES`. Memory does not grow with the run.

    Args:
        path: The file of the run.
        folder: Where the files go, one for each table. It is created if needed; existing files are replaced.
        format: ``parquet`` (extra ``[report]``) or ``csv``.

    Returns:
        The number of rows by table.

    Raises:
        InvalidParams: The format is unknown, the file is not a recorded run, or a value does not fit its column. No
            file was replaced.
        MissingExtra: Parquet needs packages that are not installed.
        OSError: A file cannot be read or written.
    """
    if format not in FORMATS:
        raise InvalidParams("format", format, "must be one of " + ", ".join(FORMATS))
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(TABLES, 0)
    with contextlib.ExitStack() as stack:
        # All replacements are entered before all writers, so they are left after them: no file is replaced until
        # every table has been written to its end.
        parts = {name: stack.enter_context(replaced(target / f"{name}.{format}")) for name in TABLES}
        writers = {name: stack.enter_context(FORMATS[format](name, part)) for name, part in parts.items()}
        waiting: dict[str, list[Row]] = {name: [] for name in TABLES}
        for record in read_records(path):
            for name, row in rows_of(record):
                counts[name] += 1
                waiting[name].append(row)
                if len(waiting[name]) >= _ROWS:
                    writers[name](waiting[name])
                    waiting[name] = []
        for name, rows in waiting.items():
            writers[name](rows)
    return counts


@contextlib.contextmanager
def _csv(table: str, path: Path) -> Iterator[WriteRows]:
    """RFC 4180 with a header line; missing values are empty, booleans ``true`` and ``false``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in TABLES[table]])

        def write(rows: Sequence[Row]) -> None:
            for row in rows:
                writer.writerow([str(cell).lower() if isinstance(cell, bool) else cell for cell in row])

        yield write


@contextlib.contextmanager
def _parquet(table: str, path: Path) -> Iterator[WriteRows]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("Parquet", "report") from error
    types = {"int64": pyarrow.int64, "uint64": pyarrow.uint64, "double": pyarrow.float64, "string": pyarrow.string}
    types["bool"] = pyarrow.bool_
    schema = pyarrow.schema([pyarrow.field(column.name, types[column.kind]()) for column in TABLES[table]])
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as file:

        def write(rows: Sequence[Row]) -> None:
            if rows:
                columns = [pyarrow.array(values, type=field.type) for values, field in zip(zip(*rows), schema)]
                file.write_batch(pyarrow.record_batch(columns, schema=schema))

        yield write


FORMATS: dict[str, Callable[[str, Path], AbstractContextManager[WriteRows]]] = {"parquet": _parquet, "csv": _csv}
"""Writers by format, called with a table and the path of its file."""
