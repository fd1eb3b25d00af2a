"""Each kind of broken or silent connection at each message boundary of a small run: both directions, both planes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .faults import BREAKS, HARMLESS, SILENCES
from .proxy import CONTROL, DATA, DOWN, UP, Fault, Plan
from .small_run import ALERT, OPTIONS, Bench

PLANES = [(CONTROL, DOWN), (CONTROL, UP), (DATA, DOWN), (DATA, UP)]
ALWAYS = 1_000
"""So often that no budget outlasts it."""


def some(bench: Bench, plane: str, direction: str, *, thorough: bool, of: int, salt: str) -> list[int]:
    """Every place, or a part of them that depends on the kind, so that together the kinds meet all places."""
    places = list(bench.places(plane, direction))
    return places if thorough else places[sum(map(ord, salt)) % of :: of]


@pytest.mark.parametrize("plane, direction", PLANES)
@pytest.mark.parametrize("kind", BREAKS)
def test_a_connection_that_breaks(bench: Bench, kind: str, plane: str, direction: str, thorough: bool) -> None:
    for unit in some(bench, plane, direction, thorough=thorough, of=13, salt=kind):
        bench.case(kind, Plan(BREAKS[kind], plane, direction, unit), must_equal=True)


@pytest.mark.parametrize("plane, direction", PLANES)
@pytest.mark.parametrize("kind", SILENCES)
def test_a_connection_that_falls_silent(bench: Bench, kind: str, plane: str, direction: str, thorough: bool) -> None:
    for unit in some(bench, plane, direction, thorough=thorough, of=29, salt=kind):
        bench.case(kind, Plan(SILENCES[kind], plane, direction, unit), ALERT, must_equal=True)


@pytest.mark.parametrize("plane, direction", PLANES)
@pytest.mark.parametrize("kind", HARMLESS)
def test_a_slow_connection_changes_nothing(bench: Bench, kind: str, plane: str, direction: str, thorough: bool) -> None:
    for unit in some(bench, plane, direction, thorough=thorough, of=13, salt=kind):
        bench.case(kind, Plan(HARMLESS[kind], plane, direction, unit), must_equal=True)


@pytest.mark.parametrize("plane, direction", PLANES)
@pytest.mark.parametrize("kind", ["cut", "reset in the middle of a message"])
def test_a_connection_that_breaks_each_time(
    bench: Bench, kind: str, plane: str, direction: str, thorough: bool
) -> None:
    """Never getting further ends with an error that says so, once the budget is spent."""
    options = replace(OPTIONS, reconnect_attempts=3)
    for unit in some(bench, plane, direction, thorough=thorough, of=13, salt=kind):
        bench.case(f"{kind}, each time", _always(BREAKS[kind], plane, direction, unit), options)


@pytest.mark.parametrize("plane, direction", PLANES)
def test_a_connection_that_falls_silent_each_time(bench: Bench, plane: str, direction: str, thorough: bool) -> None:
    options = replace(ALERT, reconnect_attempts=2, drain_idle=0.3)
    for unit in some(bench, plane, direction, thorough=thorough, of=31, salt="each time"):
        bench.case("stall, each time", _always(SILENCES["stall"], plane, direction, unit), options)


def _always(fault: Fault, plane: str, direction: str, unit: int) -> Plan:
    return Plan(fault, plane, direction, unit, times=ALWAYS)
