"""Real transactions, as recorded: they come out of the loop as they went in, and their fields are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator


def replayed(replies: list[dict[str, Any]], slot: int) -> list[simsync.Transaction]:
    with Simulator(Ledger.from_transactions(replies)) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.parallel(simsync.CreateSession(slot, slot_count=1), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_transactions()
            events = list(sub.events(advance=1, timeout=20))
    return [event for event in events if isinstance(event, simsync.Transaction)]


# feature: recording captures by hand
@pytest.mark.parametrize("name", ["transactions_json.jsonl", "transactions_jsonparsed.jsonl"])
def test_recorded_transactions_come_out_as_they_went_in(data_folder: Path, name: str) -> None:
    rows = [json.loads(line) for line in (data_folder / "mainnet" / name).read_text().splitlines()]
    seen = 0
    for slot in sorted({row["slot"] for row in rows}):
        expected = [row for row in rows if row["slot"] == slot]
        events = replayed(expected, slot)
        assert [event.raw for event in events] == expected
        for event, row in zip(events, expected):
            meta = row["meta"]
            assert event.slot == slot
            assert event.signature == row["transaction"]["signatures"][0]
            assert event.error == meta["err"]
            assert event.version == row.get("version", "legacy")
            assert event.fee == meta["fee"]
            assert list(event.logs) == (meta.get("logMessages") or [])
            assert len(event.account_keys) == len(event.pre_balances) == len(event.post_balances)
            assert list(event.pre_token_balances) == (meta.get("preTokenBalances") or [])
            assert list(event.post_token_balances) == (meta.get("postTokenBalances") or [])
            seen += 1
    assert seen == len(rows) > 0
