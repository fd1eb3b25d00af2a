"""Recorded runs for other tools: a folder with one Parquet or CSV file for each table."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from simsync.errors import InvalidParams, SimsyncError
from simsync.run.database import DEFAULT_MEMORY, RecordingDatabase
from simsync.run.output_file import refuse_same_file, replaced
from simsync.run.record_file import PathLike
from simsync.run.tables import TABLES

logger = logging.getLogger("simsync.run")

FORMATS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384, USE_TMP_FILE false",
    "csv": "FORMAT csv, HEADER true, USE_TMP_FILE false",
}
"""The formats, and what DuckDB is told for them. Small groups of rows bound the memory. The file is a temporary one
already: DuckDB would leave its own behind when the disk is full."""

_CASTS = {"uint64": "UBIGINT", "decimal": "DECIMAL(38, 0)"}
"""Columns that are wider in the views than in a file."""


def export_run(
    path: PathLike, folder: PathLike, format: str = "parquet", max_memory: int = DEFAULT_MEMORY
) -> dict[str, int]:
    """Write the tables of a recorded run to files (extra ``[report]``).

    The columns are in :data:`simsync.run.tables.TABLES`. Memory does not grow with the run.

    Args:
        path: The file of the run; ``-`` is standard input.
        folder: Where the files go, one for each table. It is created if needed; existing files are replaced.
        format: ``parquet`` or ``csv``.
        max_memory: MiB that the process may take.

    Returns:
        The number of rows by table.

    Raises:
        InvalidParams: The format is unknown, the file is not a recorded run or one of the files that would be
            written, or a value does not fit its column. No file was replaced.
        MissingExtra: DuckDB is not installed.
        OSError: A file cannot be read or written.
        SimsyncError: The memory limit is too small, or the disk is full.
    """
    if format not in FORMATS:
        raise InvalidParams("format", format, "must be one of " + ", ".join(FORMATS))
    target = Path(folder)
    files = {name: target / f"{name}.{format}" for name in TABLES}
    for file in files.values():
        refuse_same_file("folder", file, [path])
    counts = {}
    with RecordingDatabase(path, max_memory=max_memory) as database, contextlib.ExitStack() as stack:
        _refuse_misfits(database)
        target.mkdir(parents=True, exist_ok=True)
        # No file is replaced until every table has been written to its end.
        parts = {name: stack.enter_context(replaced(file)) for name, file in files.items()}
        for name, part in parts.items():
            counts[name] = _copy(database, name, database.link_to(part, files[name]), format)
    return counts


def export_table(database: RecordingDatabase, table: str, file: Path, format: str) -> None:
    """Write one table of the only recording of a database. Raises InvalidParams for a value that does not fit."""
    _refuse_misfits(database)
    _copy(database, table, str(file), format)


def _refuse_misfits(database: RecordingDatabase) -> None:
    """A number that is too large for its column is an error; any other text becomes an empty cell, with a warning."""
    numeric = "regexp_full_match(one.value, '-?[0-9.]+([eE][-+]?[0-9]+)?')"
    for name, value, kind in database.query(
        f"SELECT one.name, one.value, one.kind FROM misfits_0 WHERE {numeric} LIMIT 1"
    ):
        raise InvalidParams(name, _plain(value), f"does not fit a column of type {kind}")
    for name, count, value in database.query(
        "SELECT one.name, count(*), min(one.value) FROM misfits_0 GROUP BY one.name ORDER BY one.name"
    ):
        logger.warning("%d values of %s are no numbers, such as %r; their cells are empty", count, name, value)


def _copy(database: RecordingDatabase, table: str, file: str, format: str) -> int:
    """Write a table; its number of rows."""
    columns = ", ".join(
        f"CAST({column.name} AS {_CASTS[column.kind]}) AS {column.name}" if column.kind in _CASTS else column.name
        for column in TABLES[table]
    )
    text = file.replace("'", "''")
    try:
        (count,) = database.one(f"COPY (SELECT {columns} FROM {table}_0) TO '{text}' ({FORMATS[format]})")
    except SimsyncError as error:
        if type(error.__cause__).__name__ != "ConversionException":  # of DuckDB
            raise
        raise _too_large(database, table) or error from error
    return int(count)


def _too_large(database: RecordingDatabase, table: str) -> InvalidParams | None:
    """What is wrong with the first number of a table that its column cannot hold."""
    for column in TABLES[table]:
        if column.kind in _CASTS:
            fits = f"TRY_CAST({column.name} AS {_CASTS[column.kind]}) IS NOT NULL OR {column.name} IS NULL"
            for (value,) in database.query(f"SELECT {column.name} FROM {table}_0 WHERE NOT ({fits}) LIMIT 1"):
                name = f"{table}.{column.name}"
                return InvalidParams(name, value, f"does not fit a column of type {column.kind}")
    return None


def _plain(text: str) -> object:
    """A value of JSON as it is shown in a message."""
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 40 else text
