"""A WebSocket that never waits: it returns what is there, and keeps what the peer does not take."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.polled_websocket import PolledWebSocket
from simsync.runtime.waiting import READ, WRITE

from .wire_peer import CONTINUATION, PING, PONG, TEXT, Frame, FrameParser, Pair, encode

MAX_MESSAGE = 1 << 24


@pytest.fixture
def ws() -> Iterator[PolledWebSocket]:
    ws = PolledWebSocket(max_message=MAX_MESSAGE)
    yield ws
    ws.shutdown()


@pytest.fixture
def peer(ws: PolledWebSocket) -> Iterator[Pair]:
    with Pair(ws) as peer:
        yield peer


def sent_to(peer: Pair, ws: PolledWebSocket) -> bytes:
    """All that the client has to send."""
    received = peer.received()
    while ws.wanted & WRITE:
        assert list(ws.receive()) == []
        received += peer.received()
    return received


def test_nothing_there_is_nothing_received(ws: PolledWebSocket, peer: Pair) -> None:
    assert list(ws.receive()) == []
    assert not ws.was_cut_short
    assert ws.wanted == READ


def test_a_message_is_received_when_it_is_whole(ws: PolledWebSocket, peer: Pair) -> None:
    data = encode(TEXT, b"one") + encode(TEXT, b"two")
    received: list[bytes] = []
    for place in range(len(data)):
        peer.deliver(data[place : place + 1])
        ws.wait_for_more()
        received += ws.receive()
    assert received == [b"one", b"two"]


def test_a_message_behind_one_in_fragments_needs_no_wait(ws: PolledWebSocket, peer: Pair) -> None:
    peer.deliver(encode(TEXT, b"in ", final=False) + encode(CONTINUATION, b"parts") + encode(TEXT, b"whole"))
    assert list(ws.receive()) == [b"in parts"]
    assert ws.has_more
    assert list(ws.receive()) == [b"whole"]
    assert not ws.has_more


def test_what_came_with_the_answer_to_the_upgrade_is_received(ws: PolledWebSocket) -> None:
    with Pair(ws, early=encode(TEXT, b"early")):
        assert list(ws.receive()) == [b"early"]


def test_a_peer_that_only_pings_does_not_hold_the_thread(ws: PolledWebSocket, peer: Pair) -> None:
    pings = 1_000
    peer.deliver(encode(PING) * pings + encode(TEXT, b"behind"))
    received: list[bytes] = []
    calls = 0
    while not received:
        received += ws.receive()
        calls += 1
        assert received or ws.was_cut_short
    assert received == [b"behind"]
    assert calls > 2
    assert FrameParser().feed(sent_to(peer, ws)) == [Frame(PONG, b"")] * pings


def test_what_the_peer_does_not_read_is_kept_and_sent_later(ws: PolledWebSocket, peer: Pair) -> None:
    assert ws.sock is not None
    ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    large = b"x" * 2_000_000
    ws.send(large)
    ws.send(b"second")
    assert ws.wanted == READ | WRITE
    assert [frame.payload for frame in FrameParser().feed(sent_to(peer, ws))] == [large, b"second"]


def test_a_peer_that_never_reads_is_lost(ws: PolledWebSocket, peer: Pair) -> None:
    ws.send_timeout = 0.0
    ws.send(b"x" * 20_000_000)
    with pytest.raises(ConnectionLost, match="the peer does not read"):
        ws.receive()


def test_pings_of_a_peer_that_does_not_read_do_not_pile_up(ws: PolledWebSocket, peer: Pair) -> None:
    assert ws.sock is not None
    ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ws.send(b"x" * 2_000_000)  # more than the kernel takes
    pings = 1_000
    peer.deliver(encode(PING, b"p" * 100) * pings + encode(TEXT, b"behind"))
    received: list[bytes] = []
    while not received:
        received += ws.receive()
    answers = [frame for frame in FrameParser().feed(sent_to(peer, ws)) if frame.opcode == PONG]
    assert len(answers) == 0
    peer.deliver(encode(PING, b"again"))
    ws.wait_for_more()
    ws.receive()
    assert FrameParser().feed(sent_to(peer, ws)) == [Frame(PONG, b"again")]
