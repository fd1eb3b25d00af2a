from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import websocket

from simsync.errors import InvalidParams
from simsync.local import Faults, Simulator

from .bare import Control, Data, Message, name_of, slots_of

Start = Callable[..., Simulator]


def create(control: Control) -> None:
    control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "disconnectTimeoutSecs": 60})


def healthy(simulate: Start) -> list[Message]:
    """Return the messages that answer a create when nothing goes wrong."""
    with Control(simulate()) as control:
        create(control)
        return control.until("readyForContinue")


@pytest.mark.parametrize("number", [1, 3, 5])
def test_drop_before_and_after_a_message(simulate: Start, number: int) -> None:
    names = [name_of(message) for message in healthy(simulate)]
    assert len(names) == 5
    faults = Faults().drop_control(before=number)
    simulator = simulate(faults=faults)
    with Control(simulator) as control:
        create(control)
        assert [name_of(message) for message in control.rest()] == names[: number - 1]
        assert control.close_code is None
    assert faults.fired == ("drop_control_before",)
    assert faults.control_messages_sent == number - 1
    faults.reset().drop_control(after=number)
    with Control(simulator) as control:
        create(control)
        assert [name_of(message) for message in control.rest()] == names[:number]
    assert faults.control_messages_sent == number
    # Once only.
    with Control(simulator) as control:
        create(control)
        assert [name_of(message) for message in control.until("readyForContinue")] == names


def test_messages_are_counted_over_all_sockets(simulate: Start) -> None:
    faults = Faults()
    simulator = simulate(faults=faults)
    for round_number in (1, 2):
        with Control(simulator) as control:
            create(control)
            control.until("readyForContinue")
        assert faults.control_messages_sent == 5 * round_number
    faults.drop_control(after=12)
    with Control(simulator) as control:
        create(control)
        assert len(control.rest()) == 2


def test_duplicates_and_garbage(simulate: Start) -> None:
    faults = Faults().duplicate_control(4).garbage_control(2).garbage_control(5, "not json")
    with Control(simulate(faults=faults)) as control:
        create(control)
        assert name_of(control.recv()) == "sessionCreated"
        assert control.recv() == {"method": "unheardOf", "params": {"x": 1}}
        control.recv(), control.recv()
        first, second = control.recv(), control.recv()
        assert first == second == {"seqId": 4, "method": "slotNotification", "params": 1000}
        assert control.recv_frame()[1] == b"not json"
        assert name_of(control.recv()) == "readyForContinue"
    assert faults.fired == ("garbage_control", "duplicate_control", "garbage_control")
    assert faults.control_messages_sent == 5


def test_delay(simulate: Start) -> None:
    with Control(simulate(faults=Faults().delay_control(2, 0.3))) as control:
        create(control)
        control.recv()
        begun = time.monotonic()
        control.recv()
        assert time.monotonic() - begun > 0.2


@pytest.mark.parametrize("taken", [False, True])
def test_drop_on_a_continue(simulate: Start, taken: bool) -> None:
    faults = Faults()
    if taken:
        faults.drop_after_continue(2)
    else:
        faults.lose_continue(2)
    simulator = simulate(faults=faults)
    with Control(simulator) as control:
        create(control)
        messages = control.until("readyForContinue")
        session = messages[0]["params"]["session_id"]
        control.proceed(1)
        messages += control.until("readyForContinue")
        control.proceed(1)
        assert control.rest() == []
    assert faults.continues_received == 2
    with Control(simulator) as again:
        again.ask("attachBacktestSession", {"session_id": session, "last_sequence": messages[-1]["seqId"]})
        assert again.recv()["method"] == "sessionAttached"
        again.proceed(1)
        slots = slots_of(again.until("readyForContinue"))
        if taken:
            assert slots == [1002]
            slots = slots_of(again.until("readyForContinue"))
        assert slots == ([1003] if taken else [1002])


def test_refused_upgrades(simulate: Start) -> None:
    faults = Faults().refuse_upgrade(503, times=2).refuse_upgrade(500, where="data")
    simulator = simulate(faults=faults)
    for _ in range(2):
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            Control(simulator)
        assert caught.value.status_code == 503
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            Data(simulator, session)
        assert caught.value.status_code == 500
        with Data(simulator, session) as data:
            data.subscribe()
    assert faults.upgrades_refused == 3


def test_dropped_data_sockets(simulate: Start) -> None:
    faults = Faults().drop_data(after=10, times=2)
    simulator = simulate(faults=faults)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        control.until("completed")
        for expected in (10, 10, 73):
            with Data(simulator, session) as data:
                data.subscribe()
                received = data.rest() if expected == 10 else [*data.results(), None]
                assert len(received) == expected
    assert faults.fired == ("drop_data", "drop_data")
    assert faults.notifications_sent == 10 + 10 + 72


def test_withheld_terminals(simulate: Start) -> None:
    simulator = simulate(faults=Faults().withhold_terminal())
    with Control(simulator) as control:
        session = control.create(1000, 1000)
        control.proceed(1)
        control.until("completed")
        with Data(simulator, session) as data:
            number = data.subscribe()
            for _ in range(8):
                data.recv()
            # No other message precedes the answer to this.
            assert data.call("transactionUnsubscribe", [number])["result"] is True


# feature: faults of the embedded simulator
def test_rules_are_checked() -> None:
    with pytest.raises(InvalidParams):
        Faults().drop_control()
    with pytest.raises(InvalidParams):
        Faults().drop_control(before=1, after=2)
    with pytest.raises(InvalidParams):
        Faults().drop_control(before=0)
    with pytest.raises(InvalidParams):
        Faults().refuse_upgrade(503, where="elsewhere")


def test_faults_are_pending_until_they_have_occurred(simulate: Start) -> None:
    faults = Faults().delay_control(2, 0.0).drop_control(after=9).refuse_subscribe("no", times=2)
    expected = [("delay_control", 2), ("drop_control_after", 9), ("refuse_subscribe", None)]
    assert list(faults.pending) == expected
    with Control(simulate(faults=faults)) as control:
        create(control)
        control.until("readyForContinue")
    assert list(faults.pending) == expected[1:]
    assert faults.fired == ("delay_control",)
    assert faults.reset().pending == ()


def test_chaos_is_pending_with_the_next_fault_of_each_plane() -> None:
    (control, _), (data, number) = Faults(seed=1).pending
    assert control in {"drop_control_before", "drop_control_after", "delay_control", "replay_control"}
    assert data in {"drop_data_at", "delay_data"}
    assert number is not None
