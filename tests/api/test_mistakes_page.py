"""Each line of docs/reference/mistakes.md raises what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync

from .mistakes import names, outcome

PAGE = Path(simsync.__file__).parent.parent / "docs" / "reference" / "mistakes.md"

if not PAGE.is_file():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

ROWS = re.findall(r"^\| `(.+?)` \| (?:`(\w+)`|nothing) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def namespace() -> Iterator[dict[str, Any]]:
    with names() as found:
        yield found


def test_the_page_has_many_lines_and_all_are_read() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(ROWS) == len(lines) >= 40


# feature: errors with their causes
@pytest.mark.parametrize(("expression", "kind", "message"), ROWS, ids=[row[0] for row in ROWS])
def test_a_mistake(namespace: dict[str, Any], expression: str, kind: str, message: str) -> None:
    found, text = outcome(expression, namespace)
    assert found == kind, text
    if kind:
        pattern = ".*".join(re.escape(part) for part in message.split("…"))
        assert re.fullmatch(pattern, text), text
        assert "secret" not in text
