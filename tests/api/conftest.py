"""An embedded simulator for the tests of the public API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import simsync
from simsync.local import Ledger, Simulator

FIRST, SLOTS, BUNDLE = 1_000, 18, 6


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """Three bundles of six slots, a few transactions each."""
    return Ledger.generate(seed=3, start_slot=FIRST, slots=SLOTS, transactions_per_slot=4, bundle_size=BUNDLE)


@pytest.fixture
def simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger) as running:
        yield running


@pytest.fixture
def options() -> simsync.Options:
    """Quick reactions; nothing here changes what is right."""
    return simsync.Options(backoff_initial=0.01, continue_grace=0.2, close_timeout=5.0, rpc_timeout=10.0)


@pytest.fixture
def client(simulator: Simulator, options: simsync.Options) -> simsync.Client:
    return simsync.Client(simulator.url, simulator.api_key, options=options)


@pytest.fixture
def create() -> simsync.CreateSession:
    return simsync.CreateSession(FIRST, slot_count=SLOTS, send_summary=True)
