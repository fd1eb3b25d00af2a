"""websocket-client with orjson in one loop, no queues, no threads."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

import websocket

from benchmarks.readers.bare_session import BareSession
from benchmarks.readers.created import continue_request
from benchmarks.readers.run import (
    Run,
    Stopwatch,
    percentiles,
    slot_problems,
    transaction_problems,
    trip_problems,
    warm,
)
from benchmarks.stream import Stream


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
    run = watch.stop(stream.trips, trip_problems(stream.trips, [trips]), percentiles(warm(trips)))
    session.ws.close()
    return run
