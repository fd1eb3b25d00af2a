"""websocket-client with orjson in one loop, no queues, no threads; and counting bytes, which nothing can outrun."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import websocket

from benchmarks.readers.created import Created, continue_request, create_request, subscribe_request
from benchmarks.readers.run import Run, Stopwatch, percentiles, slot_problems, transaction_problems
from benchmarks.stream import Stream
from benchmarks.traffic import Plan


class BareSession:
    """A session that was created with websocket-client and nothing else."""

    def __init__(self, stream: Stream, **options: Any) -> None:
        self._stream = stream
        self.ws = _connect(stream, stream.url, **options)
        self.created = Created()
        self.ws.send(create_request(stream.events))
        while not self.created.feed(self.ws.recv()):
            pass

    def subscribe(self, *, packed: bool = False) -> websocket.WebSocket:
        """A data connection whose subscribe was acknowledged."""
        ws = _connect(self._stream, f"{self._stream.url}/{self.created.ids[0]}")
        ws.send(subscribe_request(packed=packed))
        ws.recv()
        return ws

    def send_continue(self) -> None:
        self.ws.send(continue_request(self.created.ids[-1], self._stream.events))


def _connect(stream: Stream, url: str, **options: Any) -> websocket.WebSocket:
    secured = {"context": ssl.create_default_context(cadata=stream.ca)} if stream.is_tls else {}
    ws = websocket.WebSocket(**{"skip_utf8_validation": True, "sslopt": secured, **options})
    ws.connect(url, suppress_origin=True)  # type: ignore[no-untyped-call]
    return ws


def read_slots(stream: Stream) -> Run:
    import orjson

    watch = Stopwatch()
    session = BareSession(stream)
    last = {session_id: start - 1 for session_id, start in session.created.starts.items()}
    received = misplaced = 0
    open_sessions = len(last)
    watch.start()
    session.send_continue()
    recv_data = session.ws.recv_data
    loads = orjson.loads
    while open_sessions:
        params = loads(recv_data()[1])["params"]
        event = params["event"]
        if event["method"] == "slotNotification":
            slot = event["params"]
            session_id = params["session_id"]
            if slot != last[session_id] + 1:
                misplaced += 1
            last[session_id] = slot
            received += 1
        elif event["method"] == "completed":
            open_sessions -= 1
    ends = session.created.ends
    outcomes = [(received, misplaced, False), *((0, 0, last[one] != ends[one]) for one in last)]
    run = watch.stop(stream.events, slot_problems(stream.events, outcomes))
    session.ws.close()
    return run


def read_transactions(stream: Stream) -> Run:
    """Every transaction decoded; looked at are the slot and the signature."""
    return _read_transactions(stream, packed=False)


def read_packed_transactions(stream: Stream) -> Run:
    """The same with zstd."""
    return _read_transactions(stream, packed=True)


def _read_transactions(stream: Stream, *, packed: bool) -> Run:
    import orjson

    watch = Stopwatch()
    session = BareSession(stream)
    ws = session.subscribe(packed=packed)
    received = crc = slot = backwards = 0
    watch.start()
    session.send_continue()
    loads = orjson.loads
    for payload in _inflated(ws) if packed else _payloads(ws):
        result = loads(payload)["params"]["result"]
        if "completed" in result:
            break
        backwards += result["slot"] < slot
        slot = result["slot"]
        crc = zlib.crc32(result["transaction"]["signatures"][0].encode(), crc)
        received += 1
    problems = transaction_problems(stream.transactions, received, crc, stream.signatures)
    if backwards:
        problems.append(f"the slot went back {backwards} times")
    run = watch.stop(stream.transactions, problems)
    ws.close()
    session.ws.close()
    return run


def _payloads(ws: websocket.WebSocket) -> Iterator[bytes]:
    recv_data = ws.recv_data
    while True:
        yield recv_data()[1]


def _inflated(ws: websocket.WebSocket) -> Iterator[bytes]:
    import zstandard

    decompress = zstandard.ZstdDecompressor().decompressobj().decompress
    recv_data = ws.recv_data
    while True:
        yield decompress(recv_data()[1])


def drive_one(stream: Stream) -> Run:
    """Continue, wait for the ready, and again."""
    import time

    import orjson

    watch = Stopwatch()
    session = BareSession(stream)
    request = continue_request(session.created.ids[0], 1)
    send, recv_data, loads, clock = session.ws.send, session.ws.recv_data, orjson.loads, time.perf_counter
    trips: list[float] = []
    method = ""
    watch.start()
    while method != "completed":
        began = clock()
        send(request)
        method = loads(recv_data()[1])["params"]["event"]["method"]
        trips.append(clock() - began)
    run = watch.stop(stream.events, trip_problems(stream.events, [trips]), percentiles(warm(trips)))
    session.ws.close()
    return run


def warm(trips: list[float]) -> list[float]:
    """Without the first ones."""
    return trips[len(trips) // 40 :]


def trip_problems(expected: int, drivers: Iterable[list[float]]) -> list[str]:
    """Each answer is asked for and comes once: what can be wrong is their number."""
    trips = sum(map(len, drivers))
    return [] if trips == expected else [f"{trips} trips instead of {expected}"]


# Counting bytes: how fast the server can be.


def count_bytes(stream: Stream) -> Run:
    watch = Stopwatch()
    session = BareSession(stream)
    watch.start()
    session.send_continue()
    run = watch.stop(stream.events, _count(session.ws, stream.size))
    session.ws.close()
    return run


def count_data_bytes(stream: Stream) -> Run:
    return _count_data_bytes(stream, packed=False)


def count_packed_bytes(stream: Stream) -> Run:
    return _count_data_bytes(stream, packed=True)


def _count_data_bytes(stream: Stream, *, packed: bool) -> Run:
    watch = Stopwatch()
    session = BareSession(stream)
    ws = session.subscribe(packed=packed)
    watch.start()
    session.send_continue()
    run = watch.stop(stream.transactions, _count(ws, stream.packed if packed else stream.size))
    ws.close()
    session.ws.close()
    return run


def _count(ws: websocket.WebSocket, size: int) -> list[str]:
    sock = ws.sock
    assert sock is not None
    buffer = bytearray(256 * 1024)
    missing = size
    while missing > 0:
        received = sock.recv_into(buffer)
        if not received:
            break
        missing -= received
    return [f"{missing} bytes are missing"] if missing else []


def drive_with_prepared_frames(stream: Stream) -> Run:
    """One continue of every sub-session in one send, then all their answers, counted as bytes; and again."""
    watch = Stopwatch()
    session = BareSession(stream)
    plan = Plan(stream.events, stream.sessions)
    sock = session.ws.sock
    assert sock is not None
    rounds = []
    for turn in range(1, max(plan.counts) + 1):
        going = [number for number, count in enumerate(plan.counts) if turn <= count]
        requests = (_masked(continue_request(plan.ids[number], 1)) for number in going)
        answers = (
            plan.completed(number, turn + 1) if turn == plan.counts[number] else plan.ready(number, turn + 1)
            for number in going
        )
        rounds.append((b"".join(requests), sum(map(len, answers))))
    problems: list[str] = []
    watch.start()
    for request, size in rounds:
        sock.sendall(request)
        problems += _count(session.ws, size)
    run = watch.stop(stream.events, problems)
    session.ws.close()
    return run


def _masked(payload: bytes) -> bytes:
    """A client's frame of 126 to 65,535 bytes, with a mask that changes nothing."""
    return bytes((0x81, 0x80 | 126)) + len(payload).to_bytes(2, "big") + bytes(4) + payload
