"""Every option on the page of the command line says what it means."""

from __future__ import annotations

from tools.commands import page


def test_each_option_says_what_it_means() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `-")]
    assert len(rows) > 20
    assert [row for row in rows if row.rstrip("| ").endswith(("|", "`"))] == []
