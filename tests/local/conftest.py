from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simsync.local import Ledger, Simulator


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """Slots 1000 to 1039 in four bundles, 8 transactions each; slots 1006, 1013, … carry no block."""
    return Ledger.generate(seed=7, slots=40, transactions_per_slot=8, bundle_size=10, skip_every=7, accounts=16)


@pytest.fixture(scope="session")
def long_ledger() -> Ledger:
    """Slots 1000 to 1149 in one bundle, 2 transactions each."""
    return Ledger.generate(seed=3, slots=150, transactions_per_slot=2, bundle_size=150, accounts=8)


@pytest.fixture
def simulate(ledger: Ledger) -> Iterator[Callable[..., Simulator]]:
    """Start simulators that are closed, and checked for leftovers, at the end of the test."""
    started: list[Simulator] = []

    def start(served: Ledger = ledger, **options: Any) -> Simulator:
        started.append(Simulator(served, **options))
        return started[-1]

    yield start
    for simulator in started:
        simulator.close()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("simsync-local-")]


@pytest.fixture
def simulator(simulate: Callable[..., Simulator]) -> Simulator:
    return simulate(batch_size=3)
