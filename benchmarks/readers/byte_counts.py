"""Counting bytes and nothing else: how fast a server can be."""

from __future__ import annotations

import websocket

from benchmarks.readers.bare_session import BareSession
from benchmarks.readers.created import continue_request
from benchmarks.readers.run import Run, Stopwatch
from benchmarks.stream import Stream
from benchmarks.traffic import Plan


def count_slots(stream: Stream) -> Run:
    watch = Stopwatch()
    session = BareSession(stream)
    watch.start()
    session.send_continue()
    run = watch.stop(stream.events, _count(session.ws, stream.size))
    session.ws.close()
    return run


def count_transactions(stream: Stream) -> Run:
    return _count_transactions(stream, packed=False)


def count_packed_transactions(stream: Stream) -> Run:
    return _count_transactions(stream, packed=True)


def _count_transactions(stream: Stream, *, packed: bool) -> Run:
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
