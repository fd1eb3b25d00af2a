"""Recording a run on the embedded simulator: what is in the file, also after a failure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program
from simsync.run import Comparison, Recorder, RunPlan, read_records, record_run, summarize

FIRST, SLOTS, BUNDLE, PER_SLOT = 1_000, 20, 10, 10
CREATE = simsync.CreateSession(FIRST, slot_count=SLOTS, send_summary=True)
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(
        seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=PER_SLOT, bundle_size=BUNDLE, tiny_program=True
    )


@pytest.fixture
def client(ledger: Ledger) -> Iterator[simsync.Client]:
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key)


def recorded(client: simsync.Client, path: Path, plan: RunPlan, **options: Any) -> simsync.RunSummary:
    with Recorder(path) as recorder:
        return record_run(client, plan, recorder, **options)


# feature: `run` with range, programs, binaries, subscriptions, limits, progress
def test_a_whole_run_is_in_the_file(client: simsync.Client, ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    assert recorded(client, path, RunPlan(CREATE, parallel=True, advance=3)).complete
    records = list(read_records(path))
    assert [records[0].kind, records[-1].kind] == ["metadata", "summary"]
    kinds = Counter(record.kind for record in records)
    assert kinds["session_started"] == 2
    assert kinds["tx"] == SLOTS * PER_SLOT
    totals = summarize(path)
    assert totals.complete
    assert totals.failed == sum(one.error is not None for block in ledger.blocks for one in block.transactions)
    assert totals.summary["totals"]["correct_simulation"] == SLOTS * PER_SLOT


def test_balances_of_a_record_are_those_of_the_transaction(client: simsync.Client, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    create = simsync.CreateSession(FIRST, slot_count=BUNDLE)
    recorded(client, path, RunPlan(create))
    with client.session(create) as session:
        session.subscribe_transactions()
        events = [event for event in session.events(advance=BUNDLE) if isinstance(event, simsync.Transaction)]
    found = {record.data["signature"]: record.data for record in read_records(path) if record.kind == "tx"}
    assert len(found) == len(events)
    tokens = 0
    for event in events:
        data = found[event.signature]
        assert (data["slot"], data["error"], data["logs"]) == (event.slot, event.error, list(event.logs))
        lamports = sum(row["post"] - row["pre"] for row in data["sol_changes"])
        assert lamports == sum(event.post_balances) - sum(event.pre_balances)
        for row in data["token_changes"]:
            tokens += 1
            (after,) = [
                int(one["uiTokenAmount"]["amount"])
                for one in event.post_token_balances
                if event.account_keys[one["accountIndex"]] == row["account"]
            ]
            assert (row["post"], row["decimals"]) == (after, 6)
            assert row["pre"] != row["post"]
    assert tokens > 3


def test_programs_diffs_and_binaries(client: simsync.Client, tmp_path: Path) -> None:
    base, experiment = tmp_path / "base.ndjson", tmp_path / "experiment.ndjson"
    program = str(TINY_PROGRAM)
    recorded(client, base, RunPlan(CREATE, parallel=True, program_ids=[program]))
    recorded(client, experiment, RunPlan(CREATE, True, [program], {program: tiny_program(result=7)}, ["v2.so"]))
    assert next(iter(read_records(experiment))).data["program_so"] == ["v2.so"]
    with Comparison(base, experiment) as comparison:
        totals = comparison.totals()
        regressions = list(comparison.differences("regressions"))
    assert 0 < totals.regressions == len(regressions) <= totals.matched == totals.base
    assert all("Custom" in (row.after or "") for row in regressions)
    assert {row.slot for row in regressions}.isdisjoint({FIRST, FIRST + BUNDLE})
    diffs = tmp_path / "diffs.ndjson"
    recorded(client, diffs, RunPlan(CREATE, program_ids=[TOKEN], account_diffs=True, parallel=True))
    assert summarize(diffs).diffs > 0


def test_progress_is_reported_to_the_end(client: simsync.Client, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    plan = RunPlan(CREATE, parallel=True)
    recorded(
        client, tmp_path / "run", plan, report=lambda progress: seen.append((progress.executed, progress.transactions))
    )
    assert seen[-1] == (SLOTS, SLOTS * PER_SLOT)
    assert seen == sorted(seen)


def test_a_run_that_is_cancelled_says_where_it_stopped(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    token = simsync.CancelToken()
    with Simulator(ledger, slot_delay=0.01) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)

        def stop_soon(progress: Any) -> None:
            if progress.executed == 4:
                token.cancel()

        with pytest.raises(simsync.Cancelled):
            recorded(client, path, RunPlan(CREATE, parallel=True, advance=1), report=stop_soon, cancel=token)
    *_records, last = read_records(path)
    assert last.kind == "stopped"
    assert last.data["reasons"] == ["Cancelled: the cancel token was fired"]
    assert last.data["executed_slots"] >= 4
    assert not summarize(path).complete


def test_the_reason_of_a_failed_run_is_in_the_file(client: simsync.Client, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with pytest.raises(simsync.CreateError):
        recorded(client, path, RunPlan(simsync.CreateSession(9_000, slot_count=5)))
    metadata, stopped = read_records(path)
    assert (metadata.kind, stopped.kind) == ("metadata", "stopped")
    assert "BundleNotFound" in stopped.data["reasons"][0]


def test_blocks_are_whole_lines_and_end_with_the_progress(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with Recorder(path) as recorder:
        recorder.write("tx", {"signature": "a"})
        assert not path.exists()
        recorder.progress({"session_id": "backtest_a", "slot": 7})
        whole = path.read_text().splitlines()
        assert json.loads(whole[-1]) == {"type": "progress", "data": {"session_id": "backtest_a", "slot": 7}}
        recorder.write("tx", {"logs": ["x" * 300_000]})
        assert path.read_text().endswith("}}\n")
        assert len(path.read_text().splitlines()) == 3


def test_bad_plans() -> None:
    with pytest.raises(simsync.InvalidParams, match=r"program_ids\[0\]"):
        RunPlan(CREATE, program_ids=["typo"])
    with pytest.raises(simsync.InvalidParams, match="account_diffs"):
        RunPlan(CREATE, account_diffs=True)
    with pytest.raises(simsync.InvalidParams, match="advance"):
        RunPlan(CREATE, advance=0)
