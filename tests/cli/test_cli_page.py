"""Every option on the page of the command line says what it means."""

from __future__ import annotations

from pathlib import Path

from simsync.cli.exit_codes import table
from tools.commands import page

CRON = Path(__file__).resolve().parents[2] / "docs" / "guides" / "cron.md"


def test_the_exit_codes_are_the_same_on_the_page_about_cron() -> None:
    assert table() in CRON.read_text(encoding="utf-8")


def test_each_option_says_what_it_means() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `-")]
    assert len(rows) > 20
    assert [row for row in rows if row.rstrip("| ").endswith(("|", "`"))] == []
