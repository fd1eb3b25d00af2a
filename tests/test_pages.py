"""The pages are current where they are made from the code, and the files that contributors look for exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import simsync
from tools import markers, pages
from tools.markers import ROOT
from tools.pages import DOCS, NOT_HERE, PAGES, Incomplete

if not DOCS.is_dir():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_current(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert PAGES[page](text) == text, "run python -m tools.pages"


SOURCE = """\
# guess: a constant
# guess: the same place
CONSTANT = 1


class One:
    # guess: a field
    field: int = 0

    # guess: a decorated method
    # Another comment.
    @property
    def method(self):
        # guess: inside a method
        value = 2

        def inner():
            # guess: inside the inner function
            return value

        return inner

# guess: nothing below
"""


def test_what_a_marker_stands_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package" / "part").mkdir(parents=True)
    (tmp_path / "package" / "part" / "one.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "package" / "two.py").write_text("# guess: a field\ndef two(): ...\n", encoding="utf-8")
    monkeypatch.setattr(markers, "ROOT", tmp_path)
    assert markers.marked_places("guess", "package", relative_to="package") == {
        "a constant": ["part/one.py:CONSTANT"],
        "the same place": ["part/one.py:CONSTANT"],
        "a field": ["part/one.py:field", "two.py:two"],
        "a decorated method": ["part/one.py:method"],
        "inside a method": ["part/one.py:method"],
        "inside the inner function": ["part/one.py:inner"],
        "nothing below": ["part/one.py"],
    }
    assert markers.marked_places("feature", "package") == {}


TABLE = f"""\
# Page

| item | here | shown by |
| --- | --- | --- |
| one | yes | `old.py:gone` |
| two | {NOT_HERE}not needed | |

| item | other |
| --- | --- |
| three | yes |
"""


def made(text: str, **places: list[str]) -> str:
    return pages.with_column(text, "shown by", "feature", places, optional=NOT_HERE)


def test_a_column_is_filled() -> None:
    text = made(TABLE, one=["a.py:first", "b.py:second"])
    assert text == TABLE.replace("`old.py:gone`", "`a.py:first`, `b.py:second`")
    assert made(text, one=["a.py:first", "b.py:second"]) == text


def test_a_row_without_a_marker_is_an_error() -> None:
    with pytest.raises(Incomplete, match="# feature: one"):
        made(TABLE)


def test_a_marker_without_a_row_is_an_error() -> None:
    with pytest.raises(Incomplete, match=r"b\.py:second: the page has no row 'three'"):
        made(TABLE, one=["a.py:first"], three=["b.py:second"])


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./]+\.(?:py|md)|[a-z_/]+/)`", CONTRIBUTING))))
def test_files_named_for_contributors_exist(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "simsync" / path).exists()


@pytest.mark.parametrize("name", [name for name in simsync.__all__ if name.isidentifier() and name[0] != "_"])
def test_every_public_name_is_on_a_page(name: str) -> None:
    pages = sorted(DOCS.rglob("*.md"))
    assert any(re.search(rf"\b{name}s?\b", page.read_text(encoding="utf-8")) for page in pages)


def prose(text: str) -> list[str]:
    """The lines of a page outside of tables, code and comments."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for line in outside.splitlines() if not line.startswith(("|", "<!--"))]


TEXTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")
INCLUDED = [ROOT / name for name in TEXTS]


@pytest.mark.parametrize("page", [*sorted(DOCS.rglob("*.md")), *INCLUDED], ids=lambda page: str(page.relative_to(ROOT)))
def test_no_prose_is_a_comment_of_myst(page: Path) -> None:
    assert [line for line in prose(page.read_text(encoding="utf-8")) if line.lstrip().startswith("%")] == []


@pytest.mark.parametrize("page", [*sorted(DOCS.rglob("*.md")), *INCLUDED], ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_short(page: Path) -> None:
    assert [line for line in prose(page.read_text(encoding="utf-8")) if len(line) > 120] == []


def test_a_citation_names_this_version_and_the_metadata_of_the_package() -> None:
    fields = dict(
        line.split(": ", 1) for line in (ROOT / "CITATION.cff").read_text("utf-8").splitlines() if ": " in line
    )
    assert fields["title"] == "simsync"
    assert fields["version"] == simsync.__version__
    assert fields["license"] == "Apache-2.0"
    assert fields["  - name"] in (ROOT / "setup.cfg").read_text("utf-8")
