"""``docs/recordings.md`` lists each kind of record and each column of the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from simsync.run.record_file import KINDS
from simsync.run.tables import TABLES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recordings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_the_columns_of_the_tables(table: str) -> None:
    part = PAGE[PAGE.index(f"| `{table}` | column | kind | meaning |") :].split("\n\n")[0]
    rows = part.strip().splitlines()[2:]
    assert rows == [f"| | `{column.name}` | {column.kind} | {column.meaning} |" for column in TABLES[table]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_of_records(kind: str) -> None:
    assert f"\n| `{kind}`" in PAGE
