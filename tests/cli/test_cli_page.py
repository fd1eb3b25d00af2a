"""The page of the command line matches the commands."""

from __future__ import annotations

import pytest

from .cli_page import PAGE, page

if not PAGE.is_file():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it with: python -m tests.cli.cli_page"


def test_each_option_says_what_it_means() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `-")]
    assert len(rows) > 20
    assert [row for row in rows if row.rstrip("| ").endswith(("|", "`"))] == []
