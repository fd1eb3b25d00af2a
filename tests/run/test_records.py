"""Both formats of a recorded run read the same, and an interrupted file is read up to its end."""

from __future__ import annotations

import io
import json
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.run import compressed_file, read_records, summarize
from simsync.run.compressed_file import pipes_are_kept
from simsync.run.database import RecordingDatabase
from simsync.run.record_file import line_of

from .files import ALICE, BOB, METADATA, MINT, PROGRAM, compressed, summary, tx, write_lines, write_object
from .transaction_reader import BalanceChange, transaction_of

TRANSACTIONS = [tx(10, "s1"), tx(11, "s2", error="custom program error: 0x1"), tx(12, "s3")]


# feature: both formats of output files
def test_lines_and_one_object_read_the_same(tmp_path: Path) -> None:
    lines = list(read_records(write_lines(tmp_path / "lines", TRANSACTIONS)))
    one = list(read_records(write_object(tmp_path / "object", TRANSACTIONS)))
    assert [record.kind for record in lines] == ["metadata", "session_started", "tx", "tx", "tx", "summary"]
    assert one == [record for record in lines if record.kind != "session_started"]
    assert one[0].data == METADATA
    assert one[-1].data == summary(TRANSACTIONS)
    assert [record.data for record in one[1:-1]] == TRANSACTIONS


def test_one_object_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_text(json.dumps({"metadata": {}, "transactions": TRANSACTIONS}), encoding="utf-8")
    assert [record.kind for record in read_records(path)] == ["metadata", "tx", "tx", "tx"]


def test_an_incomplete_last_line_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_lines(tmp_path / "lines", TRANSACTIONS, end=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-25])
    assert [record.kind for record in read_records(path)] == ["metadata", "session_started", "tx", "tx"]
    assert "ends in the middle of line 5" in caplog.text


def test_empty_lines_and_empty_files(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "lines", TRANSACTIONS)
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\n\n"))
    assert len(list(read_records(path))) == 6
    (tmp_path / "empty").write_bytes(b"")
    assert list(read_records(tmp_path / "empty")) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"type":"metadata","data":{}}\nnonsense\n{"type":"tx","data":{}}\n', "line 2 is not valid JSON"),
        (b"#!/bin/sh\n", "is not a recorded run"),
        (b'{"transactions": 5}', "neither records nor transactions"),
        (b"\xff\xfe\n", "is not a recorded run"),
    ],
)
def test_a_file_that_is_not_a_run_is_rejected_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(simsync.InvalidParams, match=words):
        list(read_records(path))


@pytest.mark.parametrize(
    "odd", ["[]", '{"type":"novelty"}', '{"type":"note","data":"text"}', '{"type":"x","data":[1]}']
)
def test_a_record_of_an_unknown_shape_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, odd: str) -> None:
    path = tmp_path / "file"
    path.write_text(f'{{"type":"metadata","data":{{}}}}\n{odd}\n{{"type":"tx","data":{{}}}}\n', encoding="utf-8")
    assert [record.kind for record in read_records(path)] == ["metadata", "tx"]
    assert "line 2 is ignored" in caplog.text


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_how_a_file_is_written_makes_no_difference(tmp_path: Path, ending: str, mark: bytes, line_end: bytes) -> None:
    for write in (write_lines, write_object):
        plain = write(tmp_path / "plain", TRANSACTIONS)
        expected = list(read_records(plain))
        path = tmp_path / f"file{ending}"
        path.write_bytes(compressed(mark + plain.read_bytes().replace(b"\n", line_end), ending))
        assert list(read_records(path)) == expected


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_compressed_data_that_was_cut_off_is_read_up_to_there(tmp_path: Path, ending: str) -> None:
    many = [tx(number, f"s{number}", logs=[secrets.token_hex(100)]) for number in range(5_000)]
    path = write_lines(tmp_path / "plain", many)
    content = compressed(path.read_bytes(), ending)
    path.write_bytes(content[: len(content) // 2])
    found = [record.data["signature"] for record in read_records(path) if record.kind == "tx"]
    assert 1_000 < len(found) < 4_000
    assert found == [one["signature"] for one in many[: len(found)]]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_small_file_does_not_become_a_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(compressed_file, "LARGEST_LINE", 1_000_000)
    path = tmp_path / "file"
    path.write_bytes(compressed(b'{"type":"tx","data":{}}\n{"type":"tx","data":"' + b"a" * 2_000_000, ending))
    assert path.stat().st_size < 10_000
    with pytest.raises(simsync.InvalidParams, match="has a line of more than 1,000,000 bytes"):
        list(read_records(path))


def test_several_compressed_streams_behind_each_other(tmp_path: Path) -> None:
    plain = write_lines(tmp_path / "plain", TRANSACTIONS)
    content = plain.read_bytes()
    for ending, padding in ((".gz", b""), (".gz", bytes(512)), (".zst", b"")):
        path = tmp_path / "file"
        path.write_bytes(compressed(content[:300], ending) + compressed(content[300:], ending) + padding)
        assert list(read_records(path)) == list(read_records(plain))


def test_standard_input_and_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, pipe = write_lines(tmp_path / "lines", TRANSACTIONS), tmp_path / "pipe"
    expected = list(read_records(path))
    os.mkfifo(pipe)
    for _ in range(2):  # what was read before is not kept
        with ThreadPoolExecutor(1) as writer:
            writer.submit(lambda: pipe.write_bytes(path.read_bytes()))
            assert list(read_records(pipe)) == expected
    with path.open("rb") as file, pipes_are_kept():
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        assert list(read_records("-")) == expected
        assert list(read_records("-")) == expected


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, 10**40, -(2**70)])
def test_integers_of_any_size(tmp_path: Path, number: int) -> None:
    for write in (write_lines, write_object):
        path = write(tmp_path / "file", [tx(10, "s1", fee=number)])
        assert [record.data["fee"] for record in read_records(path) if record.kind == "tx"] == [number]


