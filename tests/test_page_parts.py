"""How docstrings become parts of pages."""

from __future__ import annotations

from typing import Optional, Union

import pytest

from tools.docstrings import Undocumented, annotation_of, markdown, parsed, type_text

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
    ],
)
def test_types_are_words(annotation: str, expected: str) -> None:
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
