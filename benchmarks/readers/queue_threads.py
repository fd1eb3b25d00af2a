"""Clients with a reader thread, a ``queue.Queue`` and a thread for each sub-session: with ``websockets.sync``, and as
one writes it down first, with default websocket-client and dataclasses-json."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import Queue
from typing import Any, Callable

from dataclasses_json import DataClassJsonMixin, dataclass_json

from benchmarks.readers.bare_session import BareSession
from benchmarks.readers.created import Created, continue_request, create_request
from benchmarks.readers.run import Outcome, Run, Stopwatch, slot_problems
from benchmarks.stream import Stream


@dataclass_json
@dataclass
class _Event(DataClassJsonMixin):
    method: str
    params: Any = None


@dataclass_json
@dataclass
class _Params(DataClassJsonMixin):
    session_id: str
    seq_id: int
    event: _Event


@dataclass_json
@dataclass
class _Message(DataClassJsonMixin):
    method: str
    params: _Params


def _consume(queue: Queue[_Event], start: int, end: int) -> Outcome:
    last = start - 1
    received = misplaced = 0
    while True:
        event = queue.get()
        if event.method == "slotNotification":
            slot = event.params
            if slot != last + 1:
                misplaced += 1
            last = slot
            received += 1
        elif event.method == "completed":
            return received, misplaced, last != end


def _consume_decoded(queue: Queue[Any], start: int, end: int) -> Outcome:
    last = start - 1
    received = misplaced = 0
    while True:
        event = queue.get()
        if event["method"] == "slotNotification":
            slot = event["params"]
            if slot != last + 1:
                misplaced += 1
            last = slot
            received += 1
        elif event["method"] == "completed":
            return received, misplaced, last != end


class _Threads:
    """A queue and a thread for each sub-session."""

    def __init__(self, created: Created, consume: Callable[[Queue[Any], int, int], Outcome]) -> None:
        self.queues: dict[str, Queue[Any]] = {session_id: Queue() for session_id in created.ids}
        self._outcomes: list[Outcome] = []

        def work(session_id: str) -> None:
            outcome = consume(self.queues[session_id], created.starts[session_id], created.ends[session_id])
            self._outcomes.append(outcome)

        self._threads = [threading.Thread(target=work, args=(session_id,)) for session_id in created.ids]
        for thread in self._threads:
            thread.start()

    def outcomes(self) -> list[Outcome]:
        for thread in self._threads:
            thread.join()
        return self._outcomes


def read_with_websockets(stream: Stream) -> Run:
    import orjson
    from websockets.sync.client import connect

    watch = Stopwatch()
    with connect(stream.url, compression=None, max_size=None, ping_interval=None) as ws:
        created = Created()
        ws.send(create_request(stream.events).decode())
        while not created.feed(ws.recv()):
            pass
        threads = _Threads(created, _consume_decoded)
        watch.start()
        ws.send(continue_request(created.ids[-1], stream.events).decode())
        open_sessions = len(created.ids)
        while open_sessions:
            params = orjson.loads(ws.recv(decode=False))["params"]
            event = params["event"]
            threads.queues[params["session_id"]].put(event)
            if event["method"] == "completed":
                open_sessions -= 1
        return watch.stop(stream.events, slot_problems(stream.events, threads.outcomes()))


def read_literally(stream: Stream) -> Run:
    watch = Stopwatch()
    session = BareSession(stream, skip_utf8_validation=False)
    threads = _Threads(session.created, _consume)
    watch.start()
    session.send_continue()
    open_sessions = len(session.created.ids)
    while open_sessions:
        message = _Message.from_json(session.ws.recv())
        threads.queues[message.params.session_id].put(message.params.event)
        if message.params.event.method == "completed":
            open_sessions -= 1
    run = watch.stop(stream.events, slot_problems(stream.events, threads.outcomes()))
    session.ws.close()
    return run
