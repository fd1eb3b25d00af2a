"""The transactions of a discovery, decoded."""

from __future__ import annotations

import copy
import dataclasses
import json

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


def test_they_are_members_of_sets_and_rows_of_json() -> None:
    found = simsync.DiscoveredTransaction(b"data", b"transaction", "AccountNotFound", {"pre_balances": [1]}, ["log"])
    assert {found, simsync.DiscoveredTransaction(b"data", b"transaction")} >= {found}
    assert len({found, copy.deepcopy(found)}) == 1
    row = found.to_dict()
    assert json.loads(json.dumps(row)) == row
    assert (row["data"], row["error_text"], row["balances"]) == ("ZGF0YQ==", "AccountNotFound", {"pre_balances": [1]})
    assert {field.name for field in dataclasses.fields(found)} <= set(row)


def test_without_solders_the_bytes_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "solders.transaction", None)
    found = simsync.DiscoveredTransaction(b"data", b"transaction")
    assert found.transaction == b"transaction"
    with pytest.raises(ImportError, match=r"simsync\[local\]"):
        found.versioned_transaction()
