"""The conversation of a data-plane connection, fed with messages."""

from __future__ import annotations

import json
from typing import Any

from simsync.events import Notification, Transaction
from simsync.protocol.subscription import SubscriptionConversation
from simsync.wire import pubsub
from simsync.wire.dialect import Dialect

PROGRAM = "11111111111111111111111111111111"
OTHER = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


def machine(*programs: str) -> SubscriptionConversation:
    conversation = SubscriptionConversation(pubsub.transactions(programs), Dialect())
    conversation.connected()
    return conversation


def ack(identifier: int, number: int) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "result": number}).encode()


def note(number: int | None, result: Any, method: str = "transactionNotification") -> bytes:
    params: dict[str, Any] = {"result": result}
    if number is not None:
        params["subscription"] = number
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()


END = {"completed": True}


def test_one_subscribe_per_program() -> None:
    conversation = SubscriptionConversation(pubsub.transactions([PROGRAM, OTHER]), Dialect())
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
    events = conversation.receive([ack(1, 7), note(7, {"slot": 3}), note(7, {"slot": 4})])
    assert [event.slot for event in events if isinstance(event, Transaction)] == [3, 4]
    assert conversation.last_slot == 4


def test_a_notification_may_overtake_its_acknowledgement() -> None:
    conversation = machine(PROGRAM, OTHER)
    assert conversation.receive([note(71, {"slot": 3}), ack(1, 70)]) == []
    assert len(conversation.receive([ack(2, 71)])) == 1


def test_a_refusal_is_reported_with_the_words_of_the_server() -> None:
    conversation = machine(PROGRAM)
    refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no such program"}}
    conversation.receive([json.dumps(refusal).encode()])
    assert conversation.failure is not None
    assert "no such program" in conversation.failure
    assert PROGRAM in conversation.failure


def test_each_stream_ends_by_itself_and_the_end_is_no_event() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71)])
    assert conversation.receive([note(70, END)]) == []
    assert not conversation.ended
    assert len(conversation.receive([note(71, {"slot": 9})])) == 1
    conversation.receive([note(71, None, "transactionStreamEnd")])
    assert conversation.ended


def test_an_end_that_names_no_stream_ends_all() -> None:
    conversation = machine(PROGRAM, OTHER)
    conversation.receive([ack(1, 70), ack(2, 71), note(None, END)])
    assert conversation.ended


def test_what_makes_no_sense_is_counted() -> None:
    conversation = machine()
    junk = [b"no json", b"[]", b"{}", ack(9, 1), note(99, {"slot": 1})]
    assert conversation.receive([ack(1, 7), *junk]) == []
    assert conversation.odd_messages.total == len(junk)


def test_a_kind_without_a_type_comes_as_a_notification() -> None:
    conversation = SubscriptionConversation(pubsub.slots(), Dialect())
    conversation.connected()
    result = {"slot": 3, "parent": 2, "root": 1}
    assert conversation.receive([ack(1, 7), note(7, result, "slotNotification")]) == [
        Notification("slotNotification", result)
    ]
