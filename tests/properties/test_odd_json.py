"""Whatever a server sends, decoding and the conversations raise nothing, and what is right behind it still arrives."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Callable

from hypothesis import given
from hypothesis import strategies as st

from simsync.errors import ProtocolError, RpcError, SimsyncError
from simsync.events import AccountDiff, ActionResult, Event, Slot, Transaction
from simsync.options import Options
from simsync.params import CreateSession
from simsync.protocol.control import ControlProtocol, Phase
from simsync.protocol.parallel import ParallelProtocol
from simsync.protocol.session_state import SessionState
from simsync.protocol.single import SingleProtocol
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.wire import json_codec, rpc, services
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import NotUnderstood
from simsync.wire.dialect import Dialect
from simsync.wire.pubsub import Incoming, SubscribeSpec, decode_pubsub, slot_of
from simsync.wire.streams import STREAMS
from tests.protocol.taking import take_events

from .json_texts import bodies, control_messages, data_messages
from .profiles import effort

A, B, E = "backtest_a", "backtest_b", "backtest_e"
PROGRAMS = ("11111111111111111111111111111111", "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ADDRESS = PROGRAMS[0]


STANDARD_LIBRARY = (json_codec.loads_with_standard_library, json_codec.dumps_with_standard_library)


@contextlib.contextmanager
def codec(loads: Callable[[bytes], Any], dumps: Callable[[Any], bytes]) -> Iterator[None]:
    before = json_codec.loads, json_codec.dumps
    json_codec.loads, json_codec.dumps = loads, dumps
    try:
        yield
    finally:
        json_codec.loads, json_codec.dumps = before


def search(thorough: bool, examples: int, strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Look for something that ``check`` fails for, with and without the ``[speed]`` extra."""

    def check_with_each_codec(drawn: Any) -> None:
        check(drawn)
        with codec(*STANDARD_LIBRARY):
            check(drawn)

    effort(thorough, examples)(given(strategy)(check_with_each_codec))()


def text_of(message: Any) -> bytes:
    return json.dumps(message).encode()


# Decoding.


def test_documents_are_read_or_refused(thorough: bool) -> None:
    def check(body: bytes) -> None:
        try:
            value = json_codec.loads(body)
        except ValueError:
            return
        # Orjson reads what is beyond 64 bits as a float, and refuses half a surrogate pair; all else is the same.
        with contextlib.suppress(ValueError, TypeError):
            assert json_codec.loads(json_codec.dumps(value)) == value

    search(thorough, 150, bodies, check)


def test_each_control_message_is_decoded_or_not_understood(thorough: bool) -> None:
    decode = ControlDecoder(Dialect()).decode

    def check(body: bytes) -> None:
        message = decode(body)
        assert not isinstance(message, NotUnderstood) or message.reason
        str(message)[:100]

    search(thorough, 200, st.one_of(control_messages, bodies), check)


def test_notifications_and_their_contents_can_always_be_looked_at(thorough: bool) -> None:
    def check(body: bytes) -> None:
        message = decode_pubsub(body)
        if not isinstance(message, Incoming):
            return
        result = message.result
        slot_of(result)
        for row in STREAMS.values():
            hash(row.key(result))
            look_at(row.make_event(message.method, 3, result, body))

    search(thorough, 200, data_messages, check)


def look_at(event: Event) -> None:
    """Every public attribute can be read; the bytes of an account may be unreadable, which is said."""
    if not isinstance(event, (Transaction, AccountDiff, ActionResult)):
        return
    for name in dir(type(event)):
        if not name.startswith("_"):
            getattr(event, name)
    repr(event)
    states = [event.before, event.after] if isinstance(event, AccountDiff) else []
    states += event.accounts if isinstance(event, ActionResult) else []
    for state in states:
        with contextlib.suppress(ProtocolError):
            assert state is None or isinstance(state.data, bytes)


