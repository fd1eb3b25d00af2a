"""A run interrupted anywhere and resumed gives the file of an uninterrupted run, as a set of records."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import simsync
from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program
from simsync.run import Recorder, RunPlan, keep_finished, read_records, record_run, summarize

FIRST, SLOTS, BUNDLE = 1_000, 24, 6
CREATE = simsync.CreateSession(FIRST, slot_count=SLOTS, send_summary=True)
PLAN = RunPlan(
    CREATE,
    parallel=True,
    program_ids=[str(TINY_PROGRAM), "11111111111111111111111111111111"],
    binaries={str(TINY_PROGRAM): tiny_program(result=7)},
    binary_names=["v2.so"],
    account_diffs=True,
    advance=2,
)


@pytest.fixture(scope="module")
def client() -> Iterator[simsync.Client]:
    ledger = Ledger.generate(
        seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=6, bundle_size=BUNDLE, tiny_program=True
    )
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key)


@pytest.fixture(scope="module")
def undisturbed(client: simsync.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "run.ndjson"
    with Recorder(path) as recorder:
        assert record_run(client, PLAN, recorder).complete
    return path


def content(path: Path) -> Counter[str]:
    """The records of transactions and diffs, without the names of sessions."""
    found: Counter[str] = Counter()
    for record in read_records(path):
        if record.kind in ("tx", "diff"):
            data = {key: value for key, value in record.data.items() if key != "session_id"}
            found[json.dumps([record.kind, data], sort_keys=True)] += 1
    return found


def resume(client: simsync.Client, path: Path, plan: RunPlan = PLAN) -> simsync.RunSummary:
    kept = keep_finished(path, plan.metadata())
    with Recorder(path, append=True) as recorder:
        return record_run(client, plan, recorder, kept=kept)


@pytest.mark.parametrize("seed", range(8))
def test_a_file_truncated_anywhere_is_resumed(
    client: simsync.Client, undisturbed: Path, tmp_path: Path, seed: int
) -> None:
    whole = undisturbed.read_bytes()
    first_line = whole.index(b"\n") + 1
    path = tmp_path / "run.ndjson"
    path.write_bytes(whole[: random.Random(seed).randrange(first_line, len(whole))])
    summary = resume(client, path)
    assert summary.complete
    assert (summary.sessions, summary.completed, summary.slots_seen) == (4, 4, SLOTS)
    assert content(path) == content(undisturbed)
    before, after = (summarize(one) for one in (undisturbed, path))
    assert after.complete
    for name in ("total_transactions", "failed", "totals", "slots_seen", "highest_slot"):
        assert after.summary[name] == before.summary[name], name


def test_what_is_finished_is_not_run_again(client: simsync.Client, undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    lines = undisturbed.read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"session_completed"' in line]
    path.write_bytes(b"".join(lines[: ends[2]]))
    kept = keep_finished(path, PLAN.metadata())
    assert len(kept.finished) == 2
    covered = {slot for one in kept.finished for slot in range(one.start_slot, one.end_slot + 1)}
    left = {slot for first, last in kept.spans for slot in range(first, last + 1)}
    assert left == set(range(FIRST, FIRST + SLOTS)) - covered
    assert {record.data["session_id"] for record in read_records(path) if record.kind == "tx"} <= {
        one.session_id for one in kept.finished
    }


def test_a_complete_file_is_unchanged(client: simsync.Client, undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    path.write_bytes(undisturbed.read_bytes())
    assert resume(client, path).complete
    assert path.read_bytes() == undisturbed.read_bytes()


def test_a_single_session_is_run_again_as_a_whole(client: simsync.Client, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    plan = RunPlan(simsync.CreateSession(FIRST, slot_count=BUNDLE), advance=1)
    with Recorder(path) as recorder:
        record_run(client, plan, recorder)
    expected = content(path)
    path.write_bytes(path.read_bytes()[:-2_000])
    assert resume(client, path, plan).complete
    assert content(path) == expected


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (RunPlan(simsync.CreateSession(FIRST, slot_count=5), True), "end_slot=1004: .* started with 1023"),
        (RunPlan(CREATE, True, program_ids=[str(TINY_PROGRAM)]), "program_ids="),
        (RunPlan(CREATE, True, PLAN.program_ids), "program_so="),
    ],
)
def test_another_run_is_rejected_and_the_file_unchanged(
    undisturbed: Path, tmp_path: Path, plan: RunPlan, words: str
) -> None:
    path = tmp_path / "run.ndjson"
    path.write_bytes(undisturbed.read_bytes())
    with pytest.raises(simsync.InvalidParams, match=words):
        keep_finished(path, plan.metadata())
    assert path.read_bytes() == undisturbed.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", '{"type":"tx","data":{"slot":1}}\n'])
def test_a_file_without_metadata_is_rejected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.ndjson"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(simsync.InvalidParams, match="has no metadata"):
        keep_finished(path, PLAN.metadata())


def test_a_failed_replacement_leaves_the_file_unchanged(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "run.ndjson"
    path.write_bytes(undisturbed.read_bytes()[:-500])
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        keep_finished(path, PLAN.metadata())
    assert path.read_bytes() == undisturbed.read_bytes()[:-500]
    assert list(tmp_path.iterdir()) == [path]
