"""The counters of reroutes: typed where they are known, kept where they are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simsync.events import Completed, RerouteStats, SessionSummary
from simsync.wire.control import ControlDecoder
from simsync.wire.dialect import Dialect

COUNTERS = [
    "swapsDetected",
    "swapsFiltered",
    "swapsRerouted",
    "swapsSimulated",
    "swapsSucceeded",
    "requoteFailures",
    "overrideSetupFailures",
    "metisUnavailableBlocks",
    "quoteAttemptsUnavailable",
    "directFillMatched",
    "directFillScored",
    "directFillBpsTotal",
    "originalsScored",
    "originalsBpsTotal",
    "originalsReplayed",
]


def decoded(stats: Any) -> RerouteStats | None:
    message = json.dumps({"method": "completed", "params": {"summary": {"rerouteStats": stats}}}).encode()
    (found,) = ControlDecoder(Dialect()).decode_all([message])
    assert isinstance(found, tuple)
    event = found[2]
    assert isinstance(event, Completed)
    assert isinstance(event.summary, SessionSummary)
    return event.summary.reroute


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@pytest.mark.parametrize("spell", [str, snake])
def test_all_seventeen_in_both_spellings(spell: Any) -> None:
    numbers = {name: number - 7 for number, name in enumerate(COUNTERS)}
    maps = {"directFillOutcomes": {"filled": 3}, "directFillTemplates": {"pool-x": {"matched": 1}}}
    found = decoded({spell(name): value for name, value in {**numbers, **maps}.items()})
    assert found is not None
    assert {name: getattr(found, snake(name)) for name in COUNTERS} == numbers
    assert found.direct_fill_outcomes == {"filled": 3}
    assert found.direct_fill_templates == {"pool-x": {"matched": 1}}
    assert found.others == {}


def test_what_is_not_known_or_of_another_type_is_kept() -> None:
    stats = {
        "swapsDetected": "many",
        "newCounter": 5,
        "directFillOutcomes": 7,
        "swaps_detected": 3,
        "swapsFiltered": None,
    }
    found = decoded(stats)
    assert found == RerouteStats(
        swaps_detected=3, others={"swapsDetected": "many", "newCounter": 5, "directFillOutcomes": 7}
    )


@pytest.mark.parametrize("stats", [None, 5, "x", []])
def test_no_statistics(stats: Any) -> None:
    assert decoded(stats) is None
