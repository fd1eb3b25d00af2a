"""How docstrings become parts of pages."""

from __future__ import annotations

import re
from typing import ForwardRef, Optional, Union

import pytest

from simsync.errors import InvalidParams
from simsync.wire.dialect import Dialect
from simsync.wire.streams import STREAMS
from tools import api_pages, compatibility_page, install_page
from tools.docstrings import Undocumented, annotation_of, markdown, parsed, type_text
from tools.pages import cells_of

TEXT = """\
    First line.

    Second paragraph about :class:`~simsync.Slot`,
    which goes on.

    Attributes:
        one: The first,
            in two lines.
        two: The second.

    Raises:
        ValueError: Never.
    """


def test_a_docstring_is_taken_apart() -> None:
    found = parsed(TEXT)
    assert found.paragraphs == ["First line.", "Second paragraph about {py:obj}`~simsync.Slot`, which goes on."]
    assert found.sections == {
        "Attributes": {"one": "The first, in two lines.", "two": "The second."},
        "Raises": {"ValueError": "Never."},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("``a | b``", "`a \\| b`"),
        (":class:`~simsync.Slot`", "{py:obj}`~simsync.Slot`"),
        (":meth:`Client.session() <simsync.Client.session>`", "{py:obj}`Client.session() <simsync.Client.session>`"),
        (":attr:`Coverage.unproven`", "`Coverage.unproven`"),
        (":attr:`Completed.summary <simsync.Completed.summary>`", "`Completed.summary`"),
        ("see ``docs/guides/network.md``", "see [network](../guides/network.md)"),
    ],
)
def test_roles_and_literals_become_markdown(text: str, expected: str) -> None:
    assert markdown(text) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("int", "int"),
        ("Optional[int]", "int or None"),
        ("Union[str, os.PathLike[str], None]", "str or os.PathLike[str] or None"),
        ("Optional[Union[Reroute, Mapping[str, Any]]]", "Reroute or dict[str, JSON] or None"),
        ("Sequence[AccountState | None]", "list[AccountState or None]"),
        (ForwardRef("Optional[int]"), "int or None"),
    ],
)
def test_types_are_words(annotation: object, expected: str) -> None:
    assert type_text(annotation) == expected


class Example:
    field: Optional[int]

    def __init__(self, argument: Union[int, str]) -> None:
        self.argument = argument

    @property
    def computed(self) -> float:
        return 1.0


def test_where_the_type_of_a_name_stands() -> None:
    assert annotation_of(Example, "field") == "Optional[int]"
    assert annotation_of(Example, "argument") == "Union[int, str]"
    assert annotation_of(Example, "computed") == "float"
    with pytest.raises(Undocumented, match="absent"):
        annotation_of(Example, "absent")


def test_the_page_of_errors_has_every_exception_in_its_tree_and_good_articles() -> None:
    page = api_pages.errors_page()
    tree = page.split("```text")[1].split("```")[0]
    table = page.split("## The tree")[0]
    names = re.findall(r"\[`(\w+)`\]", table)
    assert [name for name in names if not re.search(rf"\b{name}\b", tree)] == []
    assert "An `HttpStatusError`." in page
    assert "A `SimsyncError` and an `ImportError`." in page


def test_an_extra_is_listed_with_what_it_installs() -> None:
    found = install_page.extras(
        "[options.extras_require]\nsocks =\n    python-socks >=2.5\ntest =\n    %(socks)s\n    numpy\n"
    )
    assert "| `[socks]` | SOCKS [proxies](network.md) | python-socks |" in found
    assert found.splitlines()[-1].endswith("| `[socks]`, numpy |")
    with pytest.raises(Undocumented, match="strange"):
        install_page.extras("[options.extras_require]\nstrange =\n    numpy\n")


def test_the_table_of_subscriptions_says_what_a_dialect_rejects() -> None:
    heads, _line, *rows = map(cells_of, compatibility_page.subscriptions().splitlines())
    table = {row[0].strip("`"): dict(zip(heads, row)) for row in rows}
    assert {row.method for row in STREAMS.values()} < set(table)
    for row in STREAMS.values():
        for generation in ("0.10", "0.13", "0.14", "0.23", "0.28"):
            try:
                Dialect.for_generation(generation).check_method(row.method)
            except InvalidParams:
                assert table[row.method][generation] == "no"
            else:
                assert table[row.method][generation] == "yes"
    assert table["rerouteSubscribe"]["servers"] == "from 0.15 on"
    assert table["intra_slot_updates=True"]["0.14"] == "no"
