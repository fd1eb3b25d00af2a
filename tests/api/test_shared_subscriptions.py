"""All subscriptions of a session share one thread, and none of them holds up the others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

import simsync
from simsync.local import Ledger, Simulator

SUBS, SLOTS_EACH, PER_SLOT = 24, 4, 3


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    ledger = Ledger.generate(
        seed=3, start_slot=1_000, slots=SUBS * SLOTS_EACH, transactions_per_slot=PER_SLOT, bundle_size=SLOTS_EACH
    )
    with Simulator(ledger) as simulator:
        yield simulator


def threads(name: str) -> int:
    return sum(thread.name == f"simsync-{name}" for thread in threading.enumerate())


def opened(simulator: Simulator, **options: object) -> simsync.ParallelSession:
    client = simsync.Client(simulator.url, simulator.api_key, options=simsync.Options(**options))  # type: ignore[arg-type]
    return client.parallel(simsync.CreateSession(1_000, slot_count=SUBS * SLOTS_EACH), timeout=20)


def test_one_thread_reads_all_of_them(simulator: Simulator) -> None:
    with opened(simulator) as session:
        session.subscribe_transactions()
        session.subscribe_logs()
        seen = most = 0
        for _sub, event in session.events(advance=SLOTS_EACH, timeout=20):
            seen += isinstance(event, simsync.Transaction)
            most = max(most, threads("subscriptions"))
        assert seen == SUBS * SLOTS_EACH * PER_SLOT
        assert most == 1
        assert all(coverage.complete for coverage in session.coverage)


def test_a_full_buffer_holds_up_its_own_subscription_only(simulator: Simulator) -> None:
    """One sub-session is not read while its buffer is full; all others come to their end."""
    with opened(simulator, buffer_events=2) as session:
        session.subscribe_transactions()
        slow, *others = session.sub_sessions
        slow.send_continue(advance_count=SLOTS_EACH, timeout=20)
        for sub in others:
            assert sum(isinstance(event, simsync.Transaction) for event in sub.events(advance=SLOTS_EACH, timeout=20))
            assert sub.coverage.complete
        rest = [event for event in slow.events(timeout=20) if isinstance(event, simsync.Transaction)]
        assert len(rest) == SLOTS_EACH * PER_SLOT


def test_addresses_that_do_not_answer_do_not_keep_the_others_from_connecting(simulator: Simulator) -> None:
    """More of them than connections are made at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent, opened(simulator, connect_timeout=60.0) as session:
        *unreachable, last = session.sub_sessions
        for sub in unreachable[:6]:
            sub.rpc_endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
            sub.subscribe_transactions()
        last.subscribe_transactions()
        count = sum(isinstance(event, simsync.Transaction) for event in last.events(advance=SLOTS_EACH, timeout=20))
        assert count == SLOTS_EACH * PER_SLOT
