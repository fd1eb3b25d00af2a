"""Subscriptions that share a connection, which breaks at any moment, against a log of what happened."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from simsync.events import Notification, Transaction
from simsync.protocol.coverage import UnprovenSlots
from simsync.protocol.outcome import GiveUp, Reconnect
from simsync.protocol.replay import KEPT_SLOTS
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.wire.dialect import Dialect
from simsync.wire.pubsub import SubscribeSpec
from simsync.wire.streams import STREAMS

from .data_server import PROGRAMS, SIGNATURE, DataServer, Frame, Item
from .profiles import effort

FIRST = 1_000
few = st.integers(0, 3)


class Subscriptions(RuleBasedStateMachine):
    """Each occurrence in the log is delivered once, whatever comes twice, and nothing is delivered behind an end."""

    @initialize(
        programs=st.integers(1, 3),
        signature=st.booleans(),
        compressed=st.booleans(),
        ignores_cursor=st.booleans(),
        spelling=st.integers(0, 5),
        from_slot=st.sampled_from([None, None, FIRST, FIRST + 2]),
        depth=st.sampled_from([10_000, 10_000, 20, 3]),
        lag=st.sampled_from([0, 0, 2, 64]),
    )
    def begin(
        self,
        programs: int,
        signature: bool,
        compressed: bool,
        ignores_cursor: bool,
        spelling: int,
        from_slot: int | None,
        depth: int,
        lag: int,
    ) -> None:
        self.depth = depth
        self.lag = lag
        self.ever_up = self.is_up = False
        self.unproven: list[UnprovenSlots] = []
        self.programs = list(PROGRAMS[:programs])
        specs = [SubscribeSpec.of(STREAMS["transactions"], program) for program in self.programs]
        if signature:
            self.programs.append(SIGNATURE)
            specs.append(SubscribeSpec.of(STREAMS["signatures"], "sig"))
        self.conversation = SubscriptionProtocol(specs, Dialect(), compressed=compressed, from_slot=from_slot)
        self.server = DataServer(ignores_cursor, spelling)
        self.from_slot = from_slot
        self.slot = FIRST
        self.delivered: list[tuple[int, str, int]] = []
        self.confirmed = 0
        self.read_items = 0
        self.read_slots: dict[str, int] = {}
        self.unread_at: dict[str, int] | None = None
        self.ended: set[str] = set()
        self.acked: set[str] = set()
        self.early: list[Frame] = []
        self.failed = False

    @property
    def goes_on(self) -> bool:
        return hasattr(self, "server") and not self.failed

    @property
    def connected(self) -> bool:
        return self.goes_on and self.server.link is not None

    @rule()
    def nothing_happens(self) -> None:
        """There is always something that can be done, also when all is over."""

    # The server.

    @precondition(lambda self: self.goes_on and not self.server.over)
    @rule(slots=st.sampled_from([0, 0, 1, 1, 2, 20]), key=st.integers(0, 2), mentions=st.integers(1, 7))
    def something_happens(self, slots: int, key: int, mentions: int) -> None:
        # Streams that are more than 200 slots apart are not promised anything.
        self.slot = min(self.slot + slots, FIRST + KEPT_SLOTS)
        signature = f"sig{key}"
        programs = frozenset(program for bit, program in enumerate(PROGRAMS) if mentions >> bit & 1)
        self.server.happen(Item(self.slot, signature, programs, len(self.server.log) + 1))

    @precondition(lambda self: self.goes_on and not self.server.over)
    @rule()
    def the_signature_is_confirmed(self) -> None:
        if not self.confirmed:
            self.confirmed = self.slot
            self.server.happen(Item(self.slot, "", frozenset([SIGNATURE])))

    @precondition(lambda self: self.goes_on and not self.server.over)
    @rule(choice=st.integers(0, 5))
    def the_range_is_finished(self, choice: int) -> None:
        if choice == 0:
            self.finish()

    def finish(self) -> None:
        self.the_signature_is_confirmed()
        self.server.over = True

    @precondition(lambda self: self.connected and bool(self.server.link.acks))
    @rule(last_first=st.booleans())
    def the_server_acknowledges(self, last_first: bool) -> None:
        self.server.acknowledge(last_first)

    @precondition(lambda self: self.connected)
    @rule(index=few, count=st.integers(1, 6))
    def the_server_tells(self, index: int, count: int) -> None:
        link = self.server.link
        assert link is not None
        streams = list(link.streams.values())
        for _ in range(count if streams else 0):
            self.server.tell(streams[index % len(streams)])

    @precondition(lambda self: self.connected)
    @rule(choice=st.integers(0, 30))
    def the_server_sends_junk(self, choice: int) -> None:
        assert self.server.link is not None
        if choice % 7 != 6 or not self.server.link.acks:
            self.server.send_junk(choice)

    @precondition(lambda self: self.connected and bool(self.server.link.acks))
    @rule(choice=st.integers(0, 9))
    def the_server_refuses(self, choice: int) -> None:
        if choice < 2:
            self.server.refuse(passing=choice == 0)

    @precondition(lambda self: self.connected and self.server.over)
    @rule()
    def the_server_ends_all_streams_at_once(self) -> None:
        link = self.server.link
        assert link is not None
        if not link.acks and all(stream.place == len(self.server.log) for stream in link.streams.values()):
            self.server.end_all()

    @precondition(lambda self: self.goes_on and not self.server.over)
    @rule(items=st.lists(st.tuples(st.sampled_from([0, 0, 0, 1]), st.integers(0, 2), st.integers(1, 7)), max_size=6))
    def much_happens(self, items: list[tuple[int, int, int]]) -> None:
        for slots, key, mentions in items:
            self.something_happens(slots, key, mentions)

    @precondition(lambda self: self.goes_on and not self.conversation.ended)
    @rule(got=few, told=st.integers(0, 9), read=st.integers(0, 15), last_first=st.booleans(), acks=few)
    def the_line_breaks_and_comes_back(self, got: int, told: int, read: int, last_first: bool, acks: int) -> None:
        if self.server.link is not None:
            self.the_line_breaks(got)
        if self.failed or self.conversation.ended:
            return
        self.the_client_connects()
        link = self.server.link
        assert link is not None
        for _ in range(min(acks, len(link.acks))):
            self.server.acknowledge(last_first)
        for stream in link.streams.values():
            for _ in range(told):
                self.server.tell(stream)
        for _ in range(len(link.acks) if acks else 0):
            self.server.acknowledge(last_first)
        if read and link.to_client:
            self.the_client_reads(read)

    # The line.

    @precondition(lambda self: self.goes_on and self.server.link is None and not self.conversation.ended)
    @rule()
    def the_client_connects(self) -> None:
        requests = self.conversation.connected()
        self.acked = set()
        self.early = []
        self.is_up = False
        # The server drops slots by the position of the engine, which may be ahead of the data.
        link = self.server.accept(requests, self.position - self.depth + 1 if self.ever_up else 0)
        assert set(link.streams) == set(self.programs) - self.ended

    @property
    def position(self) -> int:
        return self.slot + self.lag

    def come_up(self) -> None:
        """What the reader does once every subscribe is acknowledged."""
        self.is_up = True
        if not self.ever_up:
            self.conversation.begin(self.from_slot or FIRST)
        self.ever_up = True
        self.conversation.resumed(self.position, self.depth)

    @precondition(lambda self: self.connected and bool(self.server.link.to_client))
    @rule(count=st.integers(1, 9))
    def the_client_reads(self, count: int) -> None:
        link = self.server.link
        assert link is not None
        frames = [link.to_client.popleft() for _ in range(min(count, len(link.to_client)))]
        inflate = self.conversation.inflate
        texts = [inflate(frame.payload) if frame.compressed else frame.payload for frame in frames]
        received = self.conversation.receive(texts)
        assert (received.size > 0) == bool(received.events)
        for event in received.events:
            if isinstance(event, Transaction):
                self.delivered.append((event.slot, event.signature, event.raw["transaction"]["number"]))
            else:
                assert isinstance(event, Notification)
                self.delivered.append((event.result["context"]["slot"], "", 0))
        verdicts = {"refused": Reconnect, "unread": Reconnect, "fatal": GiveUp}
        wanted = None
        for frame in frames:
            wanted = verdicts.get(frame.kind)
            if frame.kind == "unread":
                # Where it is met again without progress, reconnecting does not help: it is skipped.
                wanted = None if self.unread_at == self.read_slots else wanted
                self.unread_at = dict(self.read_slots)
            if wanted is not None:
                break  # what is behind it is not looked at
            self.note(frame)
        if self.conversation.outcome is None and self.conversation.acknowledged and not self.is_up:
            self.come_up()
        self.unproven += self.conversation.take_unproven()
        outcome = self.conversation.outcome
        if isinstance(outcome, GiveUp) and "cannot be recovered" in outcome.reason:
            assert self.depth < 10_000, "nothing was dropped"
            self.failed = True
            self.server.link = None
            return
        assert outcome is None if wanted is None else isinstance(outcome, wanted)
        if outcome is not None:
            self.failed = isinstance(outcome, GiveUp)
            self.hang_up()

    def note(self, frame: Frame) -> None:
        """What the client must have made of it."""
        if frame.kind == "ack":
            self.acked.add(frame.program)
            held, self.early = self.early, []
            for early in held:
                self.note(early)
        elif frame.kind == "end of all":
            self.ended = set(self.programs)
        elif frame.program and frame.program not in self.acked:
            self.early.append(frame)
        elif frame.kind == "end":
            self.ended.add(frame.program)
        elif frame.item is not None:
            self.read_items += 1
            if frame.item.slot >= (self.from_slot or 0):  # else it is dropped and moves no cursor
                self.read_slots[frame.program] = max(self.read_slots.get(frame.program, 0), frame.item.slot)
            if frame.program == SIGNATURE:
                self.ended.add(SIGNATURE)

    @precondition(lambda self: self.connected)
    @rule(got=few)
    def the_line_breaks(self, got: int) -> None:
        link = self.server.link
        assert link is not None
        if got and link.to_client:
            self.the_client_reads(got)
        if self.server.link is not None:
            self.hang_up()

    def hang_up(self) -> None:
        """What the client had not read is lost, and it cannot know of it."""
        self.server.link = None
        self.conversation.lost(flowing=True)

    # Always.

    @invariant()
    def nothing_is_made_up_or_repeated(self) -> None:
        if not self.goes_on:
            return
        happened = Counter((item.slot, item.signature, item.number) for item in self.wanted())
        assert not Counter(self.delivered) - happened
        for program in self.programs:
            only = [
                (item.slot, item.signature, item.number)
                for item in self.wanted()
                if item.mentions & set(self.programs) == {program}
            ]
            mine = [what for what in self.delivered if what in set(only)]
            if self.depth < 10_000:
                only = [what for what in only if what in set(mine)]  # others may have been dropped
            assert mine == only[: len(mine)], f"out of order: {mine}"

    def wanted(self) -> list[Item]:
        since = self.from_slot or 0
        programs = set(self.programs)
        # The end of the one stream comes with its first notification.
        return [item for item in self.server.log if item.slot >= since and item.mentions & programs]

    @invariant()
    def it_knows_where_it_stands(self) -> None:
        if not self.goes_on:
            return
        conversation = self.conversation
        assert conversation.ended == (self.ended == set(self.programs))
        if self.server.link is not None:
            assert conversation.acknowledged == (set(self.programs) - self.ended <= self.acked)
        assert len(self.delivered) + conversation.replays_dropped == self.read_items
        assert len(conversation.open_streams()) == len(self.programs) - len(self.ended)

    def teardown(self) -> None:
        if not self.goes_on:
            return
        if not self.server.over:
            self.finish()
        for _ in range(40):
            if self.conversation.ended or self.failed:
                break
            self.finish_one_connection()
        if not self.failed:
            assert self.conversation.ended
            happened = Counter((item.slot, item.signature, item.number) for item in self.wanted())
            assert self.unproven or Counter(self.delivered) == happened, "a silent loss"

    def finish_one_connection(self) -> None:
        if self.server.link is None:
            self.the_client_connects()
        link = self.server.link
        assert link is not None
        while link.acks:
            self.server.acknowledge(last_first=False)
        for stream in link.streams.values():
            while self.server.has_news(stream):
                self.server.tell(stream)
        while self.server.link is not None and link.to_client:
            self.the_client_reads(4)
        self.nothing_is_made_up_or_repeated()
        self.it_knows_where_it_stands()
        if link.mute and self.server.link is not None:
            self.hang_up()


def test_each_notification_is_delivered_once_over_any_number_of_connections(thorough: bool) -> None:
    run_state_machine_as_test(Subscriptions, settings=effort(thorough, 150))
