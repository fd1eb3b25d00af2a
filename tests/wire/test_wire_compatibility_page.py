"""The page that lists the guesses says how certain each is and how to change it, and leaves no setting out."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import simsync
from simsync.options import Options
from simsync.wire.dialect import Dialect
from tools.pages import cells_of

PAGE = Path(simsync.__file__).parent.parent / "docs" / "internals" / "compatibility.md"

if not PAGE.is_file():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

TEXT = PAGE.read_text(encoding="utf-8")
GUESSES = TEXT[TEXT.index("## Connecting") :]
ROWS = [cells_of(line) for line in GUESSES.splitlines() if line.startswith("| ")]
BODY = [row for row in ROWS if row[0] != "what" and not set("".join(row)) <= set("- ")]
CERTAINTIES = {"certain", "likely", "guess", "decision"}


def test_there_is_a_page_to_check() -> None:
    assert len(BODY) > 100
    assert all(len(row) == 5 for row in ROWS), [row for row in ROWS if len(row) != 5]


def test_each_row_says_how_certain_it_is_and_how_to_change_it() -> None:
    for row in BODY:
        what, certainty, does, _where, change = row
        assert set(certainty.split(", ")) <= CERTAINTIES, row
        assert what and does and change, row


def test_each_guess_has_its_own_row() -> None:
    names = [row[0] for row in BODY]
    assert [name for name in names if names.count(name) > 1] == []


def test_settings_named_on_the_page_exist() -> None:
    options = {field.name for field in dataclasses.fields(Options)}
    dialect = {field.name for field in dataclasses.fields(Dialect)}
    assert set(re.findall(r"Options\.(\w+)", TEXT)) | set(re.findall(r"Options\((\w+)=", TEXT)) <= options
    assert set(re.findall(r"Dialect\((\w+)=", TEXT)) == dialect, "each choice of the dialect is on the page"


def test_the_page_says_that_nothing_was_tried_against_the_hosted_simulator() -> None:
    assert "Nothing in simsync was ever tried against the hosted simulator." in " ".join(TEXT.split("\n## ")[0].split())
