"""The findings of a capture, for answers that the embedded simulator does not give."""

from __future__ import annotations

from typing import Any

import pytest

from simsync.doctor import Finding, Record, findings
from simsync.doctor.observation import ALSO, DIFFERS, HIDDEN, HOLDS, NOT_SEEN

CREATE = {"startSlot": 1000, "endSlot": 1005, "disconnectTimeoutSecs": 120}
CREATED = {"method": "sessionCreated", "params": {"session_id": "<session-1>", "rpc_endpoint": "/backtest/<session-1>"}}
STREAM = "ws://<host>/backtest/<session-1>"


class Script:
    """Records, one after the other."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, plane: str, connection: int, direction: str, kind: str, **more: Any) -> Script:
        self.records.append(Record(float(len(self.records)), plane, connection, direction, kind, **more))
        return self

    def sent(self, method: str, params: Any = None, connection: int = 1) -> Script:
        message = {"method": method} if params is None else {"method": method, "params": params}
        return self.add("control", connection, "sent", "text", message=message)

    def came(self, message: Any, connection: int = 1) -> Script:
        return self.add("control", connection, "received", "text", message=message)

    def event(self, inner: Any) -> Script:
        params = {"session_id": "<session-1>", "seq_id": len(self.records), "event": inner}
        return self.came({"method": "sessionEventV2", "params": params})

    def subscribe(self, method: str, wanted: Any, answer: Any, connection: int = 9) -> Script:
        request = {"id": 1, "method": method, "params": [wanted, {"commitment": "confirmed"}]}
        self.add("data", connection, "sent", "text", url=STREAM, message=request)
        return self.data({"id": 1, **answer}, connection)

    def data(self, message: Any, connection: int = 9) -> Script:
        return self.add("data", connection, "received", "text", url=STREAM, message=message)

    def note(self, result: Any, connection: int = 9, method: str = "transactionNotification") -> Script:
        return self.data({"method": method, "params": {"subscription": 5, "result": result}}, connection)

    def http(self, method: str, path: str, status: int, reply: Any = None, request: Any = None) -> Script:
        connection = 100 + len(self.records)
        self.add("http", connection, "sent", method, url="http://<host>" + path, message=request)
        more: dict[str, Any] = {"url": "http://<host>" + path, "status": status, "message": reply}
        return self.add("http", connection, "received", "reply", **more)

    def step(self, text: str, kind: str = "step") -> Script:
        return self.add("probe", 0, "", kind, text=text)

    def about(self, guess: str) -> Finding:
        return next(one for one in findings(self.records) if one.guess == guess)


def single(**create: Any) -> Script:
    return Script().sent("createBacktestSession", {**CREATE, **create}).came(CREATED)


def refused_beside(accepted: Any, refused: Any) -> Script:
    """A create with an action is accepted, and one with another action is refused."""
    script = single(actions=[accepted]).sent("createBacktestSession", {**CREATE, "actions": [refused]}, 2)
    return script.came({"method": "error", "params": {"invalidRequest": {}}}, 2)


def parallel() -> Script:
    return Script().sent("createBacktestSession", {**CREATE, "parallel": True}).came(CREATED)


def completed(summary: Any = None) -> Script:
    return single().came({"method": "completed", "params": {"summary": summary}})


def session_rpc(method: str, reply: Any, status: int = 200) -> Script:
    return Script().http("POST", "/backtest/<session-1>", status, reply, {"method": method, "params": ["x"]})


def ended(*results: tuple[str, Any]) -> Script:
    script = completed().subscribe("transactionSubscribe", "all", {"result": 5})
    for method, result in results:
        script.note(result, method=method)
    return script


ATTACH = {"session_id": "<session-1>"}
ATTACHED = {"method": "sessionAttached", "params": {"session_id": "<session-1>"}}
PAUSE = {"slot": 1003, "batchIndex": 0}
SHOWN = {"slot": 1003, "transaction": {"signatures": ["s"]}}
READY = {"method": "readyForContinue"}
MATCH_LIST = {"anchor": {"beforeMatch": {"filter": {}}}, "transactions": ["x"]}
EVERY = {"beforeEverySlot": {"everyNSlots": 1}}
TO = "fields of `continueTo`"
ADDRESS = "SimsyncProbe1111111111111111111111111111111"


def paused(payload: Any, *, with_block: bool = True) -> Script:
    script = single().sent("continueTo", PAUSE).came({"method": "paused", "params": payload})
    return script.subscribe("transactionSubscribe", "all", {"result": 5}).note(SHOWN if with_block else {"slot": 1})


CASES: list[tuple[str, Script, str, str]] = [
    (TO, paused({"slot": 1003, "batchIndex": None}), DIFFERS, "pauses at the slot, not at the batch"),
    (TO, paused(PAUSE), HOLDS, "pauses before the batch"),
    (
        TO,
        paused({"slot": 1003}, with_block=False),
        NOT_SEEN,
        "slot 1003 may have no block, and then no batch to pause before",
    ),
    (
        TO,
        single().sent("continueTo", PAUSE).came({"method": "readyForContinue"}),
        DIFFERS,
        "ends in `readyforcontinue`, not in a pause",
    ),
    (
        TO,
        single().sent("continueTo", PAUSE).came({"method": "error", "params": "invalidRequest"}),
        DIFFERS,
        "rejected (invalidRequest)",
    ),
    (
        "a continue by more blocks than are left",
        single().sent("continue", {"advanceCount": 1000}).came({"method": "error", "params": {"invalidRequest": {}}}),
        DIFFERS,
        "ends in `error`",
    ),
    (
        "a continue by more blocks than are left",
        single().sent("continue", {"advanceCount": 1000}).came(READY).came({"method": "completed"}),
        HOLDS,
        "ends in `completed`",
    ),
    (
        "a continue by more blocks than are left",
        single()
        .sent("continue", {"advanceCount": 1000})
        .came(READY)
        .sent("closeBacktestSession")
        .came({"method": "completed"}),
        DIFFERS,
        "ends in `readyforcontinue`",
    ),
    (
        "`parallel` flat beside the other keys",
        parallel().came({"method": "readyForContinue"}),
        DIFFERS,
        "not understood: a single session",
    ),
    (
        "`parallel` flat beside the other keys",
        parallel().came({"method": "sessionsCreated", "params": {"session_ids": []}}),
        DIFFERS,
        "answers with sessionsCreated, which has no ranges",
    ),
    (
        "form of the event inside `sessionEventV2`",
        parallel().event({"what": "ready", "of": 1}),
        DIFFERS,
        "something else",
    ),
    (
        "`paused`",
        single().came({"method": "paused", "params": {"slot": 1, "batch": 2}}),
        DIFFERS,
        "without batchIndex; there are batch",
    ),
    (
        "`discoveryBatch`",
        single().came(
            {"method": "discoveryBatch", "params": {"slot": 1, "batch_index": 0, "matched": [], "transactions": []}}
        ),
        HOLDS,
        "these names",
    ),
    ("names of the summary's numbers", completed({"good": 5}), DIFFERS, "other names: good"),
    ("names of the summary's numbers", completed({"correctSimulation": 5, "swaps": 1}), ALSO, "these names, and swaps"),
    ("names of the summary's numbers", completed(), NOT_SEEN, "`completed` had no summary"),
    (
        "unknown methods, event kinds, statuses",
        single().came({"method": "weather", "params": 1}),
        ALSO,
        "unknown methods: weather; no statuses during continues",
    ),
    (
        "numbers of a single session (`seqId` beside `method`)",
        single().came({"method": "readyForContinue"}),
        DIFFERS,
        "no numbers",
    ),
    (
        "numbers of a single session (`seqId` beside `method`)",
        single().came({"method": "status", "seqId": 2}).came({"method": "status", "seqId": 5}),
        ALSO,
        "rising, with gaps",
    ),
    ("form of errors", single().came({"method": "error", "params": 42}), DIFFERS, "something else"),
    (
        "names and fields of errors",
        single().came({"method": "error", "params": {"rainedOff": {}}}),
        DIFFERS,
        "unknown names: rainedOff",
    ),
    (
        "names and fields of errors",
        single().came({"method": "error", "params": {"type": "no_more_blocks"}}),
        HOLDS,
        "known names",
    ),
    (
        "an error while attaching",
        Script()
        .sent("attachBacktestSession", ATTACH)
        .came({"method": "error", "params": {"internal": {"error": "?"}}}),
        DIFFERS,
        "internal for a session that does not exist",
    ),
    (
        "which errors answer a continue",
        single().sent("continue", {"transactions": ["x"]}).came({"method": "error", "params": {"invalidRequest": {}}}),
        DIFFERS,
        "invalidRequest, without `readyForContinue`",
    ),
    (
        "which errors answer a continue",
        single().sent("continue", {"transactions": ["x"]}).came({"method": "slotNotification", "params": 1001}),
        DIFFERS,
        "an invalid transaction is not rejected: `slotnotification`",
    ),
    (
        "which errors answer a continue",
        single()
        .sent("continue", {"transactions": ["x"]})
        .came({"method": "slotNotification", "params": 1001})
        .came({"method": "error", "params": {"invalidTransactionFormat": {"error": "?"}}})
        .came(READY),
        HOLDS,
        "invalidTransactionFormat, then `readyForContinue`",
    ),
    (
        "attaching to a single session",
        Script().sent("attachBacktestSession", ATTACH).came(ATTACHED).sent("resumeAttachedSession"),
        ALSO,
        "`sessionAttached`; the resume is not answered",
    ),
    (
        "numbers of replies among the events of a single session",
        Script().sent("attachBacktestSession", ATTACH).came({**ATTACHED, "seqId": 7}),
        ALSO,
        "numbered among the events",
    ),
    (
        "endpoint when `sessionAttached` does not name it",
        Script().sent("attachBacktestSession", ATTACH).came(ATTACHED),
        ALSO,
        "not named",
    ),
    (
        "keys of attach requests",
        Script().sent("attachBacktestSession", ATTACH).came({"method": "error", "params": {"invalidRequest": {}}}),
        NOT_SEEN,
        "every attach was rejected: invalidRequest",
    ),
    (
        "waiting for the answer to a close",
        single().sent("closeBacktestSession").came({"method": "completed", "params": {}}),
        ALSO,
        "answered with `completed`",
    ),
    (
        "waiting for the answer to a close",
        single().sent("closeBacktestSession").add("control", 1, "received", "close", status=1000),
        ALSO,
        "closed without an answer",
    ),
    (
        "closing a connection with all its sessions",
        single().sent("closeBacktestSession").came({"method": "error", "params": "invalidRequest"}),
        DIFFERS,
        "rejected",
    ),
    (
        "fields of `closeSessionV1`",
        parallel().sent("closeSessionV1", ATTACH).came({"method": "error", "params": {"sessionNotFound": {}}}),
        DIFFERS,
        "rejected (sessionNotFound)",
    ),
    # The answer to closeBacktestSession does not answer closeSessionV1.
    (
        "fields of `closeSessionV1`",
        parallel().sent("closeSessionV1", ATTACH).sent("closeBacktestSession").came({"method": "success"}),
        NOT_SEEN,
        "not answered",
    ),
    (
        "a number of slots instead of the end",
        single().came({"method": "slotNotification", "params": 1006}).came({"method": "completed"}),
        DIFFERS,
        "continues after the end slot",
    ),
    (
        "tagging of discovery filters",
        single(discoveries=[{"programExecuted": "x"}]),
        NOT_SEEN,
        "accepted, but no match was announced",
    ),
    (
        "tagging of discovery filters",
        Script()
        .sent("createBacktestSession", {**CREATE, "discoveries": [{"a": 1}]})
        .came({"method": "error", "params": {"invalidRequest": {}}}),
        DIFFERS,
        "rejects every form that was tried (invalidRequest)",
    ),
    (
        "tagging of anchors",
        Script()
        .sent("createBacktestSession", {**CREATE, "actions": [{"anchor": "afterSlot"}]})
        .came({"method": "error", "params": {"invalidRequest": {}}}),
        NOT_SEEN,
        "no create with actions was accepted (invalidRequest); from 0.14 on, servers take transactions as one"
        " compressed text, which is not documented",
    ),
    # The same content is accepted at another anchor, so the anchor is what the server rejects.
    (
        "match anchors",
        refused_beside({"anchor": "afterSlot", "transactions": ["x"]}, MATCH_LIST),
        DIFFERS,
        "rejects every form that was tried (invalidRequest)",
    ),
    (
        "anchors at every n slots, and their key",
        refused_beside({"anchor": "afterSlot", "transactions": ["x"]}, {"anchor": EVERY, "transactions": ["x"]}),
        NOT_SEEN,
        "rejected (invalidRequest), as servers before 0.23 do",
    ),
    # It may as well be the list.
    (
        "match anchors",
        refused_beside({"anchor": "afterSlot"}, MATCH_LIST),
        NOT_SEEN,
        "the step 'run' was not reached",
    ),
    (
        "transactions of an action",
        refused_beside({"anchor": "afterSlot"}, MATCH_LIST),
        NOT_SEEN,
        "a list was rejected (invalidRequest); from 0.14 on, servers take transactions as one compressed text, which is"
        " not documented",
    ),
    # The balance is of a session without the override.
    (
        "overrides per slot",
        refused_beside({"anchor": "afterSlot"}, {"anchor": "beforeSlot", "accountOverrides": {ADDRESS: {}}}).http(
            "POST",
            "/backtest/<session-1>",
            200,
            {"result": {"value": 0}},
            {"method": "getBalance", "params": [ADDRESS]},
        ),
        NOT_SEEN,
        "rejected (invalidRequest), as servers before 0.18 do",
    ),
    (
        "tagging of anchors",
        single(actions=[{"anchor": "afterSlot"}]),
        NOT_SEEN,
        "accepted, but no result of the action was received",
    ),
    (
        "overrides per slot",
        single(actions=[{"anchor": "beforeSlot", "accountOverrides": {ADDRESS: {}}}]).http(
            "POST",
            "/backtest/<session-1>",
            200,
            {"result": {"value": 0}},
            {"method": "getBalance", "params": [ADDRESS]},
        ),
        DIFFERS,
        "without effect",
    ),
    (
        "other keys of an action",
        single(actions=[{"anchor": "afterSlot", "label": "mine"}])
        .subscribe("actionSubscribe", None, {"result": 5})
        .note({"slot": 1, "actionIndex": 0, "accounts": []}, method="actionNotification"),
        DIFFERS,
        "without effect: label, returnAccounts",
    ),
    (
        "shape of an action result, older and newer",
        single(actions=[{"anchor": "afterSlot"}])
        .subscribe("actionSubscribe", None, {"result": 5})
        .note({"slot": 1, "actionIndex": 0, "outcome": 1}, method="actionNotification"),
        DIFFERS,
        "neither",
    ),
    ("commitment", session_rpc("getBalance", {"error": {"code": -32602, "message": "no"}}), DIFFERS, "rejected: no"),
    (
        "commitment",
        session_rpc("getBalance", None, 503),
        NOT_SEEN,
        "no readable answer to getBalance (HTTP 503)",
    ),
    (
        "params and result of `getAddressLookupTable`",
        session_rpc("getAddressLookupTable", {"error": {"code": -32601, "message": "?"}}),
        NOT_SEEN,
        "this server has no getAddressLookupTable",
    ),
    (
        "`/available-ranges`: size of a bundle",
        Script().http("GET", "/available-ranges", 200, [{"bundleStartSlot": 1, "bundleSize": 5}]),
        DIFFERS,
        "named bundleSize",
    ),
    (
        "`/available-ranges`: size of a bundle",
        Script().http("GET", "/available-ranges", 200, [{"bundleStartSlot": 1}]),
        ALSO,
        "not given; simsync counts the slots from start to end",
    ),
    (
        "names of the window of `/usage`",
        Script().http("GET", "/usage?since=2026-05-01T10&until=x", 200, {"since": "2026-04-01T00:00:00Z"}),
        DIFFERS,
        "ignored",
    ),
    (
        "`daily` and `pricing` of a usage report",
        Script().http("GET", "/usage?since=x", 200, {"daily": [], "pricing": {"a": 0}}),
        ALSO,
        "has daily and pricing",
    ),
    (
        "fields of bundle builds and bundles",
        Script().http("GET", "/build-bundle", 200, {"builds": [{"id": "<text>", "status": "<text>"}], "bundles": []}),
        DIFFERS,
        "without requestId",
    ),
    (
        "fields of bundle builds and bundles",
        Script().http("GET", "/build-bundle", 200, {"builds": [{"requestId": "<text>", "status": "<text>"}]}),
        HOLDS,
        "these names",
    ),
    ("path of one build", Script().http("GET", "/build-bundle/<build-1>", 404), DIFFERS, "HTTP 404"),
    (
        "filter for action results",
        Script().subscribe("actionSubscribe", None, {"error": {"code": -32602, "message": "wrong"}}),
        DIFFERS,
        "rejects every form that was tried (wrong)",
    ),
    (
        "filter for action results",
        Script()
        .subscribe("actionSubscribe", None, {"error": {"code": -32602, "message": "wrong"}})
        .subscribe("actionSubscribe", {}, {"result": 5}, 10),
        DIFFERS,
        "accepts {} only",
    ),
    (
        "a subscription without a filter",
        Script().subscribe("slotSubscribe", None, {"error": {"message": "no params wanted"}}),
        DIFFERS,
        "rejected (no params wanted)",
    ),
    (
        "acknowledgement of a subscription",
        Script().subscribe("slotSubscribe", None, {"result": "0x5"}),
        HOLDS,
        "a string",
    ),
    (
        "acknowledgement of a subscription",
        Script().subscribe("slotSubscribe", None, {"result": {"id": 5}}),
        DIFFERS,
        "neither a number nor a string",
    ),
    (
        "a rejected subscription",
        Script().subscribe("simsyncProbeSubscribe", None, {"result": 5}),
        NOT_SEEN,
        "the server accepts a method that does not exist",
    ),
    ("names of notifications", ended(("tx", {"slot": 5})), ALSO, "others: tx"),
    (
        "shape of an account diff",
        Script()
        .subscribe("accountDiffSubscribe", {}, {"result": 5})
        .note({"context": {"slot": 1}, "pubkey": "x", "signature": "s", "before": {}, "after": {}}),
        DIFFERS,
        "without account, pre, post",
    ),
    (
        "a diff without a signature",
        Script()
        .subscribe("accountDiffSubscribe", {}, {"result": 5})
        .note({"account": ADDRESS, "signature": "s", "post": {}}),
        ALSO,
        "the override is a diff with a signature",
    ),
    (
        "account data",
        Script()
        .subscribe("accountDiffSubscribe", {}, {"result": 5})
        .note({"account": "x", "post": {"data": {"data": "", "encoding": "base64"}}}),
        HOLDS,
        '{"data", "encoding"}',
    ),
    (
        "account data",
        Script()
        .subscribe("accountDiffSubscribe", {}, {"result": 5})
        .note({"account": "x", "post": {"data": ["", "base58"]}}),
        DIFFERS,
        '[string, "base58"]',
    ),
    (
        "slot of a notification",
        ended(("transactionNotification", {"transaction": {}})),
        DIFFERS,
        "some notifications name no slot",
    ),
    (
        "a transaction that mentions two of the programs",
        Script()
        .subscribe("transactionSubscribe", {"mentions": ["a"]}, {"result": 5})
        .note(SHOWN)
        .subscribe("transactionSubscribe", {"mentions": ["b"]}, {"result": 5}, 10)
        .note(SHOWN, 10),
        HOLDS,
        "arrives once per subscribe",
    ),
    (
        "Text and Binary frames of a compressed connection",
        Script()
        .add(
            "data",
            9,
            "sent",
            "text",
            url=STREAM,
            message={"id": 1, "method": "x", "params": [None, {"compression": "zstd"}]},
        )
        .data({"id": 1, "result": 5})
        .note({"slot": 1}),
        ALSO,
        "never compresses",
    ),
    (
        "a stream without an end",
        ended(("transactionNotification", {"finished": "yes"})),
        DIFFERS,
        "no stream has ended in a way that simsync knows",
    ),
    (
        "a stream without an end",
        ended(("transactionNotification", {"slot": 1, "done": True})),
        HOLDS,
        "each stream has ended",
    ),
    (
        "a result that ends a stream",
        ended(("transactionNotification", {"slot": 1})),
        NOT_SEEN,
        "no stream has ended, see below",
    ),
    (
        "Text and Binary frames",
        single().add("control", 1, "received", "text", text="hello"),
        ALSO,
        "Text frames, some are not JSON",
    ),
]


@pytest.mark.parametrize(
    ("guess", "script", "result", "server"), CASES, ids=[f"{case[0][:40]} {case[3][:40]}" for case in CASES]
)
def test_the_finding_of_an_answer(guess: str, script: Script, result: str, server: str) -> None:
    found = script.about(guess)
    assert (found.result, found.server) == (result, server)
    assert (found.setting is not None) == (result == DIFFERS)


def test_an_empty_capture_shows_nothing() -> None:
    found = findings([])
    assert {one.result for one in found} == {NOT_SEEN, HIDDEN}
    assert all(one.server for one in found)


def test_what_is_not_seen_has_a_reason() -> None:
    script = Script().step("subscriptions").step("run").step("run: the server burnt down", "failed")
    assert script.about("`paused`").server == "the step 'run' failed: the server burnt down"
    assert script.about("commitment").server == "the capture shows nothing of it"
    assert script.about("`discoveryBatch`").server == "the step 'discovery' was not reached"


@pytest.mark.parametrize("odd", [None, 5, "text", [], {}, {"method": 5}, {"params": []}, [[1]]], ids=str)
def test_malformed_messages_break_no_observation(odd: Any) -> None:
    script = single(discoveries=[odd], actions=[odd]).came(odd)
    for method in ("sessionCreated", "sessionEventV2", "paused", "status", "error", "completed", "discoveryBatch"):
        script.came({"method": method, "params": odd})
    script.event(odd)
    for method in ("accountDiffSubscribe", "actionSubscribe", "transactionSubscribe", "slotSubscribe"):
        script.subscribe(method, odd, {"result": 5}).note(odd).data(odd)
    for path in ("/usage?since=x", "/available-ranges", "/build-bundle", "/build-bundle/x"):
        script.http("GET", path, 200, odd)
    for method in ("getBalance", "getAddressLookupTable"):
        script.http("POST", "/backtest/x", 200, odd, {"method": method, "params": odd})
    script.sent("continue", odd).sent("continueSessionV1", odd).sent("attachBacktestSession", odd)
    assert len(findings(script.records)) > 90
