"""JSON that is nested too deeply is skipped or rejected, with every JSON library."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

import pytest

import simsync
from simsync.protocol.control import ControlProtocol
from simsync.protocol.parallel import ParallelProtocol
from simsync.protocol.single import SingleProtocol
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.wire import json_codec, pubsub
from simsync.wire.dialect import Dialect
from tests.runtime.scripted_control import SESSION, Talk, scripted
from tests.runtime.wire_peer import TEXT, encode
from tests.security.conftest import KEY
from tests.security.listeners import http, listening

CREATE = simsync.CreateSession(1, 9)
DEPTHS = (300, sys.getrecursionlimit() - 20, 1_020, 100_000)


@pytest.fixture(params=["standard library", "orjson"], autouse=True)
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "orjson":
        pytest.importorskip("orjson")
    else:
        monkeypatch.setattr(json_codec, "loads", json_codec.loads_with_standard_library)
        monkeypatch.setattr(json_codec, "dumps", json_codec.dumps_with_standard_library)


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Deep values are logged, too."""
    with caplog.at_level(logging.DEBUG):
        yield


def deep(depth: int, kind: str) -> str:
    return "[" * depth + "]" * depth if kind == "lists" else '{"a":' * depth + "1" + "}" * depth


CONTROL = (
    "%s",
    '{"method":%s}',
    '{"method":"status","params":%s}',
    '{"method":"error","params":%s}',
    '{"method":"error","params":{"internal":{"error":%s}}}',
    '{"method":"completed","params":{"summary":{"reroute_stats":%s}}}',
    '{"method":"sessionCreated","params":{"session_id":"a","rpc_endpoint":"/x","task_id":%s}}',
    '{"method":"sessionsCreatedV2","params":{"control_session_id":"c","session_ids":%s}}',
    '{"method":"sessionEventV2","params":{"session_id":"a","seq_id":5,"event":%s}}',
    '{"method":"sessionEventV2","params":{"session_id":"a","seq_id":5,"event":{"method":"unheardOf","params":%s}}}',
    '{"method":"sessionEventV2","params":{"session_id":"a","seq_id":5,"event":{"method":"paused","params":{"slot":4,"x":%s}}}}',
)
DATA = (
    "%s",
    '{"method":"xNotification","params":%s}',
    '{"method":"xNotification","params":{"subscription":%s}}',
    '{"method":"xNotification","params":{"subscription":1,"result":%s}}',
    '{"method":"xNotification","params":{"subscription":1,"result":{"slot":4,"transaction":{"signatures":%s}}}}',
    '{"id":1,"error":{"message":%s}}',
)


@pytest.mark.parametrize("kind", ["lists", "objects"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_in_control_messages(depth: int, kind: str) -> None:
    conversations: list[ControlProtocol] = [
        ParallelProtocol(CREATE, simsync.Options()),
        SingleProtocol(simsync.Options(), CREATE),
    ]
    for conversation in conversations:
        for form in CONTROL:
            message = (form % deep(depth, kind)).encode()
            conversation.connected(0.0)
            conversation.receive([message], 1.0)
            conversation.receive([b'{"method":"sessionCreated","params":{"session_id":"a","rpc_endpoint":"/x"}}'], 1.0)
            conversation.receive([message, message], 2.0)


@pytest.mark.parametrize("kind", ["lists", "objects"])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("stream", ["transactions", "program_diffs", "actions", "logs"])
def test_in_notifications(depth: int, kind: str, stream: str) -> None:
    dialect = Dialect()
    spec = pubsub.SubscribeSpec.of(dialect.streams[stream], None if stream == "actions" else "1" * 32)
    for form in DATA:
        conversation = SubscriptionProtocol([spec], dialect, compressed=False)
        conversation.connected()
        received = conversation.receive([b'{"id":1,"result":1}', (form % deep(depth, kind)).encode()])
        for event in received.events:
            with contextlib.suppress(RecursionError, simsync.ProtocolError):  # to look at it is up to the caller
                repr(event)


def test_a_run_that_cannot_be_attached_to_goes_on_behind_it() -> None:
    create = simsync.CreateSession(1, 9, disconnect_timeout=0)

    def control(talk: Talk) -> None:
        talk.create()
        for depth in DEPTHS:
            for form in CONTROL[:2]:
                talk.sock.sendall(encode(TEXT, (form % deep(depth, "lists")).encode()))
        talk.event(3, "completed", {"summary": None}, SESSION)
        talk.goodbye()

    with scripted(control) as url, simsync.Client(url, KEY).parallel(create, timeout=20) as session:
        (sub,) = session.sub_sessions
        events = list(sub.events(timeout=20))
    assert [type(event) for event in events] == [simsync.Slot, simsync.ReadyForContinue, simsync.Completed]


def test_a_run_makes_its_connection_again() -> None:
    def deeply(talk: Talk) -> None:
        talk.create()
        talk.sock.sendall(encode(TEXT, deep(DEPTHS[-1], "lists").encode()))
        talk.expect_end()

    def again(talk: Talk) -> None:
        talk.attach()
        talk.event(3, "completed", {"summary": None}, SESSION)
        talk.goodbye()

    with scripted(deeply, again) as url, simsync.Client(url, KEY).parallel(CREATE, timeout=20) as session:
        (sub,) = session.sub_sessions
        events = list(sub.events(timeout=20))
    assert [type(event) for event in events] == [simsync.Slot, simsync.ReadyForContinue, simsync.Completed]
    assert session.reconnects == 1


@pytest.mark.parametrize("depth", [1_100, 200_000])
@pytest.mark.parametrize("form", ["%s", '{"jsonrpc":"2.0","id":1,"result":%s}', '{"id":1,"error":%s}'])
def test_in_replies(depth: int, form: str) -> None:
    with listening(http("200 OK", (form % deep(depth, "lists")).encode())) as server:
        rpc = simsync.Rpc(f"http://127.0.0.1:{server.port}/")
        with pytest.raises(simsync.SimsyncError):
            rpc.get_slot()
        with pytest.raises(simsync.SimsyncError):
            rpc.get_account_info("1" * 32)
        rpc.close()
        client = simsync.Client(f"ws://127.0.0.1:{server.port}", KEY)
        for call in (client.available_ranges, client.usage, client.bundle_builds):
            with pytest.raises(simsync.SimsyncError):
                call()
