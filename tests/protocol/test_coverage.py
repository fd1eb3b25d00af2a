"""Is a run complete, and what does it say if not?"""

from __future__ import annotations

from typing import Any

import pytest

from simsync.protocol.coverage import Coverage


def coverage(**changes: Any) -> Coverage:
    values: dict[str, Any] = {
        "start_slot": 1,
        "end_slot": 10,
        "highest_slot": 10,
        "slots_seen": 10,
        "completed": True,
        **changes,
    }
    return Coverage(**values)


def test_a_whole_range_is_complete() -> None:
    assert coverage().complete
    assert coverage().reason == "complete"


# feature: `SessionCoverage`, with a tolerance
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"failure": "the line is dead"}, "the line is dead"),
        ({"completed": False, "highest_slot": 7}, "at slot 7, the range ends at 10"),
        ({"completed": False, "highest_slot": None}, "nothing was executed"),
        ({"sequence_gaps": 3}, "jumped over 3"),
        ({"highest_slot": None, "slots_seen": 0}, "no slot was executed"),
        ({"highest_slot": 7}, "3 before the end"),
        ({"highest_slot": 7, "tolerance": 2}, "3 before the end"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], words: str) -> None:
    assert not coverage(**changes).complete
    assert words in coverage(**changes).reason


def test_slots_without_a_block_at_the_end_are_tolerated() -> None:
    assert coverage(highest_slot=7, tolerance=3).complete
