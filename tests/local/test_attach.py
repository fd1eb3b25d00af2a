from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from simsync.local import Ledger, Simulator

from .bare import Control, Data, Dropped, Message, Rpc, name_of, slots_of


def create_numbered(control: Control, start: int = 1000, end: int = 1009) -> tuple[str, list[Message]]:
    control.ask("createBacktestSession", {"startSlot": start, "endSlot": end, "disconnectTimeoutSecs": 60})
    messages = control.until("readyForContinue")
    return messages[0]["params"]["session_id"], messages


def test_a_single_session_numbers_all_its_messages(simulator: Simulator) -> None:
    with Control(simulator) as control:
        _, messages = create_numbered(control)
        control.proceed(100)
        messages += control.until("completed")
        control.proceed(1)
        messages.append(control.recv())
    assert [message["seqId"] for message in messages] == list(range(1, len(messages) + 1))
    with Control(simulator) as control:
        control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "disconnectTimeoutSecs": 0})
        assert not any("seqId" in message for message in control.until("readyForContinue"))


# feature: numbered history, event buffer, replay, zstd
@pytest.mark.parametrize("first", [True, False])
def test_attaching_replays_what_was_missed(simulate: Callable[..., Simulator], first: bool) -> None:
    simulator = simulate(replay_before_attached=not first)
    control = Control(simulator)
    session, messages = create_numbered(control)
    control.proceed(2)
    messages += control.until("readyForContinue")
    control.drop()
    with Control(simulator) as again:
        cursor = messages[-3]["seqId"]
        again.ask("attachBacktestSession", {"session_id": session, "last_sequence": cursor})
        replies = [again.recv() for _ in range(3)]
        attached = replies.pop(0 if first else 2)
        assert attached == {
            "method": "sessionAttached",
            "params": {"session_id": session, "rpc_endpoint": f"/backtest/{session}", "task_id": None},
        }
        assert replies == messages[-2:]
        again.ask("resumeAttachedSession")
        assert again.recv() == {"method": "success"}
        again.proceed(1)
        assert slots_of(again.until("readyForContinue")) == [1003]


def test_without_a_cursor_everything_but_the_creation_is_replayed(simulator: Simulator) -> None:
    control = Control(simulator)
    session, messages = create_numbered(control)
    control.drop()
    with Control(simulator) as again:
        again.ask("attachBacktestSession", {"sessionId": session})
        assert again.until("readyForContinue")[1:] == messages[1:]


def test_a_session_keeps_working_while_no_client_is_connected(simulator: Simulator) -> None:
    control = Control(simulator)
    session, messages = create_numbered(control)
    control.proceed(100)
    control.drop()
    with Control(simulator) as again:
        again.ask("attachBacktestSession", {"session_id": session, "last_sequence": messages[-1]["seqId"]})
        replies = again.until("completed")
        assert slots_of(replies) == [1001, 1002, 1003, 1004, 1005, 1007, 1008, 1009]


def test_parallel_attach_has_a_cursor_per_session(simulator: Simulator) -> None:
    control = Control(simulator)
    created = control.create_parallel(1000, 1029, disconnectTimeoutSecs=60)
    first, second, third = created["session_ids"]
    for session in (first, second, third):
        control.proceed(1, session)
        control.until("readyForContinue")
    control.drop()
    with Control(simulator) as again:
        # The client has everything of the first session, lacks two events of the second and has none of the third.
        cursors = {first: 6, second: 4}
        params = {"control_session_id": created["control_session_id"], "last_sequences": cursors}
        again.ask("attachParallelControlSessionV2", params)
        attached = again.recv()
        assert attached["method"] == "parallelSessionAttachedV2"
        assert attached["params"]["session_ids"] == [first, second, third]
        assert attached["params"]["task_ids"] == [None] * 3
        replayed = [again.recv()["params"] for _ in range(2 + 6)]
        assert [(one["session_id"], one["seq_id"]) for one in replayed] == [
            (second, 5),
            (second, 6),
            *[(third, number) for number in range(1, 7)],
        ]
        # No resume is needed.
        again.proceed(1, first)
        message = again.recv()
        assert message["params"]["event"] == {"method": "slotNotification", "params": 1002}
        assert message["params"]["seq_id"] == 7


