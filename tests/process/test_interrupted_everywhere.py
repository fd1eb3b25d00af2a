"""Ctrl-C at each single point of a call at which Python looks for signals: nothing hangs, and no event comes twice.

Python does so when a function begins and when a call has returned. A profile function is called just there, so it takes
the part of the signal handler: it raises KeyboardInterrupt at the n-th of these points, for each n. Left out are two
functions of Python's own that can be interrupted badly, the start of a thread (it may never begin) and the making of a
socket pair (it may stay open), and ``__del__``, out of which no exception comes.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any, Callable, Optional

import pytest
from urllib3 import connectionpool

import simsync
from simsync.local import Ledger, Simulator
from simsync.runtime import http, http_connections

pytestmark = [
    pytest.mark.skipif(
        sys.version_info < (3, 10), reason="Python 3.9 looks for signals in more places, some of which lose a lock"
    ),
    # What was never begun is left to the garbage collector; no exception comes out of its callbacks.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

Files = Optional[Collection[str]]
SPARED = (threading.Thread.start.__code__, socket.socketpair.__code__)
SLOTS = 4_000
PATIENCE = 20.0
WHOLE = 3
"""So many calls in a row that were too short for an interruption end a test."""


@pytest.fixture(scope="module")
def client() -> Iterator[simsync.Client]:
    ledger = Ledger.generate(seed=8, start_slot=1_000, slots=SLOTS, transactions_per_slot=1, bundle_size=SLOTS)
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key, options=simsync.Options(close_timeout=600.0))


def spared(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in SPARED or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def interrupted_at(number: int, call: Callable[[], Any], within: Files) -> bool:
    """Whether the call had so many points (in these files), and so was interrupted."""
    left = number

    def look(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal left
        if event in ("call", "c_return", "return") and (within is None or frame.f_code.co_filename in within):
            left -= 1
            if left <= 0 and not spared(frame):
                raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def everywhere(call: Callable[[], Any], go_on: Callable[[], Any], step: int = 1, within: Files = None) -> int:
    """Interrupt ``call`` at each ``step``-th point and ``go_on`` each time; how often it was interrupted."""
    interrupts = whole = 0
    number = 1
    while whole < WHOLE:
        if interrupted_at(number, call, within):
            interrupts += 1
            whole = 0
            number += step
        else:
            whole += 1
        go_on()
    return interrupts


def opened(client: simsync.Client) -> simsync.BacktestSession:
    return client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=PATIENCE)


def test_steps(client: simsync.Client) -> None:
    with opened(client) as session:
        interrupts = everywhere(
            lambda: session.advance(timeout=PATIENCE), lambda: session.ensure_ready(timeout=PATIENCE)
        )
    assert interrupts > 30


def test_continues(client: simsync.Client) -> None:
    with opened(client) as session:

        def go_on() -> None:
            session.ensure_ready(timeout=PATIENCE)
            session.advance(timeout=PATIENCE)

        interrupts = everywhere(lambda: session.send_continue(timeout=PATIENCE), go_on)
    assert interrupts > 30


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("subscribed", [False, True])
def test_loops(client: simsync.Client, merged: bool, subscribed: bool, thorough: bool) -> None:
    create = simsync.CreateSession(1_000, slot_count=SLOTS)
    seen: list[int] = []
    signatures: list[str] = []

    def take(count: int) -> None:
        """Slots, and all that comes between."""
        for one in session.events(advance=2, timeout=PATIENCE):
            event: Any = one[1] if merged else one  # type: ignore[index]
            if isinstance(event, simsync.Transaction):
                signatures.append(event.signature)
            if isinstance(event, simsync.Slot):
                seen.append(event.slot)
                count -= 1
                if not count:
                    return

    with (client.parallel if merged else client.session)(create, timeout=PATIENCE) as session:
        if subscribed:
            one = session.sub_sessions[0] if isinstance(session, simsync.ParallelSession) else session
            one.subscribe_transactions()
        interrupts = everywhere(lambda: take(4), lambda: take(2), step=1 if thorough else 4)
    assert interrupts > 20
    assert seen == sorted(set(seen))
    assert len(signatures) == len(set(signatures))
    lost = seen[-1] - 999 - len(seen)
    assert lost <= interrupts  # only what was in hand


def test_requests(client: simsync.Client, thorough: bool) -> None:
    queues = (connectionpool.__file__, http.__file__, http_connections.__file__, queue.__file__, threading.__file__)
    with opened(client) as session:
        interrupts = everywhere(session.rpc.get_slot, session.rpc.get_slot, within=None if thorough else queues)
    assert interrupts > 30


def test_subscribing(client: simsync.Client) -> None:
    with opened(client) as session:
        interrupts = everywhere(session.subscribe_transactions, lambda: session.advance(timeout=PATIENCE))
    assert interrupts > 30


def test_creating_and_closing(client: simsync.Client, thorough: bool) -> None:
    threads = set(threading.enumerate())
    create = simsync.CreateSession(1_000, slot_count=SLOTS)

    def call() -> None:
        with client.session(create, timeout=PATIENCE) as session:
            session.subscribe_transactions()

    interrupts = everywhere(call, lambda: None, step=1 if thorough else 4)
    assert interrupts > 30
    for thread in set(threading.enumerate()) - threads:
        if thread.ident:  # one that was not started is listed for ever
            thread.join(PATIENCE)
            assert not thread.is_alive()
