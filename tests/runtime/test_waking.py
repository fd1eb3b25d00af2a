"""Waiting for a socket, a waker and a deadline, with ``poll`` and with the ``select`` that Windows has to do with."""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from simsync.runtime.waiting import READ, WRITE, Waker, wait

LONG = 30.0
"""Seconds; a wait that takes as long has failed."""


@pytest.fixture(params=["poll", "select"], autouse=True)
def _way_of_waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "select":
        monkeypatch.delattr(select, "poll")


@pytest.fixture
def waker() -> Iterator[Waker]:
    waker = Waker()
    yield waker
    waker.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        yield near, far


def fill(sock: socket.socket) -> None:
    try:
        while True:
            sock.send(b"x" * 65536)
    except BlockingIOError:
        pass


def soon() -> float:
    return time.monotonic() + LONG


def test_a_wake_up_before_the_wait_is_remembered(waker: Waker) -> None:
    waker.wake()
    assert wait(None, READ, waker, soon()) == (False, True)
    assert wait(None, READ, waker, None) == (False, True)


def test_a_wake_up_lasts_until_it_is_cleared(waker: Waker) -> None:
    waker.wake()
    waker.clear()
    assert wait(None, READ, waker, 0.0) == (False, False)
    waker.wake()
    assert wait(None, READ, waker, 0.0) == (False, True)


def test_any_number_of_wake_ups_is_one(waker: Waker) -> None:
    for _ in range(5000):
        waker.wake()
    assert wait(None, READ, waker, None) == (False, True)
    waker.clear()
    assert wait(None, READ, waker, 0.0) == (False, False)


def test_clearing_without_a_wake_up_does_not_wait(waker: Waker) -> None:
    waker.clear()
    waker.clear()


@pytest.mark.parametrize("deadline", [LONG, None])
def test_another_thread_ends_the_wait(
    waker: Waker, pair: tuple[socket.socket, socket.socket], deadline: float | None
) -> None:
    results: list[tuple[bool, bool]] = []
    limit = None if deadline is None else time.monotonic() + deadline
    thread = threading.Thread(target=lambda: results.append(wait(pair[0], READ, waker, limit)))
    thread.start()
    waker.wake()
    thread.join(LONG)
    assert results == [(False, True)]


def test_many_threads_may_pull_one_waker(waker: Waker) -> None:
    threads = [threading.Thread(target=waker.wake) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert wait(None, READ, waker, soon()) == (False, True)
    for thread in threads:
        thread.join(LONG)


def test_a_socket_with_something_to_read(waker: Waker, pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    assert wait(near, READ, waker, 0.0) == (False, False)
    far.send(b"x")
    assert wait(near, READ, waker, None) == (True, False)
    assert wait(near, READ, None, None) == (True, False)
    waker.wake()
    assert wait(near, READ, waker, None) == (True, True)


def test_a_socket_whose_peer_is_gone_is_ready(waker: Waker, pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.close()
    assert wait(near, READ, waker, soon()) == (True, False)
    assert wait(near, WRITE, waker, soon()) == (True, False)


def test_a_socket_that_takes_more_and_one_that_does_not(
    waker: Waker, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    assert wait(near, WRITE, waker, soon()) == (True, False)
    fill(near)
    assert wait(near, WRITE, waker, 0.0) == (False, False)
    waker.wake()
    assert wait(near, WRITE, waker, soon()) == (False, True)
    waker.clear()
    far.setblocking(False)
    try:
        while far.recv(1 << 20):
            pass
    except BlockingIOError:
        pass
    assert wait(near, WRITE, waker, soon()) == (True, False)


@pytest.mark.parametrize("seconds", [0.0001, 0.0009, 0.001, 0.0015, 0.02])
def test_a_wait_never_ends_before_its_deadline(waker: Waker, seconds: float) -> None:
    for _ in range(5):
        deadline = time.monotonic() + seconds
        assert wait(None, READ, waker, deadline) == (False, False)
        assert time.monotonic() >= deadline


@pytest.mark.parametrize("deadline", [-1.0, 0.0])
def test_a_deadline_in_the_past_is_a_look(
    waker: Waker, pair: tuple[socket.socket, socket.socket], deadline: float
) -> None:
    near, far = pair
    assert wait(near, READ, waker, deadline) == (False, False)
    far.send(b"x")
    assert wait(near, READ, waker, deadline) == (True, False)


@pytest.mark.parametrize("deadline", [1e7, 1e10, 1e300, math.inf])
def test_a_deadline_may_be_as_far_off_as_one_likes(waker: Waker, deadline: float) -> None:
    waker.wake()
    assert wait(None, READ, waker, deadline) == (False, True)


def test_sleep(waker: Waker) -> None:
    before = time.monotonic()
    assert waker.sleep(0.02) is False
    assert time.monotonic() >= before + 0.02
    assert waker.sleep(-1) is False


def test_sleep_ends_when_woken(waker: Waker) -> None:
    before = time.monotonic()
    waker.wake()
    assert waker.sleep(LONG) is True
    assert time.monotonic() < before + LONG / 2


def test_a_closed_waker_may_be_pulled() -> None:
    waker = Waker()
    waker.close()
    waker.wake()
    waker.clear()
    waker.close()
