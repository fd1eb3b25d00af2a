"""The page of features names things and tests that exist."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path

import pytest

import simsync
import simsync.local
import simsync.run

ROOT = Path(simsync.__file__).parent.parent
PAGE = ROOT / "docs" / "features.md"

if not PAGE.is_file():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| ---")
]
HEADINGS = {"feature", "program or theme", "pain", "item"}


def test_each_row_says_where_it_is_and_what_shows_it_or_why_it_is_not_there() -> None:
    rows = [row for row in ROWS if row[0] not in HEADINGS]
    assert len(rows) > 50
    for row in rows:
        assert len(row) == 3, row
        what, where, shown_by = row
        assert what and where, row
        assert shown_by or where.startswith("left out: "), row


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(simsync\.[\w.]+)`", TEXT))))
def test_names_on_the_page_exist(name: str) -> None:
    assert reduce(getattr, name.split(".")[1:], simsync) is not None


@pytest.mark.parametrize("test", sorted(set(re.findall(r"`(tests/[\w/]+\.py:\w+)`", TEXT))))
def test_tests_on_the_page_exist(test: str) -> None:
    file, name = test.split(":")
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`((?:examples|docs)/[\w.]+)`", TEXT))))
def test_files_on_the_page_exist(file: str) -> None:
    assert (ROOT / file).is_file()
