"""Every other form of a message that a client must understand."""

from __future__ import annotations

import time
from collections.abc import Callable

import websocket

from simsync.local import Simulator

from .bare import Control, name_of, slots_of

Start = Callable[..., Simulator]


def test_camel_case_inline_keys(simulate: Start) -> None:
    with Control(simulate(inline_case="camel")) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "parallel": True})
        created, ranges = control.recv(), control.recv()
        session = created["params"]["sessionId"]
        assert set(created["params"]) == {"sessionId", "rpcEndpoint", "taskId"}
        assert ranges["params"]["startSlots"] == [1000]
        assert control.recv()["params"].keys() == {"sessionId", "seqId", "event"}
        control.proceed(1, session)
        control.until("status")


def test_external_event_form(simulate: Start) -> None:
    with Control(simulate(event_form="external")) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "parallel": True})
        events = [message["params"]["event"] for message in control.until("readyForContinue")[2:]]
        assert events[-2:] == [{"slotNotification": 1000}, "readyForContinue"]


def test_tagged_errors(simulate: Start) -> None:
    with Control(simulate(error_form="tagged")) as control:
        control.create(1000, 1000)
        control.proceed(1)
        control.proceed(1)
        assert control.until("error")[-1]["params"] == {"type": "noMoreBlocks"}
        control.ask("attachBacktestSession", {"session_id": "x"})
        assert control.recv()["params"] == {"type": "sessionNotFound", "data": {"session_id": "x"}}


def test_null_params_and_binary_frames(simulate: Start) -> None:
    with Control(simulate(null_params=True, binary_frames=True)) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009})
        assert control.until("readyForContinue")[-1] == {"method": "readyForContinue", "params": None}
        control.ask("closeBacktestSession")
        assert control.recv_frame()[0] == websocket.ABNF.OPCODE_BINARY


def test_absolute_endpoints(simulate: Start) -> None:
    simulator = simulate(absolute_endpoints=True)
    with Control(simulator) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009})
        params = control.recv()["params"]
        assert params["rpc_endpoint"] == f"{simulator.url}/backtest/{params['session_id']}"


def test_ready_after_paused(simulate: Start) -> None:
    with Control(simulate(ready_after_paused=True)) as control:
        control.create(1000, 1009)
        control.ask("continueTo", {"slot": 1003})
        assert [name_of(message) for message in control.until("readyForContinue")][-2:] == [
            "paused",
            "readyForContinue",
        ]


def test_slot_notifications(simulate: Start) -> None:
    with Control(simulate(notify_start=False, notify_skipped=True)) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009})
        assert slots_of(control.until("readyForContinue")) == []
        control.proceed(7)
        assert slots_of(control.until("readyForContinue")) == list(range(1001, 1009))


def test_statuses_of_every_continue(simulate: Start) -> None:
    with Control(simulate(statuses=True)) as control:
        control.create(1000, 1009)
        control.proceed(1)
        messages = control.until("readyForContinue")
        assert [message["params"]["status"] for message in messages if name_of(message) == "status"] == [
            "decodedTransactions",
            "executingBlockTransactions",
            "executedBlockTransactions",
        ]


def test_events_during_a_parallel_create(simulate: Start) -> None:
    with Control(simulate(early_events=True)) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1019, "parallel": True})
        names = [name_of(message) for message in control.until("sessionsCreatedV2")]
        one = ["sessionCreated", "status", "status", "slotNotification", "readyForContinue"]
        assert names == [*one, *one, "sessionsCreatedV2"]


def test_slow_creation_still_answers_pings_and_close(simulate: Start) -> None:
    with Control(simulate(create_delay=0.3)) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1019, "parallel": True})
        begun = time.monotonic()
        control.raw.ping("there?")
        opcode, _ = control.raw.recv_data_frame(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_PONG
        assert time.monotonic() - begun < 0.25
        assert control.recv()["method"] == "sessionCreated"
        control.ask("closeBacktestSession")
        assert control.recv() == {"method": "success"}


def test_slow_slots(simulate: Start) -> None:
    with Control(simulate(slot_delay=0.1)) as control:
        control.create(1000, 1009)
        begun = time.monotonic()
        control.proceed(3)
        control.until("readyForContinue")
        assert time.monotonic() - begun > 0.25
