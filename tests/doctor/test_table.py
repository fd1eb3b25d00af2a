"""Each guess of the page is in the table, observed or with a reason; the settings in the table exist."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import simsync
from simsync.doctor.table import NOT_OBSERVABLE, OBSERVATIONS
from tools.pages import cells_of

PAGE = Path(simsync.__file__).parent.parent / "docs" / "internals" / "compatibility.md"

if not PAGE.is_file():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

LINES = [
    cells_of(line)
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| what |"))
]
GUESSED = [cells[0] for cells in LINES if {"guess", "likely"} & set(cells[1].split(", "))]
SETTINGS = "\n".join(one.setting for row in OBSERVATIONS for one in row.readings.values() if one.setting)


def test_each_guess_of_the_page_is_observed_or_has_a_reason() -> None:
    observed, hidden = [row.guess for row in OBSERVATIONS], list(NOT_OBSERVABLE)
    assert len(GUESSED) > 80
    assert sorted(set(GUESSED) - set(observed) - set(hidden)) == []
    assert sorted(set(hidden) - set(GUESSED)) == []
    assert sorted(set(observed) - {cells[0] for cells in LINES}) == []
    assert sorted(set(observed) & set(hidden)) == []


def test_each_guess_has_its_own_row() -> None:
    names = [row.guess for row in OBSERVATIONS] + list(NOT_OBSERVABLE)
    assert len(set(names)) == len(names)
    pages = [cells[0] for cells in LINES]
    assert [name for name in names if pages.count(name) > 1] == []


def test_reasons_and_assumptions_are_given() -> None:
    assert all(NOT_OBSERVABLE.values())
    assert all(row.assumes and row.step for row in OBSERVATIONS)


def test_settings_named_in_the_rows_exist() -> None:
    dialect = {field.name for field in dataclasses.fields(simsync.Dialect)}
    assert set(re.findall(r"Dialect\((\w+)=", SETTINGS)) <= dialect
    create = {field.name for field in dataclasses.fields(simsync.CreateSession)}
    assert set(re.findall(r"CreateSession\((\w+)=", SETTINGS)) <= create
