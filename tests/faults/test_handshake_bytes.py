"""A connection that ends at each byte of its handshake (upgrade, create, subscribe), or is reset, stalls or pauses."""

from __future__ import annotations

import pytest

from .faults import Cut, Delay, Stall
from .proxy import CONTROL, DATA, DOWN, UP, Plan
from .small_run import ALERT, Bench

PLANES = [(CONTROL, DOWN), (CONTROL, UP), (DATA, DOWN), (DATA, UP)]


def handshake(bench: Bench, plane: str, direction: str, *, every: int) -> list[tuple[int, int]]:
    """Unit and byte of every ``every``-th byte of the upgrade's head and of what is said until the session is there."""
    said = {(CONTROL, UP): 3, (CONTROL, DOWN): 5, (DATA, UP): 2, (DATA, DOWN): 2}[plane, direction]
    sizes = bench.sizes[plane, direction][:said]
    places = [(unit, byte) for unit, size in enumerate(sizes) for byte in range(size)]
    return places[::every]


@pytest.mark.parametrize("plane, direction", PLANES)
@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_handshake_that_breaks(bench: Bench, how: str, plane: str, direction: str, thorough: bool) -> None:
    step = 1 if how == "cut" else 5
    for unit, byte in handshake(bench, plane, direction, every=step if thorough else 127):
        fault = Cut(byte, reset=how == "reset")
        bench.case(f"{how} at a byte of the handshake", Plan(fault, plane, direction, unit), must_equal=True)


@pytest.mark.parametrize("plane, direction", PLANES)
def test_a_handshake_that_stalls(bench: Bench, plane: str, direction: str, thorough: bool) -> None:
    for unit, byte in handshake(bench, plane, direction, every=37 if thorough else 401):
        plan = Plan(Stall(byte), plane, direction, unit)
        bench.case("stall in the handshake", plan, ALERT, must_equal=True)


@pytest.mark.parametrize("plane, direction", PLANES)
def test_a_handshake_in_two_pieces(bench: Bench, plane: str, direction: str, thorough: bool) -> None:
    for unit, byte in handshake(bench, plane, direction, every=5 if thorough else 97):
        plan = Plan(Delay(0.002, byte), plane, direction, unit)
        bench.case("two pieces, at a byte of the handshake", plan, must_equal=True)
