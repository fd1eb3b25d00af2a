"""Testing a strategy under faults: connections are dropped, stall and replay, and it must come to the same result.

    pip install 'simsync[local]' pytest
    python -m pytest examples/test_strategy.py

Nothing else is needed: the simulators are embedded ones, and the faults come from a seed that is shown when the test
fails. In a project of your own the line with ``pytest_plugins`` belongs in ``conftest.py``. See docs/guides/testing.md.
"""

from __future__ import annotations

from collections import Counter

import simsync
from simsync.local import Simulator
from simsync.testing import client_of

pytest_plugins = ["simsync.testing"]


def busiest_accounts(client: simsync.Client) -> list[tuple[str, int]]:
    """The strategy: which accounts pay most often, and how many of their transactions succeed?"""
    paid: Counter[str] = Counter()
    with client.parallel(simsync.CreateSession(start_slot=1_000, slot_count=40), timeout=60) as session:
        for sub in session.sub_sessions:
            sub.subscribe_transactions()
        for _sub, event in session.events(advance=3, timeout=60):
            if isinstance(event, simsync.Transaction) and event.error is None:
                paid[event.account_keys[0]] += 1
    return sorted(paid.items(), key=lambda item: (-item[1], item[0]))[:5]


def test_faults_change_nothing(simulator: Simulator, chaotic_simulator: Simulator) -> None:
    expected = busiest_accounts(client_of(simulator))
    assert len(expected) == 5
    assert busiest_accounts(client_of(chaotic_simulator)) == expected
    assert chaotic_simulator.faults.fired  # there were some
