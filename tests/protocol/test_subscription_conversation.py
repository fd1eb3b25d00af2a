"""The conversation of a data-plane connection, fed with messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simsync.events import Notification, Transaction
from simsync.protocol.outcome import GiveUp, Reconnect
from simsync.protocol.replay import KEPT_SLOTS, ReplayFilter
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.wire.dialect import Dialect
from simsync.wire.payloads import BinaryMessage
from simsync.wire.pubsub import SubscribeSpec
from simsync.wire.streams import STREAMS

PROGRAM = "11111111111111111111111111111111"
OTHER = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


def transactions(*programs: str) -> SubscriptionProtocol:
    specs = [SubscribeSpec.of(STREAMS["transactions"], program) for program in programs or (None,)]
    return SubscriptionProtocol(specs, Dialect(), compressed=False)


def machine(*programs: str) -> SubscriptionProtocol:
    conversation = transactions(*programs)
    conversation.connected()
    return conversation


def transaction(slot: int, signature: str) -> dict[str, Any]:
    return {"slot": slot, "transaction": {"signatures": [signature]}}


def signatures(conversation: SubscriptionProtocol, *payloads: bytes) -> list[str]:
    events = conversation.receive(payloads).events
    return [event.signature for event in events if isinstance(event, Transaction)]


def ack(identifier: int, number: int) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "result": number}).encode()


def note(number: int | None, result: Any, method: str = "transactionNotification") -> bytes:
    params: dict[str, Any] = {"result": result}
    if number is not None:
        params["subscription"] = number
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()


END = {"completed": True}


def test_one_subscribe_per_program() -> None:
    conversation = transactions(PROGRAM, OTHER)
    requests = [json.loads(request) for request in conversation.connected()]
    assert [request["id"] for request in requests] == [1, 2]
    assert [request["params"][0] for request in requests] == [{"mentions": [PROGRAM]}, {"mentions": [OTHER]}]


def test_it_is_up_when_every_subscribe_is_acknowledged() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70)])
    assert not conversation.acknowledged
    conversation.receive([ack(2, 71)])
    assert conversation.acknowledged
    assert not conversation.ended


def test_notifications_become_events_in_order() -> None:
    conversation = machine()
    payloads = [ack(1, 7), note(7, transaction(3, "a")), note(7, transaction(4, "b"))]
    received = conversation.receive(payloads)
    assert [event.slot for event in received.events if isinstance(event, Transaction)] == [3, 4]
    assert received.size == len(payloads[1]) + len(payloads[2])
    assert conversation.last_slot == 4


def test_a_notification_may_overtake_its_acknowledgement() -> None:
    conversation = machine(PROGRAM, OTHER)
    assert conversation.receive([note(71, {"slot": 3}), ack(1, 70)]).events == []
    assert len(conversation.receive([ack(2, 71)]).events) == 1


def test_a_refusal_is_reported_with_the_words_of_the_server() -> None:
    conversation = machine(PROGRAM)
    refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no such program"}}
    conversation.receive([json.dumps(refusal).encode()])
    assert isinstance(conversation.outcome, GiveUp)
    assert "no such program" in conversation.outcome.reason
    assert PROGRAM in conversation.outcome.reason


def test_a_refusal_for_want_of_capacity_is_tried_again() -> None:
    conversation = machine(PROGRAM)
    refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "too many subscriptions, try again"}}
    conversation.receive([json.dumps(refusal).encode()])
    assert isinstance(conversation.outcome, Reconnect)


def test_each_stream_ends_by_itself_and_the_end_is_no_event() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71)])
    assert conversation.receive([note(70, END)]).events == []
    assert not conversation.ended
    assert len(conversation.receive([note(71, {"slot": 9})]).events) == 1
    conversation.receive([note(71, None, "transactionStreamEnd")])
    assert conversation.ended


def test_an_end_that_names_no_stream_ends_all() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71), note(None, END)])
    assert conversation.ended


def test_what_makes_no_sense_is_counted() -> None:
    conversation = machine()
    junk = [b"[]", b"{}", ack(9, 1)]
    assert conversation.receive([ack(1, 7), *junk]).events == []
    assert conversation.skipped.total == len(junk)
    assert conversation.outcome is None


@pytest.mark.parametrize(
    "unread",
    [
        b"no json",
        note(99, {"slot": 1}),
        note(None, {"slot": 1}),
        b'{"method":null,"params":{"subscription":7,"result":{"slot":1}}}',
        b'{"method":"transactionNotification","params":{"subscription":[7],"result":{"slot":1}}}',
        b'{"method":"transactionNotification","params":null}',
    ],
)
def test_what_may_have_been_an_event_costs_the_connection(unread: bytes) -> None:
    """Nothing behind it is taken, or the cursor would pass it."""
    conversation = machine()
    received = conversation.receive([ack(1, 7), note(7, {"slot": 1}), unread, note(7, {"slot": 2})])
    assert len(received.events) == 1
    assert isinstance(conversation.outcome, Reconnect)
    assert conversation.open_streams() == ['transactionSubscribe("all") at slot 1']


def test_what_comes_after_the_end_of_a_stream_is_no_event() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71), note(70, END), note(70, END), note(70, {"slot": 1})])
    assert conversation.outcome is None


def test_a_kind_without_a_type_comes_as_a_notification() -> None:
    conversation = SubscriptionProtocol([SubscribeSpec.of(STREAMS["slots"])], Dialect(), compressed=False)
    conversation.connected()
    result = {"slot": 3, "parent": 2, "root": 1}
    received = conversation.receive([ack(1, 7), note(7, result, "slotNotification")])
    assert received.events == [Notification("slotNotification", result)]


def test_a_stream_of_one_ends_with_its_first_notification() -> None:
    conversation = SubscriptionProtocol([SubscribeSpec.of(STREAMS["signatures"], "sig")], Dialect(), compressed=False)
    conversation.connected()
    assert len(conversation.receive([ack(1, 7), note(7, {"context": {"slot": 3}, "value": {"err": None}})]).events) == 1
    assert conversation.ended


# Losing connections.


def test_a_reconnect_replays_from_the_last_slot_and_delivers_the_rest_once() -> None:
    conversation = machine()
    before = [note(7, transaction(3, "a")), note(7, transaction(4, "b")), note(7, transaction(4, "c"))]
    assert signatures(conversation, ack(1, 7), *before) == ["a", "b", "c"]
    (request,) = [json.loads(raw) for raw in conversation.connected()]
    assert request["params"][1]["replayFromSlot"] == 4
    assert not conversation.acknowledged
    again = [note(9, transaction(4, key)) for key in "bcd"]
    assert signatures(conversation, ack(1, 9), *again, note(9, transaction(5, "e"))) == ["d", "e"]
    assert conversation.replays_dropped == 2


@pytest.mark.parametrize("quick", [True, False])
def test_many_of_a_slot_are_delivered_once_and_not_after_the_end(quick: bool) -> None:
    conversation = SubscriptionProtocol(
        [SubscribeSpec.of(STREAMS["transactions"])], Dialect(), compressed=False, quick=quick
    )

    def of(number: int, slot: int, keys: str) -> list[bytes]:
        """As servers write them, without white space."""
        return [note(number, transaction(slot, key)).replace(b" ", b"") for key in keys]

    conversation.connected()
    assert signatures(conversation, ack(1, 7), *of(7, 3, "ab"), *of(7, 4, "cde")) == list("abcde")
    conversation.connected()
    assert signatures(conversation, ack(1, 8), *of(8, 4, "cdef"), *of(8, 5, "ghij")) == list("fghij")
    conversation.connected()
    last = [*of(9, 6, "lmn"), note(9, END), *of(9, 6, "o")]
    assert signatures(conversation, ack(1, 9), *of(9, 5, "ghijk"), *last) == list("klmn")
    assert conversation.replays_dropped == 7
    assert conversation.skipped.total == 1


def test_a_signature_may_come_twice_in_a_slot() -> None:
    conversation = machine()
    twice = [note(7, transaction(4, "a")), note(7, transaction(4, "a"))]
    assert signatures(conversation, ack(1, 7), *twice) == ["a", "a"]
    conversation.connected()
    again = [note(8, transaction(4, "a"))] * 3
    assert signatures(conversation, ack(1, 8), *again) == ["a"]


def test_a_transaction_that_mentions_two_programs_comes_once() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71)])
    assert signatures(conversation, note(70, transaction(4, "a")), note(71, transaction(4, "a"))) == ["a"]
    assert signatures(conversation, note(71, transaction(4, "b"))) == ["b"]


def test_skewed_streams_of_one_connection_have_a_cursor_each() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71)])
    assert signatures(conversation, note(70, transaction(4, "a")), note(70, transaction(9, "b"))) == ["a", "b"]
    assert signatures(conversation, note(71, transaction(4, "a")), note(71, transaction(5, "c"))) == ["c"]
    cursors = [json.loads(raw)["params"][1]["replayFromSlot"] for raw in conversation.connected()]
    assert cursors == [9, 5]
    conversation.receive([ack(1, 80), ack(2, 81)])
    replay = [note(80, transaction(9, "b")), note(81, transaction(5, "c")), note(81, transaction(9, "b"))]
    assert signatures(conversation, *replay, note(81, transaction(9, "d"))) == ["d"]


def test_a_server_without_replay_sends_its_whole_history_again() -> None:
    conversation = machine()
    history = [transaction(slot, str(slot)) for slot in range(1, 6)]
    assert len(signatures(conversation, ack(1, 7), *(note(7, one) for one in history))) == 5
    conversation.connected()
    assert signatures(conversation, ack(1, 8), *(note(8, one) for one in [*history, transaction(6, "6")])) == ["6"]


def test_a_stream_that_has_ended_is_not_subscribed_again() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71), note(70, END)])
    assert conversation.acknowledged
    (request,) = [json.loads(raw) for raw in conversation.connected()]
    assert request["id"] == 2
    conversation.receive([ack(2, 90)])
    assert conversation.acknowledged
    conversation.receive([note(90, END)])
    assert conversation.ended


def test_what_was_held_for_an_acknowledgement_does_not_outlive_the_connection() -> None:
    conversation = machine()
    conversation.receive([note(7, transaction(4, "a"))])
    conversation.connected()
    assert signatures(conversation, ack(1, 7), note(7, transaction(4, "a"))) == ["a"]


def test_counts_are_forgotten_behind_the_cursors() -> None:
    one, two = ReplayFilter(1), ReplayFilter(2)
    for slot in range(1_000):
        assert one.admit(0, slot, "s")
        assert two.admit(0, slot, "s")
    one.reconnected()
    assert len(one.delivered) == 1
    assert len(two.delivered) == KEPT_SLOTS + 1, "the other stream has no cursor yet"


# Several streams on one connection.


def test_two_transactions_with_one_signature_are_two() -> None:
    """Signatures are not verified, so two transactions of a slot may share one."""
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71)])
    first, second = transaction(4, "zero"), transaction(4, "zero")
    second["transaction"]["message"] = {"instructions": []}
    assert signatures(conversation, note(70, first), note(71, second)) == ["zero", "zero"]
    assert signatures(conversation, note(71, first), note(70, second)) == []


def test_a_change_that_matches_a_program_and_an_account_is_delivered_once() -> None:
    specs = [SubscribeSpec.of(STREAMS["program_diffs"], PROGRAM), SubscribeSpec.of(STREAMS["account_diffs"], OTHER)]
    conversation = SubscriptionProtocol(specs, Dialect(), compressed=False)
    conversation.connected()
    change = {"context": {"slot": 4}, "account": OTHER, "signature": "a", "pre": None, "post": None}
    conversation.receive([ack(1, 70), ack(2, 71)])
    received = conversation.receive(
        [note(70, change, "accountDiffNotification"), note(71, change, "accountDiffNotification")]
    )
    assert len(received.events) == 1


def test_an_end_without_a_name_ends_only_what_was_acknowledged() -> None:
    conversation = machine(PROGRAM, OTHER)
    end = json.dumps({"method": "streamsCompleted", "params": {}}).encode()
    conversation.receive([ack(1, 70), end])
    assert not conversation.ended
    assert len(conversation.open_streams()) == 1


# What cannot be read.


def test_an_unreadable_message_costs_one_connection_at_each_place() -> None:
    conversation = machine()
    conversation.receive([ack(1, 7), note(7, transaction(1, "a")), b"\xff\xfe"])
    assert isinstance(conversation.outcome, Reconnect)
    conversation.connected()
    received = conversation.receive(
        [ack(1, 8), note(8, transaction(1, "a")), b"\xff\xfe", note(8, transaction(2, "b"))]
    )
    assert conversation.outcome is None
    assert len(received.events) == 1
    (skipped,) = conversation.take_unproven()
    assert (skipped.first_slot, skipped.last_slot) == (1, 1)
    conversation.receive([b"\xff\xfe"])
    assert isinstance(conversation.outcome, Reconnect)  # there was progress in between


def test_plain_json_in_binary_frames_is_read() -> None:
    conversation = machine()
    conversation.receive([ack(1, 7)])
    text = conversation.inflate(BinaryMessage(note(7, transaction(1, "a"))))
    assert type(text) is bytes
    assert signatures(conversation, text) == ["a"]


def test_a_notification_without_a_slot_proves_nothing() -> None:
    """It is counted at the slot of the cursor, but says nothing about what the server has kept."""
    conversation = machine()
    conversation.receive([ack(1, 7), *(note(7, transaction(slot, f"s{slot}")) for slot in range(1, 6))])
    conversation.lost(flowing=True)
    conversation.connected()
    conversation.receive([ack(1, 8)])
    conversation.resumed(position=160, depth=100)
    received = conversation.receive([note(8, {"transaction": {"signatures": ["x"]}})])
    assert [event.slot for event in received.events if isinstance(event, Transaction)] == [5]
    assert conversation.outcome is None
    conversation.receive([note(8, transaction(150, "s150"))])
    assert isinstance(conversation.outcome, GiveUp)
    assert "slots 6 to 60" in conversation.outcome.reason
