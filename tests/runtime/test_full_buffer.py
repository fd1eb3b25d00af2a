"""A data connection that is not read because its buffer is full still shows that it lives."""

from __future__ import annotations

import json
import threading

import simsync

from .scripted_control import SESSION, Talk, scripted
from .wire_peer import PONG, TEXT, encode

COUNT = 40


def test_pongs_without_being_asked_while_there_is_no_room() -> None:
    over = threading.Event()

    def text(message: object) -> bytes:
        return encode(TEXT, json.dumps(message).encode())

    def data(talk: Talk) -> None:
        talk.expect("slotSubscribe")
        talk.sock.sendall(text({"jsonrpc": "2.0", "id": 1, "result": 7}))
        for slot in range(COUNT):
            params = {"subscription": 7, "result": {"slot": slot}}
            talk.sock.sendall(text({"jsonrpc": "2.0", "method": "slotNotification", "params": params}))
        for _ in range(3):
            talk.expect_frame(PONG)
        over.set()
        talk.sock.sendall(text({"method": "slotNotification", "params": {"subscription": 7, "result": {"done": True}}}))
        talk.expect_end()

    def control(talk: Talk) -> None:
        talk.create(data_url.replace("ws://", "http://"))
        talk.event(3, "completed", {"summary": None}, SESSION)
        talk.goodbye()

    options = simsync.Options(buffer_events=5, ping_interval=0.03, dead_after=0.1, drain_idle=20.0)
    with scripted(data) as data_url, scripted(control) as url:
        with simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe")
            assert over.wait(20)  # nothing is taken until the server has seen the pongs
            events = list(sub.events(timeout=20))
    assert sum(isinstance(event, simsync.Notification) for event in events) == COUNT
    assert isinstance(events[-1], simsync.Completed)
