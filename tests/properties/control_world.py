"""A control conversation, the caller and the writer that it has in the runtime, and a server, with a bad line between.

Nothing happens by itself: each method is one small thing that may happen next. What the caller has to get is worked out
from what was put into the client's hands, by one rule: a number counts once, and nothing counts behind the end.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from typing import Union

from simsync import params
from simsync.events import Created, Event, Paused, ReadyForContinue, SessionError, Slot
from simsync.options import Options
from simsync.protocol.continue_cycle import Step
from simsync.protocol.control import ControlProtocol, Phase
from simsync.protocol.coverage import Coverage
from simsync.protocol.outcome import GiveUp, Reconnect
from simsync.protocol.parallel import ParallelProtocol
from simsync.protocol.session_state import NOTHING_SEEN, SessionState
from simsync.protocol.single import SingleProtocol
from simsync.runtime.event_queue import EventQueue, ReadyQueues
from simsync.wire import requests
from tests.protocol.taking import take_from

from .engine_model import Engine, Entry, as_event, is_the_last, name_of
from .server_model import Frame, ParallelServer, Server, SingleServer

STOPS = (ReadyForContinue, Paused, SessionError)
PROOFS = ("slotNotification", "paused", "error", "completed")
ECHOED = ("paused", "invalidTransactionFormat")
_REPLIES = ("sessionCreated", "sessionAttached", "success")


def slots_of(step: Step) -> list[int]:
    return [event.slot for event in step.events if isinstance(event, Slot)]


class Expected:
    """What the caller of one session has to get."""

    def __init__(self, handled: int | None = None) -> None:
        self.highest = -1
        self.first: int | None = None
        self.handled = -1 if handled is None else handled
        self.numbers: list[int | None] = []
        self.events: list[Event] = []
        self.closed = False
        self.read: set[int] = set()
        self.may_echo = False
        """The last stop was a pause or a refusal, and no ready and no slot came since."""

    def answers_nothing(self, entry: Entry) -> bool:
        """It only repeats that the engine waits, and can be no echo of a pause."""
        may_echo = self.may_echo
        if entry.kind in ("slotNotification", "readyForContinue") or name_of(entry.kind, entry.params) in ECHOED:
            self.may_echo = entry.kind not in ("slotNotification", "readyForContinue")
        return entry.again and entry.kind == "readyForContinue" and not may_echo


class World:
    """See the module."""

    def __init__(self, conversation: ControlProtocol, server: Server, handled: int | None = None) -> None:
        self.conversation = conversation
        self.server = server
        self.now = 0.0
        self.outbox: deque[SessionState] = deque()
        self.in_hand: tuple[SessionState, bytes] | None = None
        self.delivered: dict[str, list[Event]] = {}
        self.queues: dict[SessionState, EventQueue] = {}
        self.numbers: dict[str, list[int | None]] = {}
        """The number that the session had reached with each delivered event."""

        self.expected: dict[str, Expected] = {}
        self.asked: dict[str, list[str]] = {}
        self.records: list[tuple[str, str, Step]] = []
        self.inquiries: list[tuple[SessionState, int, int]] = []
        """What is asked about, the number of the inquiry, and the slot at that time."""

        self.released: set[str] = set()
        self.step = ""
        """How far the handshake of this connection has come."""

        self.over: GiveUp | None = None
        self.junk_at: dict[str, int] | None = None
        self.junk_while_creating = False
        self.handed_over = isinstance(server, ParallelServer)
        self.cut_short: set[str] = set()
        """Sessions of which something was taken from the caller on purpose."""

        self.broken = False
        self.losses = 0
        self.rpc_answers = True
        self.knows_place = True
        """Did the RPC tell where a session stood that was attached to?"""

        self._handled = handled
        self._tags = 0
        self._there = False
        self._cursors: dict[str, int] = {}
        if handled is not None or not self.conversation.created_here:
            (state,) = conversation.sessions.values()
            self.expected[state.session_id] = Expected(handled)

    # The line.

    @property
    def connected(self) -> bool:
        return self.server.link is not None

    def connect(self) -> None:
        creating = not self._there if isinstance(self.server, ParallelServer) else not self.conversation.sessions
        link = self.server.accept()
        self.step = "creating" if creating else "attaching"
        if creating:
            self.expected = {}
            self.delivered = {}
            self.numbers = {}
        hello = self.conversation.connected(self.now)
        request = json.loads(hello)
        assert ("create" in request["method"]) == creating, request
        if not creating:
            sent = request["params"].get("last_sequences")
            if sent is None:
                sent = {next(iter(self.expected)): request["params"].get("last_sequence")}
            cursors = {key: None if wanted.highest < 0 else wanted.highest for key, wanted in self.expected.items()}
            assert {key: cursor for key, cursor in sent.items() if cursor is not None} == {
                key: cursor for key, cursor in cursors.items() if cursor is not None
            }
        link.to_server.append(hello)

    def lose(self, read: int = 0, got: int = 0, wholly: bool = False) -> None:
        """The line breaks: the server still reads some messages of ours, and we some of its; the rest is lost."""
        if self.in_hand is not None:
            state, payload = self.in_hand
            self.in_hand = None
            if wholly:
                self.server.current.to_server.append(payload)
            elif state.cycle.put_back():
                self.outbox.appendleft(state)
            else:
                assert not state.open, "what the server cannot have read has to be sent again"
        for _ in range(min(read, len(self.server.current.to_server))):
            self.server.read_one()
        if got:
            self._read(got)
        self.losses += 1
        self.server.hang_up()
        self.conversation.lost()
        assert self.conversation.phase is Phase.DOWN
        self.step = ""

    def read(self, count: int) -> None:
        """The client reads some messages at once."""
        if self._read(count) and self.connected:
            self.lose()

    def _read(self, count: int) -> bool:
        """True when the connection is of no more use."""
        link = self.server.current
        frames = [link.to_client.popleft() for _ in range(min(count, len(link.to_client)))]
        self._take(self.conversation.receive([frame.text for frame in frames], self.now))
        ended = self._note_read(frames)
        outcome = self.conversation.outcome
        if not ended:
            self._tick()
        assert type(outcome) is {"": type(None), "again": Reconnect, "fatal": GiveUp}[ended], outcome
        if isinstance(outcome, GiveUp):
            self.over = outcome
        return bool(ended)

    def _note_read(self, frames: list[Frame]) -> str:
        for frame in frames:
            in_handshake = self.step != "steady"
            if frame.means == "no json":
                if self.step == "creating":
                    self.junk_while_creating = True
                    continue
                if self._is_worth_an_attach():
                    return "again"
                continue
            if frame.means in ("refusal", "fatal"):
                if not in_handshake:
                    continue
                return "fatal" if self.step == "creating" or frame.means == "fatal" else "again"
            if frame.entry is not None:
                self._expect(frame)
            creating = self.step == "creating"
            self._note_step(frame.means)
            if creating and self.step != "creating" and self.junk_while_creating:
                self.junk_while_creating = False
                self._is_worth_an_attach()
                return "again"
        return ""

    def _is_worth_an_attach(self) -> bool:
        """A frame that cannot be read costs the connection once for each position of the cursors."""
        position = {key: wanted.highest for key, wanted in self.expected.items()}
        worth, self.junk_at = position != self.junk_at, position
        return worth

    def _note_step(self, means: str) -> None:
        parallel = isinstance(self.server, ParallelServer)
        if means == "created" and self.step == "creating":
            self._become_there()
        elif means == "attached" and self.step == "attaching":
            if parallel:
                self._become_there()
            else:
                self.step = "resuming"
        elif means == "resumed" and self.step == "resuming":
            self._become_there()

    def _become_there(self) -> None:
        self.step = "steady"
        self._there = True

    def _expect(self, frame: Frame) -> None:
        entry = frame.entry
        assert entry is not None
        wanted = self.expected.setdefault(frame.session_id, Expected())
        single = isinstance(self.server, SingleServer)
        creating_single = self.step == "creating" and single
        if entry.kind in _REPLIES or (single and entry.kind == "weather"):  # no event, whatever its number
            if frame.means == "created" and creating_single and entry.number is not None:
                wanted.highest = max(wanted.highest, entry.number)
                wanted.first = entry.number if wanted.first is None else wanted.first
            if entry.number is not None:
                wanted.read.add(entry.number)
            return
        if entry.number is not None:
            wanted.read.add(entry.number)
            if entry.number <= wanted.highest:
                return
            if creating_single and entry.kind == "status":
                return
            wanted.highest = entry.number
            wanted.first = entry.number if wanted.first is None else wanted.first
            if entry.number <= wanted.handled and entry.kind != "completed":
                wanted.answers_nothing(entry)
                return
        if frame.session_id in self.released or wanted.closed or (creating_single and entry.kind == "status"):
            return
        if entry.kind == "error" and "simulationError" in entry.params and isinstance(self.server, ParallelServer):
            return
        if wanted.answers_nothing(entry):
            return
        wanted.events.append(as_event(entry))
        wanted.numbers.append(entry.number)
        wanted.closed = is_the_last(entry)

    def _take(self, dirty: list[SessionState]) -> None:
        assert len({state.session_id for state in dirty}) == len(dirty)
        for state in dirty:
            assert self.conversation.sessions[state.session_id] is state
            queue = self.queues.setdefault(state, EventQueue(state, ReadyQueues(), 60.0))
            taken = take_from(queue)
            self.delivered.setdefault(state.session_id, []).extend(event for event, _number in taken)
            self.numbers.setdefault(state.session_id, []).extend(number for _event, number in taken)

    def _tick(self) -> None:
        """What the reading loop does after each read."""
        for state, inquiry in self.conversation.tick(self.now):
            self.inquiries.append((state, inquiry, self.server.engines[state.session_id].slot))
        if self.conversation.phase is Phase.STEADY and self.step == "resuming":
            self._become_there()  # the time for an answer to the resume was over
        self._take(self.conversation.receive((), self.now))
        for message in self.conversation.take_outgoing():
            self.server.current.to_server.append(message)
        for event in self.conversation.take_progress():
            assert isinstance(event, Event)
            assert not isinstance(event, Created) or event.session_id.startswith("backtest_")
        if not self.handed_over and self._there and self.conversation.is_settled:
            self.handed_over = True
            for state in self.conversation.sessions.values():
                if state.attached and self.knows_place:
                    state.learned_slot = self.server.engines[state.session_id].slot

    # Time.

    def wait_for_answer(self) -> None:
        """The answer that the handshake waits for does not come in time."""
        deadline = self.conversation.next_deadline
        assert deadline is not None
        self.now = max(self.now, deadline)
        resuming = self.step == "resuming"
        self._tick()
        if resuming:
            assert self.conversation.outcome is None
        else:
            assert isinstance(self.conversation.outcome, Reconnect)
            self.lose()

    @property
    def waits_for_proof(self) -> bool:
        return self.step == "steady" and self.conversation.next_deadline is not None

    def let_grace_pass(self) -> None:
        """No proof came in time. The server keeps to what docs/explanation/continues.md trusts it with.

        See :meth:`_be_prompt`.
        """
        self._be_prompt()
        deadline = self.conversation.next_deadline
        if self.connected and self.step == "steady" and deadline is not None:
            self.now = max(self.now, deadline)
            self._tick()

    def _be_prompt(self) -> None:
        """A continue that does not show in the slot of the session shows by an event within the grace."""
        for engine in self.server.engines.values():
            old = not self.conversation.created_here and not self.handed_over
            state = self.conversation.sessions.get(engine.session_id)
            told = state is not None and state.cycle.told_slot is not None  # it has been waited for for long
            if engine.taken and (old or told or not engine.moved):
                self._pump(engine)
                while self.connected and engine.has_plans and not self._proof_was_read(engine):
                    engine.work()
                    self._pump(engine)

    def _proof_was_read(self, engine: Engine) -> bool:
        wanted = self.expected.get(engine.session_id)
        said = [entry for entry in engine.history[engine.said_before :] if entry.kind in PROOFS]
        return bool(said) and wanted is not None and said[0].number in wanted.read

    def _pump(self, engine: Engine) -> None:
        """Bring everything that the server has for this session to the client."""
        while self.connected and self.server.has_replies:
            self.server.reply()
        while self.connected and self.server.can_tell(engine):
            self.server.tell(engine)
        while self.connected and self.server.current.to_client:
            self.read(1)

    def answer_inquiry(self, index: int, reachable: bool = True, late: bool = False) -> None:
        """The RPC of the session answers with what holds now, or held when it was asked, or cannot be reached."""
        state, inquiry, before = self.inquiries.pop(index % len(self.inquiries))
        slot: int | None = before if late else self.server.engines[state.session_id].slot
        if not (reachable and self.rpc_answers):
            slot = None
        failed = state.failure
        again = self.conversation.answer_inquiry(state, inquiry, slot)
        if again:
            self.outbox.append(state)
        elif state.failure is not failed:
            self.cut_short.add(state.session_id)
            self.expected.setdefault(state.session_id, Expected()).closed = True
        if self.connected:
            self._tick()

    # The caller and the writer.

    @property
    def sessions(self) -> list[SessionState]:
        return list(self.conversation.sessions.values()) if self._there else []

    @property
    def errors_are_events(self) -> bool:
        """While a single session is created, an error is the answer."""
        return isinstance(self.server, ParallelServer) or bool(self.conversation.sessions)

    def ready_sessions(self) -> list[SessionState]:
        return [state for state in self.sessions if self.handed_over and state.cycle.is_ready]

    def continue_(self, state: SessionState, advance: int, ahead: int | None = None, record: bool = False) -> None:
        """The caller lets a session go on: by some blocks, or with ``ahead`` to a place."""
        self._tags += 1
        engine = self.server.engines[state.session_id]
        request: Union[params.Continue, params.ContinueTo]
        if ahead is None:
            tag = f"c{self._tags}"
            request = params.Continue(advance, transactions=(base64.b64encode(tag.encode()).decode(),))
        else:
            slot, batch = engine.target(ahead, self._tags)
            tag = f"to {slot}/{batch}"
            request = params.ContinueTo(slot, batch)
        if isinstance(self.server, ParallelServer):
            payload = requests.continue_session(state.session_id, request, Options().dialect)
        else:
            payload = requests.continue_single(request)
        taken_down = Step() if record else None
        state.cycle.submit(payload, taken_down)
        if taken_down is not None:
            self.records.append((state.session_id, tag, taken_down))
        assert state.cycle.is_outstanding
        self.outbox.append(state)
        self.asked.setdefault(state.session_id, []).append(tag)

    def begin_writing(self) -> None:
        while self.outbox:
            state = self.outbox.popleft()
            if state.cycle.take() is not None:
                self.in_hand = (state, state.cycle.payload)
                return

    def finish_writing(self) -> None:
        assert self.in_hand is not None
        self.server.current.to_server.append(self.in_hand[1])
        self.in_hand = None

    def release(self, state: SessionState) -> None:
        self.released.add(state.session_id)
        self.conversation.release(state.session_id)

    # What holds after each step.

    def check(self) -> None:
        self.broken = True
        self._check()
        self.broken = False

    def _check(self) -> None:
        for session_id, engine in self.server.engines.items():
            assert not engine.not_asked_for, f"{engine.not_asked_for} came while the engine did not wait"
            asked = self.asked.get(session_id, [])
            taken = [tag for tag in engine.taken if not tag.startswith("old")]
            assert taken == asked[: len(taken)], f"asked {asked}, executed {taken}"
            assert len(asked) - len(taken) <= 1
        if not self._there:
            assert not self.delivered
            return
        assert list(self.conversation.sessions) == list(self.server.engines)
        for state in self.conversation.sessions.values():
            self._check_route(state, self.server.engines[state.session_id])
        for session_id, tag, record in self.records:
            engine = self.server.engines[session_id]
            gone = self.server.forgotten.get(session_id)
            caused = engine.caused.get(tag, [] if engine.broken else None)
            assert not record.done or gone or slots_of(record) == caused, (slots_of(record), engine.caused)

    def _check_route(self, state: SessionState, engine: Engine) -> None:
        session_id = state.session_id
        wanted = self.expected.get(session_id) or Expected()
        delivered = self.delivered.get(session_id, [])
        assert delivered == wanted.events
        assert state.cursor == (NOTHING_SEEN if wanted.highest < 0 else wanted.highest)
        assert state.cursor >= self._cursors.get(session_id, NOTHING_SEEN)
        self._cursors[session_id] = state.cursor
        self._check_gaps(state, engine, wanted)
        self._check_numbers(state, wanted)
        if session_id not in self.released and session_id not in self.cut_short:
            assert (state.failure is not None) == (wanted.closed and not state.completed)
        stops = [index for index, event in enumerate(delivered) if isinstance(event, STOPS)]
        if session_id not in self.released and state.cycle.is_ready and state.failure is None and not state.attached:
            assert not any(isinstance(event, Slot) for event in delivered[stops[-1] :])
        self._check_coverage(state, engine)

    def _check_gaps(self, state: SessionState, engine: Engine, wanted: Expected) -> None:
        if isinstance(self.server, SingleServer) and self.server.loses_numbers:
            return
        begin = wanted.handled if wanted.handled >= 0 else wanted.first
        numbers = self.server.forgotten.get(state.session_id, set())
        lost = {number for number in numbers - wanted.read if begin is not None and begin < number <= wanted.highest}
        assert state.sequence_gaps == len(lost), (state.sequence_gaps, lost)

    def _check_numbers(self, state: SessionState, wanted: Expected) -> None:
        last = wanted.handled if wanted.handled >= 0 else None
        reached = []
        for number in wanted.numbers:
            last = last if number is None else number
            reached.append(last)
        assert self.numbers.get(state.session_id, []) == reached

    def _check_coverage(self, state: SessionState, engine: Engine) -> None:
        coverage = self.coverage_of(state)
        if coverage.complete:
            assert engine.finished
            assert state.completed
            assert not self.server.forgotten.get(state.session_id) or not state.sequence_gaps

    def coverage_of(self, state: SessionState) -> Coverage:
        return Coverage(
            start_slot=state.start_slot if state.range_known else None,
            end_slot=state.end_slot if state.range_known else None,
            highest_slot=None if state.highest_slot == NOTHING_SEEN else state.highest_slot,
            slots_seen=state.slots_seen,
            completed=state.completed,
            failure=None if state.failure is None else str(state.failure),
            sequence_gaps=state.sequence_gaps,
        )

    # The end.

    def drain(self, rounds: int = 400) -> None:
        """From here on the line is good, and every caller goes on: everything has to come to its end."""
        for _ in range(rounds):
            if self.over is not None or (self._there and self.conversation.all_ended):
                break
            self._drain_round()
            self.check()
        for _ in range(3):
            if self.over is None:
                self._drain_round()  # the server may go on talking
                self.check()
        if self.over is None:
            assert self.conversation.all_ended, {key: r.cycle.state for key, r in self.conversation.sessions.items()}
            self._check_the_end()

    def _drain_round(self) -> None:
        if not self.connected:
            self.connect()
        server = self.server
        while self.connected and server.current.to_server:
            server.read_one()
        while self.connected and server.has_replies:
            server.reply()
        for engine in list(server.engines.values()):
            for _ in range(4 if server.lets_work(engine) else 0):
                engine.work()
            while server.can_tell(engine):
                server.tell(engine)
        while self.connected and server.current.to_client:
            self.read(5)
        if not self.connected:
            return
        if server.current.mute:
            self.wait_for_answer() if self.step != "steady" else self.lose()
            return
        while self.inquiries:
            self.answer_inquiry(0)
        if self.step == "resuming" and not server.has_replies and not server.current.to_server:
            self.wait_for_answer()
        elif self.waits_for_proof and not any(engine.has_plans for engine in server.engines.values()):
            self.let_grace_pass()
        for state in self.ready_sessions():
            self.continue_(state, 9)
        if self.step == "steady":
            if self.in_hand is None:
                self.begin_writing()
            if self.in_hand is not None:
                self.finish_writing()

    def _check_the_end(self) -> None:
        for state in self.conversation.sessions.values():
            session_id = state.session_id
            engine = self.server.engines[session_id]
            if session_id in self.released or session_id in self.cut_short or state.failure is not None:
                continue
            assert state.completed
            asked = self.asked.get(session_id, [])
            assert [tag for tag in engine.taken if not tag.startswith("old")] == asked
            if not self.server.forgotten.get(session_id):
                coverage = self.coverage_of(state)
                if not (isinstance(self.server, SingleServer) and self.server.loses_numbers):
                    assert coverage.complete or state.highest_slot < 0, coverage.reason
        for _, _, record in self.records:
            assert (
                record.done
                or self.released
                or self.cut_short
                or any(state.failure for state in self.conversation.sessions.values())
            )
        finished = all(state.released or state.failure is not None for state in self.conversation.sessions.values())
        assert self.conversation.is_finished == finished
        for state in self.conversation.sessions.values():
            self.conversation.release(state.session_id)
        assert self.conversation.is_finished
        if self.step != "steady":
            return
        self.server.current.to_server.append(self.conversation.close_request())
        assert not self.conversation.close_acknowledged
        while self.server.current.to_server:
            self.server.read_one()
        self.server.send_late_errors()
        while self.server.has_replies:
            self.server.reply()
        while self.connected and self.server.current.to_client:
            self.read(1)
        assert self.conversation.close_acknowledged
        assert self.conversation.outcome is None


def parallel_world(server: ParallelServer, span: tuple[int, int], options: Options) -> World:
    create = params.CreateSession(*span)
    return World(ParallelProtocol(create, options), server)


def single_world(server: SingleServer, span: tuple[int, int], options: Options) -> World:
    create = params.CreateSession(*span)
    return World(SingleProtocol(options, create), server)


def attached_world(
    server: SingleServer, session_id: str, span: tuple[int, int] | None, handled: int | None, options: Options
) -> World:
    create = None if span is None else params.CreateSession(*span)
    return World(SingleProtocol(options, create, session_id, handled), server, handled)
