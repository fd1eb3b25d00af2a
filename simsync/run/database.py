"""Recorded runs as a DuckDB database: what the totals, comparisons, tables and pages are queried from.

The files are read in place, with one view for each table of :mod:`simsync.run.tables`. DuckDB keeps its memory below a
limit and spills to a temporary folder, so memory does not grow with the runs. This module needs the extra ``[report]``,
and imports it only when it is used.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from simsync.errors import InvalidParams, MissingExtra, SimsyncError
from simsync.interruptible import SIGNALS_NOTICED_WITHIN
from simsync.params import checks
from simsync.run import views
from simsync.run.compressed_file import LARGEST_LINE
from simsync.run.path_like import PathLike, printable
from simsync.run.query_targets import refuse_to_write_recordings
from simsync.run.readable_file import ReadableFile
from simsync.run.temporary_folder import temporary_folder

if TYPE_CHECKING:
    import duckdb

DEFAULT_MEMORY = 512
"""MiB that an analysis may take, the interpreter included."""
SMALLEST_MEMORY = 320
"""The least of :data:`DEFAULT_MEMORY`."""
_OUTSIDE = 224
"""MiB of the process that DuckDB does not count: the interpreter, the libraries, and buffers of the readers."""
_THREAD_MEMORY = 96
"""MiB for each thread, because each has two buffers for the largest line."""
_LARGEST_LINE = 16 * 1024 * 1024
_UNWRITTEN = re.compile(r'Could not write file \\?"(?P<path>[^"\\]+)\\?": (?P<reason>[^"]+)')
"""In a message of DuckDB; the quotes are escaped if the message holds another one as JSON."""
_NAME = re.compile(r"'(?:[^']|'')*'|(\w+)")
"""In a query: what may be the name of a view, or text, which may be any file's name."""
_FULL_FOLDER = "max_temp_directory_size"
"""In a message of DuckDB, which takes what is free on the disk as a limit of its own."""

_PATTERN = frozenset("*?[\\")
"""What makes a path a pattern for DuckDB."""

_INTERRUPT_AGAIN = 0.2
"""Seconds after which a query that is still running is interrupted once more."""
_PIECE = 1_000
"""Rows of a large result that are in memory at a time."""

Result = TypeVar("Result")
Value = Union[int, float, str, bool, None, Sequence[str]]


