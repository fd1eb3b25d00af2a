"""Every safeguard that is marked in the code can be removed, and stands on the page with a test that exists."""

from __future__ import annotations

import pytest

from .safeguards import PAGE, ROOT, Safeguard, markers, noted_in, safeguards

SAFEGUARDS = safeguards()


def test_every_safeguard_has_a_name_of_its_own() -> None:
    assert len({one.name for one in SAFEGUARDS}) == len(SAFEGUARDS) > 0


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda safeguard: safeguard.name)
def test_a_safeguard_can_be_removed(safeguard: Safeguard) -> None:
    text = (ROOT / "simsync" / safeguard.file).read_text(encoding="utf-8")
    without = safeguard.removed_from(text)
    assert without != text
    compile(without, safeguard.file, "exec")


@pytest.mark.parametrize(("name", "test"), noted_in(PAGE.read_text(encoding="utf-8")).items())
def test_the_test_on_the_page_exists(name: str, test: str) -> None:
    file, *_classes, function = test.split("[")[0].split("::")
    assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), name


SOURCE = """\
def outer(value):
    if (value and
            check(value)):  # safeguard: condition
        return 1
    elif value:  # safeguard: other condition -> value > 2
        # safeguard: plain statement
        report(
            "ü", value,
        )
    limit = min(value, 3)  # safeguard: assignment -> value
    return "ü", check(value)  # safeguard: result -> None
"""

CHANGED = {
    "condition": ["    if (False):  # safeguard: condition"],
    "other condition": ["    elif value > 2:  # safeguard: other condition -> value > 2"],
    "plain statement": ["        pass"],
    "assignment": ["    limit = value  # safeguard: assignment -> value"],
    "result": ["    return None  # safeguard: result -> None"],
}


@pytest.mark.parametrize("name", CHANGED)
def test_how_a_safeguard_is_removed(name: str) -> None:
    (safeguard,) = (one for one in markers(SOURCE, "source.py") if one.name == name)
    lines = safeguard.removed_from(SOURCE).splitlines()
    assert [line for line in lines if line not in SOURCE.splitlines()] == CHANGED[name]


def test_a_result_is_not_removed_without_a_value() -> None:
    (safeguard,) = markers("def f():\n    return 1  # safeguard: result\n", "source.py")
    with pytest.raises(ValueError, match=r"source\.py:2"):
        safeguard.removed_from("def f():\n    return 1  # safeguard: result\n")
