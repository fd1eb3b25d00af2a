"""The page that lists the guesses names places and settings that exist, and leaves no setting out."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
from pathlib import Path

import pytest

import simsync
from simsync.options import Options
from simsync.wire.dialect import Dialect

PACKAGE = Path(simsync.__file__).parent
PAGE = PACKAGE.parent / "docs" / "compatibility.md"

if not PAGE.is_file():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| ")
]
BODY = [row for row in ROWS if row[0] != "what" and not set("".join(row)) <= set("- ")]
CERTAINTIES = {"certain", "likely", "guess", "decision"}


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    """Functions, methods, classes and assigned names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return frozenset(names)


def test_there_is_a_page_to_check() -> None:
    assert len(BODY) > 100
    assert all(len(row) == 5 for row in ROWS), [row for row in ROWS if len(row) != 5]


def test_each_row_says_where_it_lives_and_how_sure_it_is() -> None:
    for row in BODY:
        what, certainty, does, where, change = row
        assert set(certainty.split(", ")) <= CERTAINTIES, row
        assert what and does and change, row
        assert re.fullmatch(r"`[\w/]+\.py:\w+`(, `[\w/]+\.py:\w+`)*", where), row


def test_places_named_in_the_text_exist() -> None:
    for file, name in re.findall(r"`([\w/]+\.py):(\w+)`", TEXT):
        assert name in names_in(PACKAGE / file), f"{file} has no {name}"


def test_settings_named_on_the_page_exist() -> None:
    options = {field.name for field in dataclasses.fields(Options)}
    dialect = {field.name for field in dataclasses.fields(Dialect)}
    assert set(re.findall(r"Options\.(\w+)", TEXT)) | set(re.findall(r"Options\((\w+)=", TEXT)) <= options
    assert set(re.findall(r"Dialect\((\w+)=", TEXT)) == dialect, "each choice of the dialect is on the page"


def test_the_page_says_that_nothing_was_tried_against_the_hosted_simulator() -> None:
    assert "Nothing in simsync was ever tried against the hosted simulator." in " ".join(TEXT.split("\n## ")[0].split())