def test_parallel_replay_before_the_reply(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(replay_before_attached=True)
    control = Control(simulator)
    created = control.create_parallel(1000, 1009, disconnectTimeoutSecs=60)
    control.drop()
    with Control(simulator) as again:
        again.ask("attachParallelControlSessionV2", {"controlSessionId": created["control_session_id"]})
        messages = again.until("parallelSessionAttachedV2")
        assert [name_of(message) for message in messages[-3:]] == [
            "slotNotification",
            "readyForContinue",
            "parallelSessionAttachedV2",
        ]


def test_an_attach_takes_the_session_over(simulator: Simulator) -> None:
    with Control(simulator) as old, Control(simulator) as new:
        session, messages = create_numbered(old)
        new.ask("attachBacktestSession", {"session_id": session, "last_sequence": messages[-1]["seqId"]})
        assert new.recv()["method"] == "sessionAttached"
        with pytest.raises(Dropped, match="close 1001"):
            old.recv()
        new.proceed(1)
        assert slots_of(new.until("readyForContinue")) == [1001]


def test_attach_requires_a_session_that_outlives_its_socket(simulator: Simulator) -> None:
    with Control(simulator) as control, Control(simulator) as other:
        session = control.create(1000, 1009)
        other.ask("attachBacktestSession", {"session_id": session})
        assert "disconnectTimeoutSecs" in other.recv()["params"]["invalidRequest"]["error"]
        created = other.create_parallel(1000, 1009, disconnectTimeoutSecs=9)
        control.ask("closeBacktestSession")
        control.until("success")
        control.ask("attachBacktestSession", {"session_id": created["session_ids"][0]})
        assert "sub-session" in control.recv()["params"]["invalidRequest"]["error"]


def test_a_socket_with_sessions_cannot_attach_to_others(simulator: Simulator) -> None:
    with Control(simulator) as control, Control(simulator) as other:
        session, _ = create_numbered(control)
        other.create(1010, 1019)
        other.ask("attachBacktestSession", {"session_id": session})
        assert "already has" in other.recv()["params"]["invalidRequest"]["error"]


def test_the_session_expires_when_no_client_attaches(simulator: Simulator) -> None:
    control = Control(simulator)
    control.ask("createBacktestSession", {"startSlot": 1000, "endSlot": 1009, "disconnectTimeoutSecs": 1})
    session = control.until("readyForContinue")[0]["params"]["session_id"]
    data = Data(simulator, session)
    data.subscribe()
    control.drop()
    begun = time.monotonic()
    data.rest()
    assert 0.8 < time.monotonic() - begun < 5
    assert data.close_code == 1001
    data.drop()
    with Control(simulator) as again:
        again.ask("attachBacktestSession", {"session_id": session})
        assert again.recv()["params"] == {"sessionNotFound": {"session_id": session}}


def test_a_socket_that_closes_its_sessions_leaves_nothing(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session, _ = create_numbered(control)
        control.ask("closeBacktestSession")
        control.until("success")
        with Control(simulator) as again:
            again.ask("attachBacktestSession", {"session_id": session})
            assert "sessionNotFound" in again.recv()["params"]
    assert requests.post(Rpc(simulator, session).url, json={}, timeout=5).status_code == 404


def test_the_data_plane_outlives_the_control_socket(simulator: Simulator, ledger: Ledger) -> None:
    control = Control(simulator)
    session, _ = create_numbered(control)
    with Data(simulator, session) as data:
        data.subscribe()
        control.proceed(100)
        control.drop()
        assert len(list(data.results())) == sum(block.transaction_count for block in ledger.blocks_between(1000, 1009))
