"""Both formats of a recorded run read the same, and an interrupted file is read up to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.run import read_records
from simsync.run.event_records import BalanceChange, transaction_of

from .files import ALICE, BOB, METADATA, MINT, PROGRAM, SUMMARY, tx, write_lines, write_object

TRANSACTIONS = [tx(10, "s1"), tx(11, "s2", error="custom program error: 0x1"), tx(12, "s3")]


# feature: both formats of output files
def test_lines_and_one_object_read_the_same(tmp_path: Path) -> None:
    lines = list(read_records(write_lines(tmp_path / "lines", TRANSACTIONS)))
    one = list(read_records(write_object(tmp_path / "object", TRANSACTIONS)))
    assert [record.kind for record in lines] == ["metadata", "session_started", "tx", "tx", "tx", "summary"]
    assert one == [record for record in lines if record.kind != "session_started"]
    assert one[0].data == METADATA
    assert one[-1].data == SUMMARY
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
        (b'{"type":"metadata","data":{}}\n[]\n', "line 2 is not a record"),
        (b'{"type":"metadata","data":{}}\n{"type":"tx"}\n', "line 2 is not a record"),
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
