"""The safeguards that are removed one at a time are where they are said to be, and the page tells of each."""

from __future__ import annotations

import pytest

from .safeguards import BEGIN, END, PAGE, ROOT, SAFEGUARDS, Safeguard


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda safeguard: safeguard.name)
def test_a_safeguard_is_in_its_file_and_on_the_page(safeguard: Safeguard) -> None:
    text = (ROOT / "simsync" / safeguard.file).read_text(encoding="utf-8")
    assert text.count(safeguard.text) == 1
    assert f"| {safeguard.name} | `{safeguard.file}` |" in PAGE.read_text(encoding="utf-8")


def test_the_tests_on_the_page_exist() -> None:
    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    tests = [line.split("`")[3].split("[")[0].split("::") for line in table.splitlines() if "::" in line]
    assert len(tests) == len(SAFEGUARDS)
    for file, *_inner, name in tests:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
