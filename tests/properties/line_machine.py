"""The rules of every control machine: what may happen next between a client, a bad line and a server.

There are rules for the small things, in any order, and some that do many small things as they mostly follow each other;
without those a search of fifty steps would hardly come beyond the first continue.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from .control_world import World
from .engine_model import Engine, Habits, discovery

habits = st.builds(
    Habits,
    first_number=st.sampled_from([0, 1, 7]),
    announces_start=st.booleans(),
    ready_after_pause=st.booleans(),
    status_before_slots=st.booleans(),
    empty_slots=st.booleans(),
    talks_on=st.booleans(),
    says_ready_again=st.sampled_from(["no", "no", "no", "numbered", "unnumbered"]),
)
few = st.integers(0, 3)
some = st.integers(0, 6)
mostly = st.sampled_from([True, True, True, False])
REFUSALS: list[tuple[Any, str]] = [
    ({"sessionOwnershipBusy": {"reason": "moving"}}, "refusal"),
    ({"internal": {"error": "hiccup"}}, "refusal"),
    ("somethingElse", "refusal"),
    ("sessionOwnerMismatch", "fatal"),
]


def connected(machine: LineMachine) -> bool:
    return machine.goes_on and machine.world.connected


class LineMachine(RuleBasedStateMachine):
    """``world`` is made by the subclass. ``may_lose``: is the session still there when its connection is lost?"""

    world: World

    @property
    def goes_on(self) -> bool:
        return hasattr(self, "world") and self.world.over is None and not self.world.broken

    @property
    def engines(self) -> list[Engine]:
        return list(self.world.server.engines.values())

    def some_engine(self, index: int) -> list[Engine]:
        """One of them, if there are any."""
        return self.engines[index % len(self.engines) :][:1] if self.engines else []

    @precondition(lambda self: not self.goes_on)
    @rule()
    def nothing_happens(self) -> None:
        """There is always something that can be done, also when all is over."""

    # The server.

    @precondition(connected)
    @rule(what=st.sampled_from(["reads", "answers", "works", "tells"]), index=few, count=st.integers(1, 6))
    def the_server_goes_on(self, what: str, index: int, count: int) -> None:
        server = self.world.server
        for _ in range(count):
            if what == "reads" and server.current.to_server:
                server.read_one()
            elif what == "answers" and server.has_replies:
                server.reply()
        for engine in self.some_engine(index):
            if what == "works":
                self.is_heard(engine, count, 0)
            elif what == "tells":
                self.is_heard(engine, 0, count)

    def is_heard(self, engine: Engine, moves: int, entries: int) -> None:
        """The engine makes so many moves, and the server tells so many of the things that it has said."""
        server = self.world.server
        for _ in range(moves if server.lets_work(engine) else 0):
            engine.work()
        for _ in range(entries):
            if server.can_tell(engine):
                server.tell(engine)

    def all_are_heard(self, moves: int, entries: int) -> None:
        for engine in self.engines:
            self.is_heard(engine, moves, entries)

    @precondition(lambda self: connected(self) and any(self.world.server.current.told.values()))
    @rule(index=few, entries=st.integers(1, 4))
    def the_server_repeats_itself(self, index: int, entries: int) -> None:
        for engine in self.some_engine(index):
            self.world.server.repeat(engine, entries)

    # The client.

    @precondition(lambda self: connected(self) and bool(self.world.server.current.to_client))
    @rule(count=st.sampled_from([1, 1, 2, 3, 4, 9, 30]))
    def the_client_reads(self, count: int) -> None:
        self.world.read(count)

    @precondition(lambda self: self.goes_on and bool(self.world.sessions))
    @rule(
        index=few,
        advance=st.integers(1, 3),
        ahead=st.sampled_from([None, None, 0, 1]),
        record=mostly,
        refuse=st.sampled_from([False, False, False, True]),
        way=st.sampled_from([0, 1, 2, 3, 4, 5, 5, 5]),
        moves=some,
        entries=some,
        read=some,
    )
    def a_continue_goes_some_of_its_way(
        self,
        index: int,
        advance: int,
        ahead: int | None,
        record: bool,
        refuse: bool,
        way: int,
        moves: int,
        entries: int,
        read: int,
    ) -> None:
        """Queued, taken by the writer, written, read by the server, executed, told, read by the client."""
        world = self.world
        if not world.ready_sessions() and world.step == "steady":
            self.all_goes_well()
        ready = world.ready_sessions()
        if not ready:
            return
        world.continue_(ready[index % len(ready)], advance, ahead, record)
        if way >= 1 and world.step == "steady":
            self.finish_writing()
            world.begin_writing()
        if way >= 2:
            self.finish_writing()
        if way >= 3 and world.connected and world.server.current.to_server:
            world.server.refuse_next = refuse
            world.server.read_one()
            world.server.refuse_next = False
        if way >= 4:
            self.all_are_heard(moves, entries if world.connected else 0)
        if way >= 5 and world.connected:
            world.read(read)

    def finish_writing(self) -> None:
        if self.world.in_hand is not None:
            self.world.finish_writing()

    def all_goes_well(self) -> None:
        """What is on its way arrives, and the engines come to their next stop."""
        world = self.world
        while world.outbox or world.in_hand is not None:
            self.finish_writing()
            world.begin_writing()
        while world.server.current.to_server:
            world.server.read_one()
        self.all_are_heard(20, 99)
        world.read(200)

    @precondition(lambda self: self.goes_on and bool(self.world.outbox) and self.world.step == "steady")
    @rule(finish=st.booleans())
    def the_writer_works(self, finish: bool) -> None:
        self.finish_writing()
        self.world.begin_writing()
        if finish:
            self.finish_writing()

    # The line.

    @precondition(lambda self: self.goes_on and (not self.world.connected or self.may_be_taken_up))
    @rule(moves=some, before=some, answers=mostly, after=few, read=st.integers(0, 20))
    def the_client_is_taken_up(self, moves: int, before: int, answers: bool, after: int, read: int) -> None:
        """Some events come before the answer and some behind it."""
        world = self.world
        if not world.connected:
            world.connect()
        server = world.server
        if server.current.mute:
            return
        server.read_one()
        self.all_are_heard(moves, before)
        while answers and server.has_replies:
            server.reply()
        self.all_are_heard(0, after)
        world.read(read)

    @property
    def may_be_taken_up(self) -> bool:
        return self.world.step in ("creating", "attaching") and bool(self.world.server.current.to_server)

    @precondition(connected)
    @rule(read=few, got=few, wholly=st.booleans(), again=mostly)
    def the_line_breaks(self, read: int, got: int, wholly: bool, again: bool) -> None:
        self.world.lose(read, got, wholly)
        if again and self.world.over is None:
            self.world.connect()

    @precondition(lambda self: connected(self) and self.world.step == "steady")
    @rule(
        read=few,
        got=some,
        wholly=st.booleans(),
        moves=some,
        says=st.sampled_from(["", "", "discoveryBatch", "weather"]),
        forgets=st.sampled_from([0, 0, 0, 1, 2, 3]),
        told=some,
        proof=st.sampled_from(["in time", "in time", "late", "asked for", "asked for"]),
    )
    def the_line_breaks_and_comes_back(
        self, read: int, got: int, wholly: bool, moves: int, says: str, forgets: int, told: int, proof: str
    ) -> None:
        """With all that may come between: the engine goes on, events are lost, and proofs are late."""
        world = self.world
        world.lose(read, got, wholly)
        if world.over is not None:
            return
        self.all_are_heard(moves, 0)
        for engine in self.engines:
            if says and not engine.finished:
                engine.say(says, discovery(engine.end_slot, 0))
            if forgets:
                self.the_server_forgets(engine, forgets)
        world.connect()
        world.server.read_one()
        self.all_are_heard(0, told if proof == "in time" else 0)
        self.the_handshake_is_finished()
        if proof != "in time" and world.waits_for_proof:
            world.let_grace_pass()
        if proof == "asked for":
            while world.inquiries:
                world.answer_inquiry(0)
        elif world.connected:
            self.all_are_heard(0, told)
            world.read(got)

    def the_handshake_is_finished(self) -> None:
        world, server = self.world, self.world.server
        while world.connected and world.step != "steady" and (server.has_replies or server.current.to_client):
            while server.has_replies:
                server.reply()
            world.read(30)
            while world.connected and server.current.to_server:
                server.read_one()

    def the_server_forgets(self, engine: Engine, place: int) -> None:
        """Where numbers are missing and the server repeats itself, nobody can tell what a ready answers."""
        if self.world.server.habits.is_plain:
            self.world.server.forget(engine, place)

    @precondition(lambda self: self.goes_on and (self.world.waits_for_proof or bool(self.world.inquiries)))
    @rule(index=few, late=st.booleans())
    def no_proof_comes(self, index: int, late: bool) -> None:
        if self.world.inquiries:
            self.world.answer_inquiry(index, late=late)
        else:
            self.world.let_grace_pass()

    # Always.

    @invariant()
    def what_was_promised_holds(self) -> None:
        if self.goes_on:
            self.world.check()

    def teardown(self) -> None:
        if self.goes_on:
            self.world.drain()


class TroubledMachine(LineMachine):
    """With rarer things: refusals, junk, failures, callers that leave."""

    @precondition(lambda self: connected(self) and self.world.step in ("creating", "attaching", "resuming"))
    @rule(choice=st.integers(0, 8))
    def the_handshake_fails(self, choice: int) -> None:
        """It is refused, or not answered. While creating a refusal is final, which leaves nothing to look for: rare."""
        world = self.world
        link = world.server.current
        if link.answered or link.told or link.mute or not link.to_server or (world.step == "creating" and choice):
            if choice == 8 and world.step != "creating":
                world.wait_for_answer()
            return
        error, means = REFUSALS[choice % 4]
        link.to_server.clear()
        world.server.refuse_connection(error, means)
        world.read(1)

    @precondition(connected)
    @rule(
        what=st.sampled_from(["junk", "junk", "event", "event", "event", "leaves", "unreachable"]),
        index=few,
        choice=st.integers(0, 9),
    )
    def something_rare_happens(self, what: str, index: int, choice: int) -> None:
        world = self.world
        if what == "junk":
            world.server.send_junk(choice)
        elif what == "event":
            for engine in self.some_engine(index):
                self.says_something_else(engine, choice)
        elif what == "leaves" and choice == 0 and world.sessions:
            world.release(world.sessions[index % len(world.sessions)])
        elif what == "unreachable" and choice == 0 and world.inquiries:
            world.answer_inquiry(0, reachable=False)

    def says_something_else(self, engine: Engine, choice: int) -> None:
        if engine.finished or (choice in (4, 6, 7) and not self.world.errors_are_events):
            return
        if choice < 4:
            engine.say("discoveryBatch", discovery(engine.end_slot, choice))
        elif choice == 4 and engine.is_executing:
            engine.say("error", {"internal": {"error": "hiccup"}})
        elif choice == 6 and not engine.waiting:
            engine.say("error", {"simulationError": {"error": "bad"}})
        elif choice == 7 and len(engine.taken) > 2:
            engine.fail()
        else:
            engine.say("weather", {"sky": "blue"})
