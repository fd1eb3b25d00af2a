"""The transactions of a discovery, decoded."""

from __future__ import annotations

import pytest

import simsync
from simsync.local import Simulator

SYSTEM = "1" * 32


def test_discovered_transactions_are_those_of_the_batch(client: simsync.Client, simulator: Simulator) -> None:
    create = simsync.CreateSession(1_000, slot_count=6, discoveries=[simsync.ProgramExecuted(SYSTEM)])
    with client.session(create, timeout=20) as session:
        session.subscribe_transactions()
        events = list(session.events(advance=6, timeout=20))
    executed = {event.signature for event in events if isinstance(event, simsync.Transaction)}
    found = [one for event in events if isinstance(event, simsync.DiscoveryBatch) for one in event.decoded()]
    assert found
    for one in found:
        transaction = one.versioned_transaction()
        assert bytes(transaction) == one.transaction
        assert str(transaction.signatures[0]) in executed
        assert (one.error, one.logs, one.undecoded) == (None, None, b"")


def test_without_solders_the_bytes_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "solders.transaction", None)
    found = simsync.DiscoveredTransaction(b"data", b"transaction")
    assert found.transaction == b"transaction"
    with pytest.raises(ImportError, match=r"simsync\[local\]"):
        found.versioned_transaction()