class RecordingDatabase:
    """Recorded runs opened for queries; a context manager.

    Each table of :mod:`simsync.run.tables` is a view over all files. With a number after its name, as in
    ``transactions_0``, it is a view over one of them. ``small_0`` holds all records except transactions; of an account
    diff, only its session.

    Args:
        paths: The files; ``-`` is standard input.
        max_memory: MiB that the process may take; what does not fit is written to the temporary folder.

    Raises:
        InvalidParams: A file is not a recorded run; raised on entering.
        MissingExtra: DuckDB is not installed; raised on entering.
        OSError: A file cannot be read; raised on entering.
        SimsyncError: A query failed, the memory limit is too small, or the temporary folder is full.
    """

    def __init__(self, *paths: PathLike, max_memory: int = DEFAULT_MEMORY) -> None:
        self.paths = paths
        self.cut: list[bool] = []
        """For each file, whether it ends in the middle of a record."""
        self.odd: Counter[int] = Counter()
        """For each file, how many of its lines and rows are not records."""
        self._max_memory = checks.integer("max_memory", max_memory, SMALLEST_MEMORY, checks.U32)
        self._threads = max(1, min(os.cpu_count() or 1, (self._max_memory - _OUTSIDE) // _THREAD_MEMORY))
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._worker: Optional[ThreadPoolExecutor] = None
        self._views: dict[str, str] = {}
        """The queries of the views that no statement has named yet: DuckDB takes long to make them all."""
        self._names: dict[str, str] = {}
        """What the caller calls the files that have another name for DuckDB."""
        self._folder: Optional[tempfile.TemporaryDirectory[str]] = None
        self._connection: Optional[duckdb.DuckDBPyConnection] = None

    def __enter__(self) -> RecordingDatabase:
        try:
            import duckdb
        except ImportError as error:
            raise MissingExtra("the analysis of recorded runs", "report") from error
        self._folder = tempfile.TemporaryDirectory(prefix="simsync-analysis-", dir=_folder_for_duckdb())
        try:
            self._worker = ThreadPoolExecutor(1, "simsync-analysis")
            target, settings = f"{self._folder.name}/runs.duckdb", self._settings()
            with self._errors():
                self._connection = self._on_own_thread(lambda: duckdb.connect(target, config=settings))
            self.execute(f"BEGIN; {views.MACROS} COMMIT")
            for number, path in enumerate(self.paths):
                self._open(number, path)
            self._views.update(views.over_all(len(self.paths)))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._close()

    def _settings(self) -> dict[str, Union[str, bool, int, float, list[str]]]:
        assert self._folder is not None
        memory = self._max_memory - _OUTSIDE
        return {
            "memory_limit": f"{memory}MiB",
            "threads": str(self._threads),
            "temp_directory": f"{self._folder.name}/spilled",
            "autoinstall_known_extensions": "false",  # nothing is fetched from a network
            "python_enable_replacements": "false",  # names in queries are not variables of Python
        }

    def _close(self) -> None:
        if self._worker is not None:
            idle = self._worker.submit(lambda: None)
            # After Ctrl-C a query may still be running. DuckDB forgets an interrupt that comes just before one starts.
            while True:
                for one in (self._connection, *self._cursors):
                    if one is not None:
                        one.interrupt()
                if wait([idle], _INTERRUPT_AGAIN).done:
                    break
            self._cursors.clear()
            self._worker.shutdown(wait=True)
            self._worker = None
        if self._connection is not None:
            # Closing writes back what is still in memory; the file is removed, so a full disk does not matter any more.
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _open(self, number: int, path: PathLike) -> None:
        """Make the views of one file."""
        assert self._folder is not None

        def note_odd(lines: int) -> None:
            self.odd[number] = lines

        file = ReadableFile(path, Path(self._folder.name, f"input{number}"), note_odd)
        try:
            self._make_views(number, path, file)
        except SimsyncError as error:
            if "maximum_object_size" in str(error):
                self._make_views(number, path, file, LARGEST_LINE)
            elif file.compression is not None:
                # Compressed data that was cut off: what came before the cut is read.
                file.rewrite()
                self._make_views(number, path, file)
            else:
                raise
        (unreadable,) = self.one(f"SELECT count(*) FROM small_{number} WHERE kind IS NULL")
        self.cut.append(bool(unreadable) and file.is_cut())
        if unreadable > self.cut[number]:
            # DuckDB leaves out whole records for halves of surrogate pairs in them.
            file.rewrite()
            self._make_views(number, path, file)

    def _make_views(self, number: int, path: PathLike, file: ReadableFile, largest: int = _LARGEST_LINE) -> None:
        self._names[str(file.link)] = str(path)
        source = (str(file.link), file.compression or "uncompressed", largest)
        self.execute(views.small_records(number, *source))
        mark = "kind = 'metadata' AND starts_with(data->>'$.recorded_by', 'simsync')"
        (of_simsync,) = self.one(f"SELECT count(*) > 0 FROM small_{number} WHERE {mark}")
        self._views.update(views.over_file(number, printable(path), *source, of_simsync=of_simsync))

    def link_to(self, path: PathLike, name: PathLike) -> str:
        """A name for a file that DuckDB can write, whatever its path is made of.

        Args:
            path: The file, which exists.
            name: What messages call it.
        """
        assert self._folder is not None
        link = Path(self._folder.name, f"output{len(self._names)}")
        link.symlink_to(Path(path).absolute())
        self._names[str(link)] = str(name)
        return str(link)

    def query(self, text: str, *values: Value) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises SimsyncError if it fails."""
        with self._errors():
            return self._on_own_thread(lambda: self._run(text, values).fetchall())

    def one(self, text: str, *values: Value) -> tuple[Any, ...]:
        """The only row of a query."""
        (row,) = self.query(text, *values)
        return row

    def make_views(self) -> None:
        """Make the views that no statement has named: for a query that asks which there are."""
        with self._errors():
            self._on_own_thread(lambda: self._make_named(" ".join(self._views)))

    def rows(self, text: str, *values: Value) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """The columns of a query, and its rows in pieces: only some of them are in memory at a time.

        A name that is repeated has a number. A query that writes over a recording is refused: DuckDB would destroy what
        it reads.
        """
        checks.text("query", text)
        with self._errors():
            refuse_to_write_recordings(text, self.paths)
            # A cursor of its own, because the next query of the connection would end this one.
            cursor = self._cursor().cursor()
            self._cursors.append(cursor)
            self._on_own_thread(lambda: self._run(text, values, cursor))
        return _distinct([column[0] for column in cursor.description or ()]), self._pieces(cursor)

    def _pieces(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
        while True:
            with self._errors():
                rows = self._on_own_thread(lambda: cursor.fetchmany(_PIECE))
            if not rows:
                return
            yield from rows

    def _on_own_thread(self, action: Callable[[], Result]) -> Result:
        """Run an action of DuckDB on the thread of this database, and wait for it.

        The caller waits in Python, so Ctrl-C is noticed at once.
        """
        if self._worker is None:
            raise InvalidParams("recordings", self, "must be used in a with statement")
        future = self._worker.submit(action)
        while not wait([future], SIGNALS_NOTICED_WITHIN).done:
            pass
        return future.result()

    def execute(self, text: str, *values: Value) -> None:
        """Execute a statement that has no result."""
        with self._errors():
            self._on_own_thread(lambda: self._run(text, values))

    def _run(
        self, text: str, values: Sequence[Value], cursor: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Execute; if memory is short, again with one thread, because each thread needs its own."""
        import duckdb

        connection = self._cursor() if cursor is None else cursor
        checks.text("query", text)
        told = [checks.text("value", one) if isinstance(one, str) else one for one in values] or None
        self._make_named(text)
        try:
            return connection.execute(text, told)
        except duckdb.OutOfMemoryException:
            if self._threads == 1:
                raise
            self._threads = 1
            connection.execute("SET threads = 1")
            return connection.execute(text, told)

    def _make_named(self, text: str) -> None:
        """Make the views that a statement names, and those that their queries name."""
        for name in _NAME.findall(text.lower()):
            query = self._views.get(name)  # text has the name ""
            if query is not None:
                self._make_named(query)
                self._cursor().execute(f"CREATE VIEW {name} AS {query}")
                del self._views[name]

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise InvalidParams("recordings", self, "must be used in a with statement")
        return self._connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn an error of DuckDB into one of simsync, with a message of one line."""
        import duckdb

        try:
            yield
        except duckdb.OutOfMemoryException as error:
            text = self._line(error)
            if _FULL_FOLDER in text:
                raise SimsyncError(f"could not write to {temporary_folder()}: it is full") from error
            raise SimsyncError(f"the analysis needs more memory; raise --max-memory ({text})") from error
        except duckdb.Error as error:
            raise SimsyncError(self._failure(error, isinstance(error, duckdb.IOException))) from error

    def _failure(self, error: Exception, of_a_file: bool) -> str:
        """What an error of DuckDB means for the user."""
        unwritten = _UNWRITTEN.search(" ".join(str(error).split()))
        if unwritten is not None:
            path, reason = unwritten.group("path", "reason")
            inside = self._folder is not None and path.startswith(self._folder.name)
            return f"could not write to {self._names.get(path, temporary_folder() if inside else path)}: {reason}"
        if of_a_file:
            return f"the analysis could not read its input or write to {temporary_folder()}: {self._line(error)}"
        return f"the query failed: {self._line(error)}"

    def _line(self, error: Exception) -> str:
        text = str(error)
        for link, name in sorted(self._names.items(), reverse=True):  # input10 before input1
            text = text.replace(link, name)
        return " ".join(text.split())[:400]


def _folder_for_duckdb() -> str:
    """The temporary folder. Raises InvalidParams if DuckDB cannot work in it."""
    folder = tempfile.gettempdir()
    if set(folder) & _PATTERN or printable(folder) != folder:
        raise InvalidParams(
            "TMPDIR", folder, "must be UTF-8 without any of * ? [ \\ for an analysis; choose another folder"
        )
    return folder


def _distinct(columns: Sequence[str]) -> list[str]:
    """The names of the columns; a repeated one has a number, because an object holds each name once."""
    found: list[str] = []
    for column in columns:
        numbered = (f"{column}_{number}" for number in itertools.count(1))
        found.append(column if column not in found else next(one for one in numbered if one not in found))
    return found


def limit_clause(limit: int | None) -> str:
    """The end of a query for at most ``limit`` rows. Raises InvalidParams."""
    return "" if limit is None else f"LIMIT {checks.integer('limit', limit, 0, checks.U32)}"
