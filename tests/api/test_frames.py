"""``Options(on_frame=...)``: every frame of every connection, in order, and what it costs when it raises."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.params.api_key import ApiKey
from simsync.runtime.connector import Connector
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.frame_observer import FrameObserver

CREATE = simsync.CreateSession(1_000, 1_004)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    ledger = Ledger.generate(seed=2, slots=5, transactions_per_slot=3, bundle_size=5)
    with Simulator(ledger, faults=Faults()) as running:
        yield running


class Frames:
    """A function for ``on_frame`` that keeps what it gets."""

    def __init__(self) -> None:
        self.all: list[simsync.Frame] = []
        self.threads: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, frame: simsync.Frame) -> None:
        with self._lock:
            self.all.append(frame)
            self.threads.add(threading.current_thread().name)

    def of(self, plane: str) -> list[simsync.Frame]:
        return [frame for frame in self.all if frame.plane == plane]

    def messages(self, plane: str, direction: str) -> list[Any]:
        texts = [frame for frame in self.of(plane) if frame.direction == direction and frame.kind in ("text", "binary")]
        return [json.loads(frame.payload) for frame in texts]


def client(simulator: Simulator, **options: Any) -> simsync.Client:
    return simsync.Client(simulator.ws_url, simulator.api_key, options=simsync.Options(**options))


def whole_run(simulator: Simulator, **options: Any) -> list[simsync.Event]:
    with client(simulator, **options).parallel(CREATE, timeout=20) as session:
        session.sub_sessions[0].subscribe_transactions()
        session.sub_sessions[0].rpc.get_slot()
        return [event for _sub, event in session.events(timeout=20, advance=2)]


# feature: log raw frames
@pytest.mark.parametrize("compression", [True, False])
def test_every_message_of_both_planes_and_each_exchange(simulator: Simulator, compression: bool) -> None:
    frames = Frames()
    events = whole_run(simulator, on_frame=frames, compression=compression)

    sent = [message["method"] for message in frames.messages("control", "sent")]
    assert sent[0] == "createBacktestSession"
    assert sent.count("continueSessionV1") == 2
    assert sent[-1] == "closeBacktestSession"
    received = frames.messages("control", "received")
    assert received[0]["method"] == "sessionCreated"
    assert received[-1]["method"] == "success"

    transactions = [event for event in events if isinstance(event, simsync.Transaction)]
    notified = [m["params"]["result"] for m in frames.messages("data", "received") if "method" in m]
    signatures = [one["transaction"]["signatures"][0] for one in notified if "transaction" in one]
    assert signatures == [event.signature for event in transactions]
    kinds = {frame.kind for frame in frames.of("data") if b"transactionNotification" in frame.payload}
    assert kinds == ({"binary"} if compression else {"text"})
    assert frames.messages("data", "sent")[0]["method"] == "transactionSubscribe"

    request, reply = [frame for frame in frames.of("http") if frame.connection == frames.of("http")[0].connection]
    assert (request.kind, json.loads(request.payload)["method"]) == ("POST", "getSlot")
    assert (reply.kind, reply.status, json.loads(reply.payload)["result"]) == ("reply", 200, 1_000)
    assert request.connection == reply.connection


def test_connections_open_and_close(simulator: Simulator) -> None:
    frames = Frames()
    whole_run(simulator, on_frame=frames)
    control = frames.of("control")
    assert (control[0].kind, control[0].direction, control[0].url) == ("open", "sent", simulator.ws_url)
    assert (control[-1].kind, control[-1].direction, control[-1].status) == ("close", "received", 1000)
    for plane in ("control", "data"):
        assert len({frame.connection for frame in frames.of(plane)}) == 1
    assert frames.of("data")[0].url.startswith(simulator.ws_url + "/backtest_")


def test_the_frames_come_in_the_threads_that_read_and_write(simulator: Simulator) -> None:
    frames = Frames()
    whole_run(simulator, on_frame=frames)
    main = threading.current_thread().name
    # RPC calls are made by the main thread, and by simsync-http if a subscription asks for the slot of its session.
    planes = {"simsync-reader", "simsync-writer", "simsync-subscriptions"}
    assert frames.threads - {"simsync-http"} == planes | {main}


def test_the_key_is_in_no_frame(simulator: Simulator) -> None:
    frames = Frames()
    whole_run(simulator, on_frame=frames)
    client(simulator, on_frame=frames).usage()
    assert not [frame for frame in frames.all if simulator.api_key.encode() in frame.payload + frame.url.encode()]


def test_binary_control_frames_are_read_as_ever(simulator: Simulator) -> None:
    with Simulator(simulator.ledger, binary_frames=True) as other:
        frames = Frames()
        events = whole_run(other, on_frame=frames)
    assert isinstance(events[-1], simsync.Completed)
    assert {frame.kind for frame in frames.of("control") if frame.direction == "received"} == {"binary", "close"}


def test_what_was_refused_and_what_was_not_answered(simulator: Simulator) -> None:
    frames = Frames()
    simulator.faults.refuse_upgrade(503).refuse_http(500, path="/usage")
    with client(simulator, on_frame=frames, backoff_initial=0.01).session(CREATE, timeout=20):
        pass
    refused = frames.of("control")[0]
    assert (refused.kind, refused.status, refused.payload) == ("refused", 503, b"refused by a fault")
    with pytest.raises(simsync.HttpStatusError):
        client(simulator, on_frame=frames).usage()
    assert [(frame.status, frame.payload) for frame in frames.of("http")[1:]] == [(500, b"refused by a fault")]
    simulator.faults.drop_http(times=9)
    with pytest.raises(simsync.ConnectError):
        client(simulator, on_frame=frames).health()
    assert frames.of("http")[-1].status is None


def test_a_lost_connection_shows_its_reason(simulator: Simulator) -> None:
    frames = Frames()
    simulator.faults.drop_control(after=3)
    with client(simulator, on_frame=frames, backoff_initial=0.01).parallel(CREATE, timeout=20) as session:
        session.sub_sessions[0].ensure_ready(timeout=20)
    ends = [frame for frame in frames.of("control") if frame.kind == "close"]
    assert [frame.status for frame in ends] == [None, 1000]
    assert ends[0].payload


def test_a_function_that_raises_is_logged_once_per_connection_and_the_run_goes_on(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def broken(frame: simsync.Frame) -> None:
        calls.append(frame)
        raise RuntimeError("my own mistake")

    with caplog.at_level(logging.ERROR, "simsync"):
        events = whole_run(simulator, on_frame=broken)
    assert isinstance(events[-1], simsync.Completed)
    assert len(calls) == len({frame.connection for frame in calls}) >= 3
    logged = [record for record in caplog.records if "on_frame failed" in record.message]
    assert len(logged) == len(caplog.records) == len(calls)
    assert all(record.exc_info is not None and "my own mistake" in str(record.exc_info[1]) for record in logged)


def test_without_a_function_there_is_no_tap(simulator: Simulator) -> None:
    assert FrameObserver.of(None, "control", "ws://x") is None
    ws = Connector(DuplexWebSocket, simulator.ws_url, simsync.Options(), ApiKey(simulator.api_key)).run()
    assert ws.observer is None
    assert ws.binary is bytes
    ws.shutdown()
