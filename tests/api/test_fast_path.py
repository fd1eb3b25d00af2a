"""``Options(fast_path=False)`` changes how messages are received and decoded, and nothing that the caller sees."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator
from simsync.testing import client_of

FIRST, SLOTS, BUNDLE = 1_000, 240, 120


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Enough for messages to arrive together."""
    return Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=2, bundle_size=BUNDLE)


def events_of_a_run(
    ledger: Ledger, *, lost_after: int | None, **options: Any
) -> dict[tuple[int | None, str], list[str]]:
    """By first slot and kind of event. ``lost_after``: how many events come before the connection is dropped."""
    events: defaultdict[tuple[int | None, str], list[str]] = defaultdict(list)
    with (
        Simulator(ledger) as simulator,
        client_of(simulator, **options).parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=20) as session,
    ):
        for sub in session.sub_sessions:
            sub.subscribe_transactions()
            sub.subscribe_account_diffs(["11111111111111111111111111111111"])
        for number, (sub, event) in enumerate(session.events(timeout=20, advance=30)):
            events[sub.start_slot, type(event).__name__].append(repr(event))
            if number == lost_after:
                session.drop_connection()
        assert session.reconnects == (lost_after is not None)
        assert all(coverage.complete for coverage in session.coverage)
    return events


@pytest.mark.parametrize("lost_after", [None, 100])
def test_a_run_is_the_same_without_the_fast_path(ledger: Ledger, lost_after: int | None) -> None:
    fast = events_of_a_run(ledger, lost_after=None)
    assert sum(map(len, fast.values())) > SLOTS
    assert {kind for _start, kind in fast} >= {"Slot", "ReadyForContinue", "Transaction", "AccountDiff", "Completed"}
    assert events_of_a_run(ledger, lost_after=lost_after, fast_path=False) == fast
