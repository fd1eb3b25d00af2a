"""A parallel session against a server that does things in any order, over a line that breaks at any moment."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

from simsync.options import Options

from .control_world import parallel_world
from .engine_model import Habits
from .line_machine import LineMachine, TroubledMachine, habits
from .profiles import effort
from .server_model import ParallelServer
from .wire_pen import Pen

RANGES = [(100, 129), (130, 149), (150, 179)]


class OneContinueAtATime(LineMachine):
    """One sub-session that is there; nothing but its continues and lost connections."""

    @initialize(seed=st.integers(0, 99), habits=habits)
    def begin(self, seed: int, habits: Habits) -> None:
        server = ParallelServer(Pen(seed), habits, RANGES[:1])
        self.world = parallel_world(server, RANGES[0], Options())
        self.the_client_is_taken_up(0, 0, True, 0, 20)
        self.all_goes_well()


class ParallelSession(TroubledMachine):
    """Up to three sub-sessions, from their creation on."""

    @initialize(seed=st.integers(0, 99), habits=habits, sessions=st.integers(1, 3), made=st.booleans())
    def begin(self, seed: int, habits: Habits, sessions: int, made: bool) -> None:
        server = ParallelServer(Pen(seed), habits, RANGES[:sessions])
        self.world = parallel_world(server, (RANGES[0][0], RANGES[sessions - 1][1]), Options())
        if made:
            self.the_client_is_taken_up(4, 3, True, 2, 20)
            self.the_handshake_is_finished()


def test_a_continue_is_executed_once_and_never_forgotten(thorough: bool) -> None:
    run_state_machine_as_test(OneContinueAtATime, settings=effort(thorough, 150))


def test_parallel_sessions_deliver_each_event_once_and_end(thorough: bool) -> None:
    run_state_machine_as_test(ParallelSession, settings=effort(thorough, 150))
