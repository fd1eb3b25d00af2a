"""Lost connections by a seed, over control and data alike: what is delivered equals the undisturbed run, in order."""

from __future__ import annotations

import pytest

from benchmarks.random_drops import Streams, ledger, plan, run
from simsync.local import Faults, Ledger

SUB_SESSIONS, DROPS = 4, 50


@pytest.fixture(scope="module")
def blocks() -> Ledger:
    return ledger(SUB_SESSIONS)


@pytest.fixture(scope="module")
def undisturbed(blocks: Ledger) -> tuple[Streams, Faults]:
    counting = Faults()
    streams, _reconnects = run(blocks, counting)
    return streams, counting


# feature: a lost data connection
def test_nothing_is_lost_doubled_or_out_of_order(
    blocks: Ledger, undisturbed: tuple[Streams, Faults], thorough: bool
) -> None:
    expected, counted = undisturbed
    for seed in range(50 if thorough else 2):
        faults = plan(seed, DROPS, SUB_SESSIONS, counted.control_messages_sent, counted.notifications_sent)
        found, reconnects = run(blocks, faults)
        assert found == expected, f"seed {seed}"
        assert len(faults.fired) > DROPS // 2
        assert reconnects > 10
