"""The fixtures: a ledger, a simulator that behaves, and one that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simsync.local import Faults, Ledger, Simulator


@pytest.fixture(scope="session")
def simsync_ledger() -> Ledger:
    """What the simulators replay: slots 1000 to 1039 in bundles of 10, four transactions each.

    Override it to replay something else. Where a session has more than 100 slots its data connections are not dropped.
    """
    return Ledger.generate(seed=1, start_slot=1_000, slots=40, transactions_per_slot=4, bundle_size=10)


@pytest.fixture
def simulator(simsync_ledger: Ledger) -> Iterator[Simulator]:
    """An embedded simulator on a free port of this machine; its address is ``simulator.url``."""
    with Simulator(simsync_ledger) as running:
        yield running


@pytest.fixture
def chaotic_simulator(simsync_ledger: Ledger, simsync_seed: int) -> Iterator[Simulator]:
    """The same with faults by a seed: what took effect is in ``chaotic_simulator.faults.fired``."""
    with Simulator(simsync_ledger, faults=Faults(seed=simsync_seed)) as running:
        yield running