CALLS = [
    rpc.get_health(),
    rpc.get_slot(),
    rpc.get_balance(ADDRESS),
    rpc.get_account_info(ADDRESS),
    rpc.get_multiple_accounts([ADDRESS]),
    rpc.get_program_accounts(ADDRESS, []),
    rpc.get_latest_blockhash(),
    rpc.get_fee_for_message("AA=="),
    rpc.get_signature_statuses(["5" * 88]),
    rpc.get_minimum_balance_for_rent_exemption(3),
]


def test_replies_of_the_rpc_are_read_or_refused(thorough: bool) -> None:
    def check(drawn: tuple[rpc.Call[Any], bytes, bool]) -> None:
        call, body, wrapped = drawn
        reply = b'{"result":{"value":' + body + b"}}" if wrapped else b'{"result":' + body + b"}"
        for one in (body, reply):
            with contextlib.suppress(RpcError, ProtocolError):
                call.read(one)

    search(thorough, 150, st.tuples(st.sampled_from(CALLS), st.one_of(data_messages, bodies), st.booleans()), check)


READERS: list[Callable[[bytes], Any]] = [
    services.read_available_ranges,
    services.read_usage,
    services.read_build,
    services.read_listing,
    services.read_deleted,
]


def test_answers_of_the_services_are_read_or_refused(thorough: bool) -> None:
    def check(drawn: tuple[Callable[[bytes], Any], bytes]) -> None:
        read, body = drawn
        for one in (body, b"[" + body + b"]", b'{"ranges":[' + body + b'],"requests":[' + body + b"]}"):
            with contextlib.suppress(ProtocolError):
                read(one)

    search(thorough, 100, st.tuples(st.sampled_from(READERS), bodies), check)


# The conversations.


def is_told(machine: ControlProtocol) -> bool:
    """The conversation has ended, and says so."""
    return machine.outcome is not None


def phase_of(machine: ControlProtocol) -> Phase:
    return machine.phase


def feed(machine: ControlProtocol, payloads: Sequence[bytes]) -> Iterator[SessionState]:
    cursors = {key: state.cursor for key, state in machine.sessions.items()}
    yield from machine.receive(payloads, 1.0)
    for key, state in machine.sessions.items():
        assert state.cursor >= cursors.get(key, state.cursor)
    machine.tick(1.0)
    machine.take_progress()
    machine.take_outgoing()
    yield from machine.receive((), 1.0)
    assert all(state.failure is None or isinstance(state.failure, SimsyncError) for state in machine.sessions.values())


def created(session_id: str) -> bytes:
    return text_of({"method": "sessionCreated", "params": {"session_id": session_id, "rpc_endpoint": "/backtest/x"}})


def all_created() -> bytes:
    lists = {"session_ids": [A, B], "task_ids": [None, None], "start_slots": [100, 105], "end_slots": [104, 109]}
    return text_of({"method": "sessionsCreatedV2", "params": {"control_session_id": "parallel_c", **lists}})


streams_of_messages = st.lists(control_messages, min_size=1, max_size=8)


def test_a_parallel_session_outlives_everything_that_it_does_not_report(thorough: bool) -> None:
    def check(drawn: tuple[str, list[bytes]]) -> None:
        phase, payloads = drawn
        machine = ParallelProtocol(CreateSession(100, 109), Options())
        machine.connected(0.0)
        before = {"creating": [], "half created": [created(A)]}.get(phase, [created(A), created(B), all_created()])
        list(feed(machine, before))
        if phase == "attaching":
            machine.lost()
            machine.connected(1.0)
        for _ in feed(machine, payloads):
            pass
        if is_told(machine):
            return
        if phase_of(machine) is Phase.CREATING:
            list(feed(machine, [created(A), created(B), all_created()]))
            # What came may have announced other sessions; then the create has failed, and says so.
            assert is_told(machine) or phase_of(machine) is Phase.STEADY
        elif phase_of(machine) is Phase.ATTACHING:
            list(feed(machine, [text_of({"method": "parallelSessionAttachedV2", "params": {}})]))
            assert phase_of(machine) is Phase.STEADY
        if not is_told(machine):
            still_hears(machine, lambda state: session_event(state.session_id, state.cursor + 1, 108))

    phases = st.sampled_from(["creating", "half created", "steady", "attaching"])
    search(thorough, 150, st.tuples(phases, streams_of_messages), check)


