"""Control frames: every documented example message becomes the right object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simsync.events import (
    BacktestError,
    Completed,
    DiscoveryBatch,
    Event,
    Paused,
    ReadyForContinue,
    SessionError,
    SessionSummary,
    Slot,
    Status,
    UnknownEvent,
)
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import (
    OWN_SESSION,
    ControlMessage,
    ErrorReported,
    NotUnderstood,
    ParallelAttached,
    SessionAttached,
    SessionCreated,
    SessionEvent,
    SessionsCreated,
    Succeeded,
)
from simsync.wire.dialect import Dialect

PROGRAM = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"

pytestmark = pytest.mark.usefixtures("codec")


def decode(text: str) -> ControlMessage:
    return ControlDecoder(Dialect()).decode(text.encode())


def own(event: Event, sequence: int | None = None) -> SessionEvent:
    return OWN_SESSION, sequence, event


MATCHED = {"programExecuted": PROGRAM}
ENCODED = {"data": "AQIDBA==", "encoding": "base64"}

RESPONSES: list[tuple[str, ControlMessage]] = [
    (
        '{"method":"sessionCreated","params":{"session_id":"backtest_a1","rpc_endpoint":"/backtest/backtest_a1",'
        '"task_id":null}}',
        SessionCreated("backtest_a1", "/backtest/backtest_a1", None),
    ),
    (
        '{"method":"sessionCreated","params":{"sessionId":"backtest_a1",'
        '"rpcEndpoint":"https://sim.example/backtest/backtest_a1"}}',
        SessionCreated("backtest_a1", "https://sim.example/backtest/backtest_a1", None),
    ),
    (
        '{"method":"sessionAttached","params":{"session_id":"backtest_a1","rpc_endpoint":"/backtest/backtest_a1",'
        '"task_id":"task-4"}}',
        SessionAttached("backtest_a1", "/backtest/backtest_a1", "task-4"),
    ),
    (
        '{"method":"sessionsCreatedV2","params":{"control_session_id":"parallel_c0","session_ids":["backtest_a1",'
        '"backtest_b2"],"task_ids":[null,null],"start_slots":[312000000,312005000],"end_slots":[312004999,312009999]}}',
        SessionsCreated(
            "parallel_c0",
            ("backtest_a1", "backtest_b2"),
            (None, None),
            (312000000, 312005000),
            (312004999, 312009999),
        ),
    ),
    (
        '{"method":"parallelSessionAttachedV2","params":{"control_session_id":"parallel_c0","session_ids":'
        '["backtest_a1","backtest_b2"],"task_ids":[null,null]}}',
        ParallelAttached("parallel_c0", ("backtest_a1", "backtest_b2")),
    ),
    ('{"method":"readyForContinue"}', own(ReadyForContinue())),
    ('{"method":"readyForContinue","params":null}', own(ReadyForContinue())),
    ('{"method":"slotNotification","params":312000004}', own(Slot(312000004))),
    (
        '{"method":"paused","params":{"slot":312000012,"batchIndex":3}}',
        own(Paused(312000012, 3, {"slot": 312000012, "batchIndex": 3})),
    ),
    (
        '{"method":"discoveryBatch","params":{"slot":312000012,"batchIndex":3,"matched":[{"programExecuted":'
        '"whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"}],"transactions":[{"data":"AQIDBA==","encoding":"base64"}],'
        '"transactionIndices":[41]}}',
        own(
            DiscoveryBatch(
                312000012,
                3,
                (MATCHED,),
                (ENCODED,),
                {
                    "slot": 312000012,
                    "batchIndex": 3,
                    "matched": [MATCHED],
                    "transactions": [ENCODED],
                    "transactionIndices": [41],
                },
                transaction_indices=(41,),
            )
        ),
    ),
    (
        '{"method":"status","params":{"status":"executedBlockTransactions"}}',
        own(Status("executedBlockTransactions")),
    ),
    (
        '{"method":"completed","params":{"summary":{"correctSimulation":5120,"incorrectSimulation":4,'
        '"executionErrors":2,"balanceDiff":3,"logDiff":1,"unsanitizable":0,"rerouteStats":null}}}',
        own(Completed(SessionSummary(5120, 4, 2, 3, 1, 0), None)),
    ),
    ('{"method":"success"}', Succeeded()),
    (
        '{"method":"error","params":{"bundleNotFound":{"start_slot":311999000,"end_slot":311999999}}}',
        ErrorReported(
            BacktestError(
                "BundleNotFound",
                {"start_slot": 311999000, "end_slot": 311999999},
                {"bundleNotFound": {"start_slot": 311999000, "end_slot": 311999999}},
                terminal=True,
            )
        ),
    ),
    (
        '{"method":"sessionsCreated","params":{"session_ids":["backtest_a1"]}}',
        SessionsCreated(None, ("backtest_a1",), (), (), ()),
    ),
    (
        '{"method":"sessionEventV1","params":{"session_id":"backtest_a1","event":{"method":"readyForContinue"}}}',
        ("backtest_a1", None, ReadyForContinue()),
    ),
]

SESSION_EVENTS: list[tuple[str, ControlMessage]] = [
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":1,"event":'
        '{"method":"readyForContinue"}}}',
        ("backtest_a1", 1, ReadyForContinue()),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":2,"event":'
        '{"method":"slotNotification","params":312000000}}}',
        ("backtest_a1", 2, Slot(312000000)),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":3,"event":'
        '{"method":"paused","params":{"slot":312000012,"batchIndex":null}}}}',
        ("backtest_a1", 3, Paused(312000012, None, {"slot": 312000012, "batchIndex": None})),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":4,"event":'
        '{"method":"discoveryBatch","params":{"slot":312000020,"batchIndex":0,"matched":[],"transactions":[]}}}}',
        (
            "backtest_a1",
            4,
            DiscoveryBatch(
                312000020, 0, (), (), {"slot": 312000020, "batchIndex": 0, "matched": [], "transactions": []}
            ),
        ),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":5,"event":'
        '{"method":"status","params":{"status":"decodedTransactions"}}}}',
        ("backtest_a1", 5, Status("decodedTransactions")),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":6,"event":'
        '{"method":"error","params":{"simulationError":{"error":"bad"}}}}}',
        (
            "backtest_a1",
            6,
            SessionError(BacktestError("SimulationError", {"error": "bad"}, {"simulationError": {"error": "bad"}})),
        ),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":7,"event":{"method":"success"}}}',
        ("backtest_a1", 7, None),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_a1","seq_id":8,"event":'
        '{"method":"completed","params":{"summary":null}}}}',
        ("backtest_a1", 8, Completed(None, None)),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_b2","seq_id":1,"event":"readyForContinue"}}',
        ("backtest_b2", 1, ReadyForContinue()),
    ),
    (
        '{"method":"sessionEventV2","params":{"session_id":"backtest_b2","seq_id":2,"event":'
        '{"slotNotification":312005000}}}',
        ("backtest_b2", 2, Slot(312005000)),
    ),
]

NUMBERED: list[tuple[str, ControlMessage]] = [
    ('{"seqId":58,"method":"slotNotification","params":312000009}', own(Slot(312000009), 58)),
    ('{"seq_id":59,"method":"readyForContinue"}', own(ReadyForContinue(), 59)),
    ('{"method":"success","seqId":60}', Succeeded(60)),
    (
        '{"method":"error","params":"internal","seqId":61}',
        ErrorReported(BacktestError("Internal", {}, "internal"), 61),
    ),
]

ERRORS: list[tuple[str, ControlMessage]] = [
    (
        '{"method":"error","params":"noMoreBlocks"}',
        ErrorReported(BacktestError("NoMoreBlocks", {}, "noMoreBlocks", terminal=True)),
    ),
    (
        '{"method":"error","params":{"advanceSlotFailed":{"slot":312000004,"error":"bank could not be frozen"}}}',
        ErrorReported(
            BacktestError(
                "AdvanceSlotFailed",
                {"slot": 312000004, "error": "bank could not be frozen"},
                {"advanceSlotFailed": {"slot": 312000004, "error": "bank could not be frozen"}},
                terminal=True,
            )
        ),
    ),
    (
        '{"method":"error","params":{"type":"SessionOwnershipBusy","data":{"reason":"handed over to another node"}}}',
        ErrorReported(
            BacktestError(
                "SessionOwnershipBusy",
                {"reason": "handed over to another node"},
                {"type": "SessionOwnershipBusy", "data": {"reason": "handed over to another node"}},
            )
        ),
    ),
]


@pytest.mark.parametrize(("text", "expected"), [*RESPONSES, *SESSION_EVENTS, *NUMBERED, *ERRORS])
def test_documented_messages(text: str, expected: ControlMessage) -> None:
    assert decode(text) == expected


INNER_KINDS: list[tuple[str, Any, Event | None]] = [
    ("readyForContinue", None, ReadyForContinue()),
    ("success", None, None),
    ("slotNotification", 312000000, Slot(312000000)),
    ("paused", {"slot": 5, "batchIndex": 2}, Paused(5, 2, {"slot": 5, "batchIndex": 2})),
    ("paused", {"slot": 5}, Paused(5, None, {"slot": 5})),
    ("discoveryBatch", {"slot": 5}, DiscoveryBatch(5, None, (), (), {"slot": 5})),
    (
        "discoveryBatch",
        {"slot": 5, "transaction_indices": [1, "x", True, 2**70]},
        DiscoveryBatch(5, None, (), (), {"slot": 5, "transaction_indices": [1, "x", True, 2**70]}, None, (1,)),
    ),
    ("error", "noMoreBlocks", SessionError(BacktestError("NoMoreBlocks", {}, "noMoreBlocks", terminal=True))),
    ("status", {"status": "bundleReady"}, Status("bundleReady")),
    ("status", "bundleReady", Status("bundleReady")),
    ("completed", {"summary": {"correctSimulation": 3}}, Completed(SessionSummary(correct_simulation=3), None)),
    ("completed", {}, Completed(None, None)),
    ("completed", None, Completed(None, None)),
    ("somethingNew", {"a": [1]}, UnknownEvent("somethingNew", {"a": [1]})),
]


@pytest.mark.parametrize(("kind", "payload", "expected"), INNER_KINDS)
def test_inner_events_in_all_three_forms(kind: str, payload: Any, expected: Event | None) -> None:
    forms: list[Any] = [{"method": kind, "params": payload}, {kind: payload}]
    if payload is None:
        forms += [kind, {"method": kind}]
    for form in forms:
        message = {"method": "sessionEventV2", "params": {"session_id": "s", "seq_id": 9, "event": form}}
        assert decode(json.dumps(message)) == ("s", 9, expected), form


def test_the_summary_keeps_what_the_server_sent() -> None:
    message = decode('{"method":"completed","params":{"summary":{"executionDiffs":4,"rerouteStats":{"n":[1]}}}}')
    assert isinstance(message, tuple)
    event = message[2]
    assert isinstance(event, Completed)
    summary = event.summary
    assert summary is not None
    assert summary.raw == {"executionDiffs": 4, "rerouteStats": {"n": [1]}}
    assert summary.reroute_stats == {"n": [1]}
    assert summary.correct_simulation == 0


def test_agent_statistics_are_passed_on() -> None:
    message = decode('{"method":"completed","params":{"agent_stats":[{"name":"x"}]}}')
    assert message == own(Completed(None, [{"name": "x"}]))


# What is unknown is kept raw.


@pytest.mark.parametrize("status", ["preparingBundle", "aStatusOfNextYear", ""])
def test_statuses_pass_through(status: str) -> None:
    assert decode(f'{{"method":"status","params":{{"status":"{status}"}}}}') == own(Status(status))


def test_an_unknown_method_is_kept_raw() -> None:
    message = decode('{"method":"sessionMoved","params":{"to":1}}')
    assert isinstance(message, NotUnderstood)
    assert message.raw == {"method": "sessionMoved", "params": {"to": 1}}
    assert "sessionMoved" in message.reason
    assert message.is_json


def test_an_unknown_error_is_kept_raw_and_not_terminal() -> None:
    message = decode('{"method":"error","params":{"diskFull":{"left":0}}}')
    expected = BacktestError("diskFull", {"left": 0}, {"diskFull": {"left": 0}}, terminal=False)
    assert message == ErrorReported(expected)


@pytest.mark.parametrize("event", ["null", "5", "[]", "{}", '{"kind":"slot","data":5}', '{"method":7}'])
def test_a_session_event_of_no_known_form_is_still_an_event_of_that_session(event: str) -> None:
    message = decode(f'{{"method":"sessionEventV2","params":{{"session_id":"s","seq_id":4,"event":{event}}}}}')
    assert type(message) is tuple
    assert message[:2] == ("s", 4)
    assert isinstance(message[2], UnknownEvent)


def test_an_event_whose_payload_does_not_fit_is_kept_raw() -> None:
    wrong: list[tuple[str, Any]] = [
        ("slotNotification", '"5"'),
        ("slotNotification", "true"),
        ("slotNotification", "1.5"),
        ("paused", "null"),
        ("paused", "{}"),
        ("discoveryBatch", "[1]"),
        ("status", "7"),
    ]
    for kind, payload in wrong:
        message = decode(f'{{"method":"{kind}","params":{payload}}}')
        assert isinstance(message, tuple), (kind, payload)
        event = message[2]
        assert isinstance(event, UnknownEvent), (kind, payload)
        assert event.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "7",
        '"sessionCreated"',
        "[]",
        "{}",
        '{"params":{}}',
        '{"method":7}',
        '{"method":"sessionCreated"}',
        '{"method":"sessionCreated","params":{}}',
        '{"method":"sessionCreated","params":{"session_id":"s"}}',
        '{"method":"sessionCreated","params":{"session_id":7,"rpc_endpoint":"/"}}',
        '{"method":"sessionAttached","params":{"rpc_endpoint":"/"}}',
        '{"method":"sessionsCreatedV2","params":[]}',
        '{"method":"parallelSessionAttachedV2","params":"x"}',
        '{"method":"sessionEventV2"}',
        '{"method":"sessionEventV2","params":7}',
        '{"method":"sessionEventV2","params":{"seq_id":1,"event":"readyForContinue"}}',
    ],
)
def test_messages_that_make_no_sense(text: str) -> None:
    message = decode(text)
    assert isinstance(message, NotUnderstood)
    assert message.is_json
    assert message.reason


@pytest.mark.parametrize("payload", [b"", b"no json", b"{", b"\xff\xfe", b"{}{}", b"\x00", b"\xef\xbb\xbf{}", b"NaN"])
def test_frames_that_are_no_json(payload: bytes) -> None:
    message = ControlDecoder(Dialect()).decode(payload)
    assert isinstance(message, NotUnderstood)
    assert not message.is_json
    assert message.raw == payload


def test_missing_lists_read_as_empty() -> None:
    created = decode('{"method":"sessionsCreatedV2","params":{"control_session_id":"c"}}')
    assert created == SessionsCreated("c", (), (), (), ())
    attached = decode('{"method":"parallelSessionAttachedV2","params":{}}')
    assert attached == ParallelAttached(None, ())


def test_lists_stay_parallel_whatever_is_in_them() -> None:
    message = decode(
        '{"method":"sessionsCreatedV2","params":{"control_session_id":"c","session_ids":["a",7,null],'
        '"task_ids":["t",7,null],"start_slots":[1,2,3],"end_slots":[1,2,3]}}'
    )
    assert message == SessionsCreated("c", ("a", "", ""), ("t", None, None), (1, 2, 3), (1, 2, 3))


def test_the_dialect_decides_what_is_terminal() -> None:
    decoder = ControlDecoder(Dialect(is_terminal=lambda error: error.name == "diskFull"))
    unknown = decoder.decode(b'{"method":"error","params":"diskFull"}')
    known = decoder.decode(b'{"method":"error","params":"noMoreBlocks"}')
    assert isinstance(unknown, ErrorReported)
    assert unknown.error.terminal
    assert isinstance(known, ErrorReported)
    assert not known.error.terminal
