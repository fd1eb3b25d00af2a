"""A single session, made here or by an earlier process, over a line that breaks at any moment."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

from simsync.options import Options

from .control_world import attached_world, single_world
from .engine_model import Continue, Engine, Habits, new_engine
from .line_machine import TroubledMachine, habits, mostly
from .profiles import effort
from .server_model import SingleServer
from .wire_pen import Pen

SPAN = (100, 139)
numbered_replies = st.sampled_from(["none", "kept", "unkept"])


def a_server(seed: int, habits: Habits, numbered: str, answers: bool) -> SingleServer:
    if numbered == "unkept" and not habits.is_plain:
        numbered = "kept"  # what looks as if events were missing must not make it unclear what a ready answers
    return SingleServer(Pen(seed), habits, SPAN, numbered, answers_resume=answers)


class SingleSession(TroubledMachine):
    """From its creation on."""

    @initialize(seed=st.integers(0, 99), habits=habits, numbered=numbered_replies, answers=mostly, made=st.booleans())
    def begin(self, seed: int, habits: Habits, numbered: str, answers: bool, made: bool) -> None:
        server = a_server(seed, habits, numbered, answers)
        self.world = single_world(server, SPAN, Options())
        if made:
            self.the_client_is_taken_up(3, 2, True, 2, 20)


class AttachedSession(TroubledMachine):
    """An earlier process has made the session, handled a part of its events, and is gone."""

    @initialize(
        seed=st.integers(0, 99),
        habits=habits,
        numbered=numbered_replies,
        answers=mostly,
        knows_create=st.booleans(),
        earlier=st.lists(st.tuples(st.sampled_from([1, 2, 2, 60]), st.sampled_from([None, None, 0, 1])), max_size=4),
        works=st.sampled_from([0, 1, 2, 3, 4, 60]),
        unhandled=st.sampled_from([0, 0, 0, 1, 2, 3, 5, 9]),
        stepped=st.booleans(),
        rpc_answers=mostly,
        knows_place=mostly,
        attached=st.booleans(),
    )
    def begin(
        self,
        seed: int,
        habits: Habits,
        numbered: str,
        answers: bool,
        knows_create: bool,
        earlier: list[tuple[int, int | None]],
        works: int,
        unhandled: int,
        stepped: bool,
        rpc_answers: bool,
        knows_place: bool,
        attached: bool,
    ) -> None:
        server = a_server(seed, habits, numbered, answers)
        engine = server.engines["backtest_e"] = new_engine("backtest_e", *SPAN, habits)
        least = handle_and_continue(engine, earlier)
        for _ in range(works):
            engine.work()
        numbers = [entry.number for entry in engine.history if entry.number is not None]
        least = -1 if stepped else least  # who steps may go on before having handled anything
        handled = max([least, *numbers[: max(0, len(numbers) - unhandled)]])
        last = handled if handled >= 0 else None
        self.world = attached_world(server, engine.session_id, SPAN if knows_create else None, last, Options())
        self.world.rpc_answers = rpc_answers
        self.world.knows_place = knows_place
        if attached:
            self.the_client_is_taken_up(0, 3, True, 0, 20)
            self.the_handshake_is_finished()
            if self.world.step == "resuming":
                self.world.wait_for_answer()
            self.world.let_grace_pass()


def handle_and_continue(engine: Engine, requests: list[tuple[int, int | None]]) -> int:
    """The earlier process: it goes on as soon as it has handled what lets it. Returns the number of that event."""
    handled = -1
    for index, (advance, ahead) in enumerate(requests):
        while not engine.waiting and engine.has_plans:
            engine.work()
        if engine.finished:
            break
        handled = engine.next_number_to_come - 1
        if ahead is None:
            engine.take(Continue(f"old{index}", advance))
        else:
            slot, batch = engine.target(ahead, index)
            engine.take(Continue(f"old to {index}", slot=slot, batch_index=batch))
    return handled


def test_a_single_session_delivers_each_event_once_and_ends(thorough: bool) -> None:
    run_state_machine_as_test(SingleSession, settings=effort(thorough, 150))


def test_a_session_of_an_earlier_process_goes_on_where_that_one_was(thorough: bool) -> None:
    run_state_machine_as_test(AttachedSession, settings=effort(thorough, 150))