def session_event(session_id: str, number: int, slot: int) -> bytes:
    event = {"method": "slotNotification", "params": slot}
    params = {"session_id": session_id, "seq_id": number, "event": event}
    return text_of({"method": "sessionEventV2", "params": params})


def still_hears(machine: ControlProtocol, next_slot: Callable[[SessionState], bytes]) -> None:
    """Each session that is not said to be over gets its next event."""
    for state in list(machine.sessions.values()):
        take_events(state)
        if state.cursor + 1 >= 1 << 63:
            continue  # behind a number that no server can count up to
        dirty = list(feed(machine, [next_slot(state)]))
        if state.open:
            assert dirty[0] is state
            assert Slot(108) in take_events(state)
        else:
            assert state.completed or state.failure is not None
    machine.lost()
    assert json.loads(machine.connected(2.0))


def test_a_single_session_outlives_everything_that_it_does_not_report(thorough: bool) -> None:
    def check(drawn: tuple[str, list[bytes]]) -> None:
        phase, payloads = drawn
        known = phase in ("attaching", "resuming")
        machine = SingleProtocol(Options(), None if known else CreateSession(100, 109), E if known else None, None)
        machine.connected(0.0)
        attached = text_of({"method": "sessionAttached", "params": {"session_id": E}})
        if phase == "steady":
            list(feed(machine, [created(E)]))
        elif phase == "resuming":
            list(feed(machine, [attached]))
        for _ in feed(machine, payloads):
            pass
        if is_told(machine):
            return
        if phase_of(machine) is Phase.CREATING:
            list(feed(machine, [created(E)]))
        if phase_of(machine) is Phase.ATTACHING:
            list(feed(machine, [attached]))
        if phase_of(machine) is Phase.RESUMING:
            list(feed(machine, [text_of({"method": "success"})]))
        assert phase_of(machine) is Phase.STEADY
        still_hears(machine, lambda state: own_slot(max(state.cursor + 1, 1), 108))

    phases = st.sampled_from(["creating", "steady", "attaching", "resuming"])
    search(thorough, 150, st.tuples(phases, streams_of_messages), check)


def own_slot(number: int, slot: int) -> bytes:
    return text_of({"seqId": number, "method": "slotNotification", "params": slot})


def test_a_subscription_outlives_everything_that_it_does_not_report(thorough: bool) -> None:
    def check(drawn: tuple[bool, list[bytes], str]) -> None:
        acknowledged, payloads, kind = drawn
        specs = [SubscribeSpec.of(STREAMS[kind], program) for program in PROGRAMS]
        machine = SubscriptionProtocol(specs, Dialect(), compressed=False)
        machine.connected()
        acks = [text_of({"id": 1, "result": 7}), text_of({"id": 2, "result": 8})]
        if acknowledged:
            machine.receive(acks)
        for event in machine.receive(payloads).events:
            look_at(event)
        if machine.ended or machine.outcome is not None:
            return
        machine.connected()
        machine.receive([ack for index, ack in enumerate(acks) if PROGRAMS[index] in " ".join(machine.open_streams())])
        assert machine.acknowledged
        newest = max(machine.last_slot or 0, 0) + 1
        if newest < 1 << 63:
            number = 7 if PROGRAMS[0] in machine.open_streams()[0] else 8
            result = {
                "slot": newest,
                "transaction": {"signatures": ["fresh"]},
                "account": "fresh",
                "signature": "fresh",
            }
            notification = {"method": "xNotification", "params": {"subscription": number, "result": result}}
            assert len(machine.receive([text_of(notification)]).events) == 1

    kinds = st.sampled_from(["transactions", "account_diffs", "program_diffs", "logs"])
    search(thorough, 150, st.tuples(st.booleans(), st.lists(data_messages, max_size=6), kinds), check)
