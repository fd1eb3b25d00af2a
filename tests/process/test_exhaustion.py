"""No thread or descriptor left: a lost attempt of a session that exists, else an error that names the limit."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator

OPTIONS = simsync.Options(backoff_initial=0.01, continue_grace=0.05)
SLOTS = 40


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def client(faults: Faults) -> Iterator[simsync.Client]:
    ledger = Ledger.generate(seed=2, start_slot=1_000, slots=SLOTS, transactions_per_slot=1)
    with Simulator(ledger, faults=faults) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)


class Scarce:
    """Threads whose name is in ``names`` cannot be started, and sockets of wakers not be made, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, int] = {}
        self.sockets = 0
        start, socketpair = threading.Thread.start, socket.socketpair

        def start_or_fail(thread: threading.Thread) -> None:
            if self.names.get(thread.name, 0) > 0:
                self.names[thread.name] -= 1
                raise RuntimeError("can't start new thread")
            start(thread)

        def socketpair_or_fail(*arguments: Any) -> tuple[socket.socket, socket.socket]:
            if self.sockets > 0:
                self.sockets -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return socketpair(*arguments)

        monkeypatch.setattr(threading.Thread, "start", start_or_fail)
        monkeypatch.setattr(socket, "socketpair", socketpair_or_fail)

    @property
    def all_have_failed(self) -> bool:
        return not any(self.names.values()) and not self.sockets


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> Scarce:
    return Scarce(monkeypatch)


def slots_of(events: list[simsync.Event]) -> list[int]:
    return [event.slot for event in events if isinstance(event, simsync.Slot)]


@pytest.mark.parametrize("lacks", ["simsync-connect", "simsync-writer", "sockets"])
def test_a_reconnect_without_it_is_tried_again(client: simsync.Client, scarce: Scarce, lacks: str) -> None:
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        session.subscribe_transactions()
        seen: list[simsync.Event] = []
        for event in session.events(advance=5, timeout=20):
            seen.append(event)
            if len(seen) == 20:
                if lacks == "sockets":
                    scarce.sockets = 2
                else:
                    scarce.names = {lacks: 2}
                session.drop_connection()
    assert scarce.all_have_failed
    assert slots_of(seen) == list(range(1_000, 1_000 + SLOTS))
    assert session.coverage.complete


def test_a_data_connection_is_tried_again_too(client: simsync.Client, scarce: Scarce, faults: Faults) -> None:
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        session.ensure_ready(20)
        scarce.names = {"simsync-connect": 2}
        session.subscribe_transactions()
        seen = list(session.events(advance=5, timeout=20))
    assert scarce.all_have_failed
    assert sum(isinstance(event, simsync.Transaction) for event in seen) == SLOTS


@pytest.mark.parametrize("lacks", ["simsync-reader", "simsync-connect", "simsync-writer", "sockets"])
def test_a_session_names_the_limit(client: simsync.Client, scarce: Scarce, lacks: str) -> None:
    if lacks == "sockets":
        scarce.sockets = 1
    else:
        scarce.names = {lacks: 1}
    before = threading.active_count()
    limit = "too many open files.*8 descriptors.*ulimit -n" if lacks == "sockets" else "3 threads.*ulimit -u"
    with pytest.raises(simsync.ConnectError, match=limit):
        client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20)
    assert threading.active_count() <= before
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        assert session.advance(timeout=20).slots


@pytest.mark.parametrize("lacks", ["simsync-subscription", "sockets"])
def test_a_subscription_names_the_limit_and_the_session_goes_on(
    client: simsync.Client, scarce: Scarce, lacks: str
) -> None:
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        session.ensure_ready(20)
        if lacks == "sockets":
            scarce.sockets = 1
        else:
            scarce.names = {lacks: 1}
        with pytest.raises(simsync.SimsyncError, match="more per subscription; raise"):
            session.subscribe_transactions()
        assert session.advance(2, timeout=20).slots
        session.subscribe_transactions()
        seen = list(session.events(advance=10, timeout=20))
    assert slots_of(seen) == list(range(1_000, 1_000 + SLOTS))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_token_takes_effect_without_a_thread(client: simsync.Client, scarce: Scarce) -> None:
    token = simsync.CancelToken()
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20, cancel=token) as session:
        session.ensure_ready(20)
        scarce.names = {"simsync-cancel": 1}
        token.cancel()
        with pytest.raises(simsync.Cancelled, match="the cancel token was fired"):
            list(session.events(timeout=20))
    assert scarce.all_have_failed


def test_a_session_needs_no_more_than_the_page_says() -> None:
    """The figures of docs/threads.md, which the errors repeat."""
    program = """
import os, threading
import simsync
files = lambda: len(os.listdir("/proc/self/fd"))
before = files(), threading.active_count()
with simsync.Client().session(simsync.CreateSession(1000, slot_count=40), timeout=20) as session:
    session.ensure_ready(20)
    session.rpc.get_slot()
    print(files() - before[0], threading.active_count() - before[1])
    for _ in range(4):
        session.subscribe_transactions()
    session.advance(2, timeout=20)
    print(files() - before[0], threading.active_count() - before[1])
"""
    with Simulator(Ledger.generate(slots=SLOTS, transactions_per_slot=1)) as simulator:
        environment = {**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    (files, threads), (more_files, more_threads) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert files <= 8
    assert threads <= 3
    assert more_files <= 8 + 4 * 5
    assert more_threads <= 3 + 4 * 2
