"""The RPC of a session, which decides about continues and gaps, is broken or mute at the moment it is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .faults import Cut, Stall
from .proxy import CONTROL, DATA, DOWN, RPC, UP, Fault, Plan, Relay
from .small_run import ALERT, OPTIONS, Bench

RPC_FAULTS: dict[str, Fault] = {"stall": Stall(), "cut": Cut(), "reset": Cut(reset=True)}


@pytest.mark.parametrize("plane, direction", [(CONTROL, UP), (CONTROL, DOWN), (DATA, DOWN)])
def test_a_connection_that_breaks_while_the_rpc_is_gone(
    bench: Bench, plane: str, direction: str, thorough: bool
) -> None:
    """Equal where nothing had to be asked; else an error that says that nobody could be asked."""
    options = replace(ALERT, rpc_timeout=0.05)
    places = list(bench.places(plane, direction))
    for unit in places[::2] if thorough else places[len(places) // 2 :: len(places)]:
        for how in RPC_FAULTS if thorough else ("stall",):
            plan = Plan(Cut(), plane, direction, unit).and_also(RPC_FAULTS[how], RPC, UP)
            bench.case(f"lost connection, RPC: {how}", plan, options)


def test_a_slow_rpc_changes_nothing(bench: Bench, thorough: bool) -> None:
    def slow(relay: Relay, direction: str, unit: bytes) -> None:
        relay.pause(0.05)
        relay.send(direction, unit)

    for unit in list(bench.places(CONTROL, UP))[:: 1 if thorough else 5]:
        plan = Plan(Cut(), CONTROL, UP, unit).and_also(slow, RPC, UP)
        bench.case("lost connection, slow RPC", plan, OPTIONS, must_equal=True)
