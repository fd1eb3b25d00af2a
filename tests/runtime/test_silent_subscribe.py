"""A data connection on which nothing answers the subscribe is dead like any other silent one, and made again."""

from __future__ import annotations

import json

import simsync

from .scripted_control import SESSION, Talk, scripted
from .wire_peer import TEXT, encode


def test_a_peer_that_is_silent_before_it_acknowledges_is_dead() -> None:
    def text(message: object) -> bytes:
        return encode(TEXT, json.dumps(message).encode())

    def silent(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.expect_end()  # answers neither the subscribe nor the pings

    def answering(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(text({"jsonrpc": "2.0", "id": 1, "result": 7}))
        talk.sock.sendall(text({"method": "slotNotification", "params": {"subscription": 7, "result": {"done": True}}}))
        talk.expect_end()

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"))
        talk.expect("continueSessionV1")  # the gate was closed until the second connection was up
        talk.event(3, "completed", {"summary": None}, SESSION)
        talk.goodbye()

    options = simsync.Options(ping_interval=0.2, dead_after=0.6, backoff_initial=0.01)
    with scripted(silent, answering) as data_url, scripted(control) as url:
        with simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            events = list(sub.events(advance=9, timeout=20))
    assert isinstance(events[-1], simsync.Completed)
