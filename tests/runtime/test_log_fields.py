"""Every line about a connection names its session and has the fields for logs in JSON, whatever goes wrong."""

from __future__ import annotations

import logging

import pytest

import simsync

from .scripted_control import SESSION, Talk, scripted
from .test_data_ends import notification
from .test_quiet_subscription import ACCEPTED, END
from .wire_peer import BINARY, TEXT, encode

FIELDS = ("session_id", "plane", "attempt", "slot")
NAMES = {"simsync.control", "simsync.subscription", "simsync.writer", "simsync.frames"}
JUNK = encode(BINARY, b"\xff\xfe") + encode(TEXT, b"junk")
UNKNOWN = encode(TEXT, b'{"method":"x","params":{"subscription":99,"result":{}}}')


def fail(_frame: simsync.Frame) -> None:
    raise RuntimeError("no frames, please")


def test_a_run_with_many_faults(caplog: pytest.LogCaptureFixture) -> None:
    def first(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        talk.send("status", {"status": "starting"})
        talk.send("weather", {"sky": "blue"})
        talk.finish_create(data_url.replace("ws://", "http://"), 1, 9)
        talk.expect("continueSessionV1")
        talk.drop()

    def second(talk: Talk) -> None:
        talk.attach()
        talk.send("error", {"SomethingOdd": {"x": 1}})
        talk.event(5, "slotNotification", 9)
        talk.event(6, "error", {"SimulationError": {"error": "x"}})
        talk.event(7, "completed", {"summary": None})
        talk.event(8, "readyForContinue")
        talk.goodbye()

    def junk(talk: Talk) -> None:
        talk.attach()
        talk.sock.sendall(JUNK)
        talk.expect_end()

    def data(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + notification(2) + JUNK + UNKNOWN)
        talk.expect_end()

    def more(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(ACCEPTED + notification(2) + JUNK + UNKNOWN + END)
        talk.expect_end()

    options = simsync.Options(backoff_initial=0.001, compression=False, on_frame=fail)
    with caplog.at_level(logging.DEBUG, logger="simsync"), scripted(data, more) as data_url:
        with scripted(first, junk, second) as url:
            client = simsync.Client(url, "key", options=options)
            with client.parallel(simsync.CreateSession(1, 9), timeout=20) as session:
                (sub,) = session.sub_sessions
                sub.subscribe("slotSubscribe")
                list(sub.events(advance=8, timeout=20))
    lines = [record for record in caplog.records if record.name in NAMES]
    assert {record.name for record in lines} >= NAMES - {"simsync.writer"}
    assert [record.getMessage() for record in lines if not all(hasattr(record, name) for name in FIELDS)] == []
    named = [record for record in lines if record.session_id is not None]  # type: ignore[attr-defined]
    assert len(named) >= 10
    assert [record.getMessage() for record in named if SESSION not in record.getMessage()] == []
