"""A recording as DuckDB can read it: a link or a copy in the folder of an analysis."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Callable

from simsync.errors import MissingExtra
from simsync.run.compressed_file import STANDARD_INPUT, open_decompressed
from simsync.run.path_like import PathLike
from simsync.run.record_file import line_of, read_records
from simsync.run.temporary_folder import into_temporary_folder

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class ReadableFile:
    """A file under a name that DuckDB can read.

    The name is a link, because DuckDB takes ``*`` and ``[`` in a path for a pattern, and reads UTF-8 only. What is not
    a regular file can be read only once, so it is copied; what does not hold one record a line is rewritten.

    Args:
        path: The file; ``-`` is standard input. Messages name it, and not the link.
        link: The name to make, in a folder of the caller.
        on_odd: Called with the number of lines and rows that are not records, if they were looked for and
            there are any.

    Attributes:
        link: The name for DuckDB.
        compression: How it is compressed; None if it is not.

    Raises:
        InvalidParams: The file is not a recorded run.
        OSError: It cannot be read.
    """

    def __init__(self, path: PathLike, link: Path, on_odd: Callable[[int], object]) -> None:
        self.link = link
        self.compression: str | None = None
        self._name = str(path)
        self._on_odd = on_odd
        self._source: PathLike = path  # what Python reads
        if os.fspath(path) != STANDARD_INPUT and Path(path).is_file():
            with open(path, "rb") as file:  # noqa: PTH123 (a path may be text)
                head = file.read(4)
            self.compression = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
            link.symlink_to(Path(path).absolute())
        else:
            with open_decompressed(path) as lines, into_temporary_folder(), link.open("wb") as copy:
                copy.writelines(lines)
            self._source = link
        if not self._holds_lines():
            self.rewrite()

    def rewrite(self) -> None:
        """Write the records to a file of their own, one a line, and let the link name it."""
        rewritten = self.link.with_name(f"{self.link.name}.lines")
        with into_temporary_folder(), rewritten.open("wb") as file:
            records = read_records(self._source, on_odd=self._on_odd, name=self._name)
            file.writelines(line_of(*record) for record in records)
        self.link, self.compression = rewritten, None

    def is_cut(self) -> bool:
        """Read a file in which DuckDB has left something out: was its last line cut off?

        What else may be left out, and what makes a file no recording, is decided by :func:`read_records`.
        """
        cut: list[bool] = []
        records = read_records(self._source, on_cut=lambda: cut.append(True), on_odd=self._on_odd, name=self._name)
        for _record in records:
            pass
        return bool(cut)

    def _holds_lines(self) -> bool:
        """True if the file begins with a record, or is empty; False if it has to be rewritten first."""
        try:
            with open_decompressed(self._source) as lines:
                first = next((line for line in lines if line.strip()), b"{}")
        except MissingExtra:
            return True  # DuckDB itself reads zstd
        try:
            value = json.loads(first)
        except ValueError:
            return first.startswith(b'{"type"')
        return isinstance(value, dict) and "transactions" not in value
