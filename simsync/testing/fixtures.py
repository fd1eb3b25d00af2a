"""The fixtures: a ledger, a simulator without faults, and one with faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simsync.local import Faults, Ledger, Simulator


@pytest.fixture(scope="session")
def simsync_ledger() -> Ledger:
    """The ledger of both simulators: slots 1000 to 1039 in bundles of 10, four transactions in each slot.

    Override it to replay something else. In sessions of more than 100 slots chaos does not drop data connections.

    Returns:
        The ledger.
    """
    return Ledger.generate(seed=1, start_slot=1_000, slots=40, transactions_per_slot=4, bundle_size=10)


@pytest.fixture
def simulator(simsync_ledger: Ledger) -> Iterator[Simulator]:
    """An embedded simulator on a free port of this machine.

    Yields:
        The simulator; its address is ``simulator.url``.
    """
    with Simulator(simsync_ledger) as running:
        yield running


@pytest.fixture
def chaotic_simulator(simsync_ledger: Ledger, simsync_seed: int) -> Iterator[Simulator]:
    """An embedded simulator with faults chosen by a seed.

    Yields:
        The simulator; ``chaotic_simulator.faults.fired`` names the faults that have taken effect.
    """
    with Simulator(simsync_ledger, faults=Faults(seed=simsync_seed)) as running:
        yield running
