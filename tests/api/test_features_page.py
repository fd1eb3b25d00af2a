"""The page of features names things that exist; ``tools.pages`` finds the tests."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path

import pytest

import simsync
import simsync.local
import simsync.run
from tools.pages import cells_of

ROOT = Path(simsync.__file__).parent.parent
PAGE = ROOT / "docs" / "internals" / "features.md"

if not PAGE.is_file():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [cells_of(line) for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
HEADINGS = {"feature", "program or theme", "pain", "item"}


def test_each_row_says_where_the_feature_is() -> None:
    rows = [row for row in ROWS if row[0] not in HEADINGS]
    assert len(rows) > 50
    for row in rows:
        assert len(row) == 3, row
        assert row[0] and row[1], row


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(simsync\.[\w.]+)`", TEXT))))
def test_names_on_the_page_exist(name: str) -> None:
    assert reduce(getattr, name.split(".")[1:], simsync) is not None


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`((?:examples|docs)/[\w./]+)`", TEXT))))
def test_files_on_the_page_exist(file: str) -> None:
    assert (ROOT / file).is_file()
