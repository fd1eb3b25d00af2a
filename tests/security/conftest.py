from __future__ import annotations

from collections.abc import Iterator

import pytest

from simsync.local import Ledger, Simulator
from simsync.runtime import http_retry

FIRST, SLOTS = 1_000, 12


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delays between attempts, and use no proxy."""
    monkeypatch.setattr(http_retry, "READ_BACKOFF", 0.001)
    monkeypatch.setattr(http_retry, "WRITE_DELAY", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return Ledger.generate(seed=2, start_slot=FIRST, slots=SLOTS, transactions_per_slot=3, bundle_size=6)


@pytest.fixture
def simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger, api_key=KEY) as running:
        yield running


KEY = "sk-simsync-9b41f7-c0ffee-not-to-be-seen"