@pytest.mark.parametrize("value", ["NaN", "-Infinity", '"\\ud800"', '"\\udc00\\ud800"'])
def test_what_a_strict_reader_refuses_is_read(tmp_path: Path, value: str) -> None:
    path = write_lines(tmp_path / "file", TRANSACTIONS)
    path.write_text(
        path.read_text(encoding="utf-8").replace('"slot": 11,', f'"slot": 11, "x": {value},'), encoding="utf-8"
    )
    assert [record.data["slot"] for record in read_records(path) if record.kind == "tx"] == [10, 11, 12]
    with RecordingDatabase(path) as database:
        assert database.query("SELECT slot FROM transactions ORDER BY slot") == [(10,), (11,), (12,)]
    assert summarize(path).complete


def test_what_is_written_is_read_by_everyone(tmp_path: Path) -> None:
    line = line_of("tx", {"a": float("nan"), "b": [1e400, "\ud83d\ude00", "\ud800x"], "c\udfff": {1.5: 2}})
    assert json.loads(line, parse_constant=None)["data"] == {
        "a": None,
        "b": [None, "\U0001f600", "\ufffdx"],
        "c\ufffd": {"1.5": 2},
    }
    assert json.loads(line)["data"]["b"][2].encode("utf-8")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_records(tmp_path / "nothing"))


def test_what_is_read_from_a_transaction() -> None:
    found = transaction_of(
        tx(
            12,
            "s3",
            compute_units=450,
            sol_changes=[{"account": ALICE, "pre": 10, "post": 7}],
            token_changes=[
                {"mint": MINT, "symbol": "X", "decimals": 6, "account": BOB, "pre": "5", "post": "36893488147419103232"}
            ],
        )
    )
    assert (found.slot, found.signature, found.error, found.units) == (12, "s3", None, 450)
    assert found.programs == {PROGRAM}
    assert found.changes == (BalanceChange(ALICE, None, 10, 7), BalanceChange(BOB, MINT, 5, 2**65))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"slot": "x", "signature": None, "logs": None, "sol_changes": None},
        {"logs": 5, "sol_changes": [1, {"pre": None}, {"account": 3}], "token_changes": {"a": 1}},
    ],
)
def test_missing_and_malformed_values_read_as_empty(data: dict[str, Any]) -> None:
    found = transaction_of(data)
    assert (found.slot, found.error, found.logs, found.changes) == (0, None, (), ())


def test_errors_are_text_whatever_their_form() -> None:
    assert (
        transaction_of({"error": {"InstructionError": [0, {"Custom": 7}]}}).error
        == '{"InstructionError": [0, {"Custom": 7}]}'
    )
    assert transaction_of({"error": "broken"}).error == "broken"
    assert transaction_of({"success": False}).error == "failed"
