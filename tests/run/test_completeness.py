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


def quick_reason(path: Path, records: list[dict[str, Any]]) -> str | None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return check_complete(path).reason


def reason(path: Path, records: list[dict[str, Any]]) -> str | None:
    found = quick_reason(path, records)
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


NUMBERS = ("total_transactions", "succeeded", "failed", "diffs", "sessions", "completed", "slots_seen", "sequence_gaps")
OPTIONAL = ("totals",)
OF_A_SESSION = ("session_id", "start_slot", "end_slot", "transactions", "failed", "diffs", "checksum")


def test_a_summary_without_something_is_no_proof(complete: list[dict[str, Any]], tmp_path: Path) -> None:
    believed = []
    for name in complete[-1]["data"]:
        records = json.loads(json.dumps(complete))
        del records[-1]["data"][name]
        if quick_reason(tmp_path / "run", records) is None:
            believed.append(name)
    assert believed == list(OPTIONAL)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["8", 8.5, None, True])
def test_a_number_of_a_summary_is_an_integer(
    complete: list[dict[str, Any]], tmp_path: Path, name: str, value: object
) -> None:
    records = json.loads(json.dumps(complete))
    records[-1]["data"][name] = value
    assert quick_reason(tmp_path / "run", records) is not None


@pytest.mark.parametrize("name", OF_A_SESSION)
def test_the_totals_of_a_session_are_whole(complete: list[dict[str, Any]], tmp_path: Path, name: str) -> None:
    for change in ("delete", "text", "null"):
        records = json.loads(json.dumps(complete))
        row = records[-1]["data"]["session_totals"][0]
        row[name] = str(row[name]) if change == "text" and name != "session_id" else None
        if change == "delete":
            del row[name]
        assert quick_reason(tmp_path / "run", records) is not None


def first_and_last(records: list[dict[str, Any]], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two records of this kind, of one session."""
    session = next(one["data"]["session_id"] for one in records if one["type"] == kind)
    found = [one["data"] for one in records if one["type"] == kind and one["data"]["session_id"] == session]
    return found[0], found[-1]


def replace_by_a_copy(records: list[dict[str, Any]]) -> None:
    one, other = first_and_last(records, "tx")
    one.update(other)


def move(records: list[dict[str, Any]]) -> None:
    for one in records:
        if one["type"] == "tx":
            one["data"]["slot"] += 1_000


def turn_a_success(records: list[dict[str, Any]]) -> None:
    one = next(one["data"] for one in records if one["type"] == "tx")
    one.update(success=one["error"] is not None, error=None if one["error"] is not None else "boom")


def cut_and_forget(records: list[dict[str, Any]]) -> None:
    records[:] = [one for number, one in enumerate(records) if one["type"] != "tx" or number % 3]
    for name in ("total_transactions", "failed", "session_totals"):
        del records[-1]["data"][name]


def without(kind: str) -> Any:
    def change(records: list[dict[str, Any]]) -> None:
        records[:] = [one for one in records if one["type"] != kind]

    return change


@pytest.mark.parametrize(
    "change",
    [
        replace_by_a_copy,
        move,
        turn_a_success,
        cut_and_forget,
        without("session_completed"),
        lambda records: records[-1]["data"].update(succeeded=1),
        lambda records: records[-1]["data"].update(complete=False),
        lambda records: records[-1]["data"].update(reasons=["x"]),
        lambda records: records[-1]["data"].update(session_ids=[]),
        lambda records: records[-1]["data"].update(highest_slot=1),
        lambda records: records[-1]["data"].update(slots_seen=3),
        lambda records: records[0]["data"]["options"].update(extra_compute_units=5),
        lambda records: records[0]["data"].update(program_ids=["x"]),
        lambda records: records[0]["data"].pop("options"),
        lambda records: [one["data"].pop("fingerprint") for one in (records[0], records[-1])],
        lambda records: [one["data"].update(fingerprint="sha256:0") for one in (records[0], records[-1])],
        lambda records: records[0]["data"].pop("program_ids"),
        lambda records: first_and_last(records, "session_completed")[0].update(transactions=0),
    ],
)
def test_a_contradiction_shows(complete: list[dict[str, Any]], tmp_path: Path, change: Any) -> None:
    records = json.loads(json.dumps(complete))
    change(records)
    assert reason(tmp_path / "run", records) is not None


@pytest.mark.parametrize("rest", [b"\0" * 300, b"x", b'{"type":"tx"'])
def test_a_rest_without_a_line_break_is_a_cut(complete: list[dict[str, Any]], tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "run"
    assert reason(path, complete) is None
    path.write_bytes(path.read_bytes() + rest)
    assert check_complete(path).reason == summarize(path).incomplete_because
    assert check_complete(path).reason == "the file ends in the middle of a record"


def test_a_missing_line_break_at_the_end_is_no_cut(complete: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert reason(path, complete) is None
    halves = json.dumps({"type": "note", "data": {"text": "\ud800"}}).encode()  # DuckDB leaves the record out
    for odd in (b"null", halves):
        lines = path.read_bytes().splitlines()
        path.write_bytes(b"\n".join([lines[0], odd, *lines[1:]]))
        assert summarize(path).incomplete_because == check_complete(path).reason
        assert "middle of a record" not in str(check_complete(path).reason)


def test_a_run_is_told_that_a_recording_can_be_repaired(complete: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "run"
    cut = [one for number, one in enumerate(complete) if one["type"] != "tx" or number % 3]
    for records, words in ((cut, r"--resume repairs it"), (complete, r"a complete recording; replace it with --force")):
        assert quick_reason(path, records) is None or records is cut
        with pytest.raises(simsync.InvalidParams, match=words), Recorder(path):
            pass


def test_a_file_that_ends_early_is_not_complete(complete: list[dict[str, Any]], tmp_path: Path, thorough: bool) -> None:
    for count in range(0, len(complete), 1 if thorough else 6):
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
    for text in (9, "9"):
        other = {"total": text, "successes": "1", "failures": 1}
        (tmp_path / "file").write_text(json.dumps({**content, "summary": other}), encoding="utf-8")
        assert check_complete(tmp_path / "file").reason == "the file holds 2 transactions, its summary says 9"
        assert summarize(tmp_path / "file").incomplete_because == check_complete(tmp_path / "file").reason
    (tmp_path / "file").write_text(json.dumps({**content, "summary": {**other, "total": "2"}}), encoding="utf-8")
    assert check_complete(tmp_path / "file").reason is None
    for unreadable in ("2,000", 10**40, float("nan")):
        (tmp_path / "file").write_text(json.dumps({**content, "summary": {"total": unreadable}}), encoding="utf-8")
        found = check_complete(tmp_path / "file").reason
        assert found is not None
        assert found.startswith("the file holds 2 transactions, its summary says ")


def test_transactions_outside_of_the_range_are_of_another_run(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "file", [tx(10, "a"), tx(5_010, "b")])
    assert check_complete(path).reason == summarize(path).incomplete_because
    assert check_complete(path).reason == "it holds transactions of slots outside of 10 to 19"
