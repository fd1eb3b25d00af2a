"""The files that a query writes, which must not be recordings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from simsync.errors import InvalidParams
from simsync.run.existing_file import refuse_recording
from simsync.run.output_file import refuse_same_file
from simsync.run.path_like import PathLike

_WORD = re.compile(r"\w*")
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_FILE_URL = re.compile(r"file:(//(localhost)?)?(?=/)")
_RULE = "must name the file that it writes as text in single quotes: copy (...) to 'FILE'"


def refuse_to_write_recordings(query: str, inputs: Sequence[PathLike]) -> None:
    """Check that a query writes over no recording. DuckDB would replace it, even one that it reads at the same time.

    Args:
        query: One or more statements for DuckDB.
        inputs: The recordings that are read.

    Raises:
        InvalidParams: It would write over a recording, or its ``COPY`` does not say in plain text what it writes.
        duckdb.Error: The query cannot be read.
    """
    for target in _targets(query):
        path = Path(os.path.expanduser(_FILE_URL.sub("", target)))  # noqa: PTH111 (as DuckDB does)
        # Of a folder with partitions, DuckDB can remove everything.
        for one in path.rglob("*") if path.is_dir() else [path]:
            refuse_same_file("query", one, inputs)
            if one.is_file():
                refuse_recording(one)


def _targets(query: str) -> Iterator[str]:
    """What follows ``TO`` in each ``COPY``, outside of parentheses."""
    import duckdb

    copying = writes = False
    depth = 0
    content = query.encode()
    places = duckdb.tokenize(query)
    for (begin, kind), end in zip(places, [*(place for place, _kind in places[1:]), len(content)]):
        if kind == duckdb.token_type.comment:
            continue
        text = content[begin:end].decode()  # in DuckDB 1.4 with the comments behind it
        word = _WORD.match(text)[0].lower() if kind == duckdb.token_type.keyword else ""  # type: ignore[index]
        if writes:
            found = _TEXT.match(text)
            if found is None:
                raise InvalidParams("query", query, _RULE)
            yield found[1].replace("''", "'")
            copying = writes = False
        elif word == "copy":
            copying, depth = True, 0
        elif text[0] in "()":
            depth += 1 if text[0] == "(" else -1
        elif copying and depth == 0:
            writes = word == "to"
            copying = word != "from" and text[0] != ";"  # COPY t FROM reads a file
