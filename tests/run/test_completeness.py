"""Whatever is taken out of a complete recording, or put into it, shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator
from simsync.run import Recorder, RunPlan, record_run, summarize
from simsync.run.completeness import check_complete
from simsync.run.strategy import RecordedSession

from .files import METADATA, summary, tx, write_lines, write_object

FIRST, SLOTS, BUNDLE = 1_000, 12, 4
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


def note(session: RecordedSession) -> None:
    session.record("note", {"slot": session.start_slot})


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """The records of a complete run with transactions, diffs and records of a strategy."""
    path = tmp_path_factory.mktemp("complete") / "run.ndjson"
    create = simsync.CreateSession(FIRST, slot_count=SLOTS)
    plan = RunPlan(create, True, program_ids=[TOKEN], account_diffs=True, strategy=note)
    ledger = Ledger.generate(seed=3, start_slot=FIRST, slots=SLOTS, transactions_per_slot=8, bundle_size=BUNDLE)
    with Simulator(ledger) as simulator, Recorder(path) as recorder:
        assert record_run(simsync.Client(simulator.url, simulator.api_key), plan, recorder).complete
    yield [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def reason(path: Path, records: list[dict[str, Any]]) -> str | None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    found = check_complete(path).reason
    totals = summarize(path)
    assert totals.complete is (totals.incomplete_because is None) is (found is None)
    return found


def test_a_complete_recording_is_complete(complete: list[dict[str, Any]], tmp_path: Path) -> None:
    assert reason(tmp_path / "run", complete) is None
    assert {"tx", "diff", "note"} <= {record["type"] for record in complete}


# feature: (not the vendor's) files that only better ones replace, one writer, proof of completeness
@pytest.mark.parametrize("kind", ["tx", "diff", "note", "metadata", "summary"])
def test_a_record_that_is_missing_or_repeated_shows(complete: list[dict[str, Any]], tmp_path: Path, kind: str) -> None:
    places = [number for number, record in enumerate(complete) if record["type"] == kind]
    for place in {places[0], places[len(places) // 2], places[-1]}:
        assert reason(tmp_path / "run", complete[:place] + complete[place + 1 :]) is not None
        assert reason(tmp_path / "run", [*complete[:place], complete[place], *complete[place:]]) is not None


def test_the_same_number_in_another_session_shows(complete: list[dict[str, Any]], tmp_path: Path) -> None:
    records = json.loads(json.dumps(complete))
    sessions = sorted({record["data"]["session_id"] for record in records if record["type"] == "tx"})
    next(one for one in records if one["type"] == "tx" and one["data"]["session_id"] == sessions[0])["data"][
        "session_id"
    ] = sessions[1]
    found = reason(tmp_path / "run", records)
    assert found is not None
    assert found.startswith("records of session ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda records: records[0]["data"].update(end_slot=FIRST + SLOTS), "the sessions end at slot 1011"),
        (lambda records: records[0]["data"].update(start_slot=FIRST - 1), "do not cover slot 999"),
        (lambda records: records[0]["data"].update(fingerprint="sha256:0"), "the fingerprints"),
        (lambda records: records[-1]["data"]["session_totals"].pop(1), "which its summary does not list"),
        (lambda records: records[-1]["data"]["session_totals"][1].update(start_slot=None), "range of a session"),
        (lambda records: records.append({"type": "stopped", "data": {"reasons": ["cut"]}}), "was stopped: cut"),
        (lambda records: records.append({"type": "tx", "data": {"slot": 1}}), "without a summary"),
        (lambda records: records.clear(), "is empty"),
        (lambda records: records.extend(records), "more than one run"),
    ],
)
def test_other_changes_show(complete: list[dict[str, Any]], tmp_path: Path, change: Any, words: str) -> None:
    records = json.loads(json.dumps(complete))
    change(records) if words != "more than one run" else records.extend(list(records))
    found = reason(tmp_path / "run", records)
    assert found is not None
    assert words in found


def test_a_file_that_ends_early_is_not_complete(complete: list[dict[str, Any]], tmp_path: Path) -> None:
    for count in range(len(complete)):
        assert reason(tmp_path / "run", complete[:count]) is not None


def test_recordings_of_the_other_tool_are_held_to_the_numbers_that_they_have(tmp_path: Path) -> None:
    rows = [tx(10, "a"), tx(11, "b", error="boom")]
    for write in (write_lines, write_object):
        assert check_complete(write(tmp_path / "file", rows)).reason is None
    content = {"metadata": METADATA, "transactions": rows, "summary": {**summary(rows), "failed": 0}}
    (tmp_path / "file").write_text(json.dumps(content), encoding="utf-8")
    assert check_complete(tmp_path / "file").reason == "the file holds 1 failed transactions, its summary says 0"
    (tmp_path / "file").write_text(json.dumps({**content, "summary": {}}), encoding="utf-8")
    assert check_complete(tmp_path / "file").reason is None
