"""A simulator, the proxy in front of it, and the count of what was tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simsync.local import Ledger, Simulator

from .proxy import in_front_of
from .small_run import Bench, small_ledger
from .tally import Tally


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    tally = Tally()
    yield tally
    config = request.config
    if config.getoption("--write-reliability") and config.getoption("--thorough") and not request.session.testsfailed:
        tally.write()


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return small_ledger()


@pytest.fixture(scope="module")
def bench(ledger: Ledger, tally: Tally) -> Iterator[Bench]:
    with Simulator(ledger) as simulator, in_front_of(simulator.port) as proxy:
        yield Bench(proxy, tally)
