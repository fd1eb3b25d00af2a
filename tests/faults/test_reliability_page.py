"""The table on the page is about tests that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import faults, test_frames, test_payloads
from .tally import PAGE, Tally, kinds_on_the_page

FOLDER = Path(__file__).parent


def test_every_kind_on_the_page_is_in_the_tests(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--write-reliability"):
        pytest.skip("the table is about to be written")
    known = {
        *faults.BREAKS,
        *faults.SILENCES,
        *faults.HARMLESS,
        *test_frames.ALLOWED,
        *test_frames.FORBIDDEN,
        *test_payloads.NONSENSE,
    }
    sources = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("test_*.py"))
    kinds = kinds_on_the_page()
    assert len(kinds) > 50
    for kind in kinds:
        stem, _comma, _rest = kind.partition(", ")
        assert kind in known or stem in known or f'"{kind}"' in sources or _built(kind, sources), kind


def _built(kind: str, sources: str) -> bool:
    """The kinds whose names are put together: ``below TLS: {kind}``."""
    head, colon, _rest = kind.partition(": ")
    words = kind.split(" ", 1)[-1]
    return any(
        f'f"{text}' in sources for text in (f"{head}{colon}{{", f"{kind.rsplit(' ', 1)[0]} {{", f"{{how}} {words}")
    )


def test_the_page_says_how_to_write_the_table() -> None:
    tally = Tally()
    tally.add("cut", "control", "equal")
    tally.add("cut", "data", "honest")
    assert "| cut | 1 | 1 | 1 | 1 | 0 | 0 |" in tally.table()
    assert "| **all** | 1 | 1 | 1 | 1 | 0 | 0 |" in tally.table()
    assert "--thorough --write-reliability" in PAGE.read_text(encoding="utf-8")
