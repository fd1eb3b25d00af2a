"""``drop_connection``: a connection that is lost on request is made good like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator

CREATE = simsync.CreateSession(1_000, 1_009)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(seed=2, slots=10, transactions_per_slot=2, bundle_size=10)) as running:
        yield running


def client(simulator: Simulator, **options: Any) -> simsync.Client:
    return simsync.Client(simulator.ws_url, simulator.api_key, options=simsync.Options(backoff_initial=0.01, **options))


def test_a_parallel_session_attaches_again_and_loses_nothing(simulator: Simulator) -> None:
    slots = []
    with client(simulator).parallel(CREATE, timeout=20) as session:
        for _sub, event in session.events(timeout=20, advance=2):
            if isinstance(event, simsync.Slot):
                slots.append(event.slot)
                if len(slots) == 4:
                    session.drop_connection()
        assert session.reconnects == 1
    assert slots == list(range(1_000, 1_010))


def test_a_single_session_is_left_behind_for_another_client(simulator: Simulator) -> None:
    with client(simulator, reconnect_attempts=0).session(CREATE, timeout=20) as session:
        session.advance(3, timeout=20)
        session.drop_connection()
    with client(simulator, continue_grace=0.1).attach(session.session_id, timeout=20) as again:
        slots = [event.slot for event in again.events(timeout=20, advance=9) if isinstance(event, simsync.Slot)]
    assert slots == list(range(1_000, 1_010))


def test_dropping_a_connection_that_is_closed_does_nothing(simulator: Simulator) -> None:
    with client(simulator).session(CREATE, timeout=20) as session:
        pass
    session.drop_connection()
    assert session.status == "closed"
