"""A recorded run as tables: the same rows in Parquet and CSV, and no partly written files."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import simsync
from simsync.run.export import export_run
from simsync.run.tables import TABLES

from .files import ALICE, MINT, tx, write_lines, write_object

TRANSACTIONS = [
    tx(
        10,
        "s1",
        compute_units=450,
        fee=5_000,
        sol_changes=[{"account": ALICE, "pre": 2**64 - 1, "post": 0}],
        token_changes=[{"account": ALICE, "mint": MINT, "decimals": 6, "pre": "7", "post": "9"}],
    ),
    tx(11, "s2", error={"InstructionError": [0, {"Custom": 1}]}, logs=['say "hi", twice', "and\nmore"]),
]


def write_run(path: Path) -> Path:
    write_lines(path, TRANSACTIONS)
    with path.open("a", encoding="utf-8") as file:
        diff = {"slot": 10, "account": ALICE, "pre_lamports": None, "post_lamports": 3}
        file.write(json.dumps({"type": "diff", "data": diff}) + "\n")
        file.write('{"type":"quote","data":{"session_id":"backtest_a","price":1.5}}\n')
    return path


def read_parquet(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# feature: (not the vendor's) strategies, pages, tables, a demo
def test_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "tables"
    counts = export_run(write_run(tmp_path / "run.ndjson"), folder)
    assert counts == {"transactions": 2, "balances": 2, "diffs": 1, "sessions": 0, "others": 1}
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.parquet" for name in TABLES)
    first, second = read_parquet(folder / "transactions.parquet")
    assert first == {
        "slot": 10,
        "signature": "s1",
        "success": True,
        "error": None,
        "compute_units": 450,
        "fee": 5_000,
        "timestamp": 1_761_000_010,
        "logs": "\n".join(TRANSACTIONS[0]["logs"]),
        "session_id": None,
    }
    assert second["error"] == '{"InstructionError":[0,{"Custom":1}]}'
    lamports, tokens = read_parquet(folder / "balances.parquet")
    assert (lamports["mint"], lamports["before"], lamports["after"]) == (None, 2**64 - 1, 0)
    assert (tokens["mint"], tokens["before"], tokens["after"]) == (MINT, 7, 9)
    assert (lamports["change"], tokens["change"]) == (1 - 2**64, 2)
    assert read_parquet(folder / "diffs.parquet")[0]["pre_lamports"] is None
    assert read_parquet(folder / "others.parquet") == [
        {"kind": "quote", "session_id": "backtest_a", "data": '{"price":1.5}'}
    ]


def test_csv_holds_the_same(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.ndjson")
    assert export_run(path, tmp_path, "csv") == export_run(path, tmp_path, "parquet")
    for name in TABLES:
        expected = [
            {key: as_text(value) for key, value in row.items()} for row in read_parquet(tmp_path / f"{name}.parquet")
        ]
        assert read_csv(tmp_path / f"{name}.csv") == expected


def as_text(value: object) -> str:
    """A cell of a CSV file."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_the_older_format(tmp_path: Path) -> None:
    counts = export_run(write_object(tmp_path / "run.json", TRANSACTIONS), tmp_path)
    assert (counts["transactions"], counts["balances"]) == (2, 2)


def test_more_rows_than_are_written_at_a_time(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", [tx(slot, f"s{slot}") for slot in range(25_001)])
    export_run(path, tmp_path)
    assert [row["slot"] for row in read_parquet(tmp_path / "transactions.parquet")] == list(range(25_001))


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_a_value_that_does_not_fit_its_column_leaves_the_files_unchanged(tmp_path: Path, format: str) -> None:
    folder = tmp_path / "tables"
    export_run(write_lines(tmp_path / "good.ndjson", TRANSACTIONS), folder, format)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    bad = write_lines(tmp_path / "bad.ndjson", [*TRANSACTIONS, tx(12, "s3", fee=-1)])
    with pytest.raises(simsync.InvalidParams, match="fee=-1: does not fit a column of type uint64"):
        export_run(bad, folder, format)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_a_balance_that_does_not_fit_is_named(tmp_path: Path, format: str) -> None:
    huge = {**tx(12, "s3"), "sol_changes": [{"account": "a", "pre": 2**64, "post": 5}]}
    path = write_lines(tmp_path / "run.ndjson", [*TRANSACTIONS, huge])
    with pytest.raises(simsync.InvalidParams, match=f"balances.before={2**64}: does not fit a column of type uint64"):
        export_run(path, tmp_path / "tables", format)
    assert not any((tmp_path / "tables").iterdir())


def test_what_is_no_number_is_an_empty_cell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd = {**tx(12, "s3"), "slot": "x"}
    export_run(write_lines(tmp_path / "run.ndjson", [*TRANSACTIONS, odd]), tmp_path)
    assert [row["slot"] for row in read_parquet(tmp_path / "transactions.parquet")] == [10, 11, None]
    assert "1 values of slot are no numbers, such as 'x'; their cells are empty" in caplog.text


def test_the_extra_is_named_if_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    with pytest.raises(simsync.MissingExtra, match=r"simsync\[report\]"):
        export_run(path, tmp_path, "parquet")


def test_a_table_does_not_replace_the_run_that_it_is_made_of(tmp_path: Path) -> None:
    run, link = write_run(tmp_path / "transactions.csv"), tmp_path / "link"
    before = run.read_bytes()
    link.symlink_to(run)
    for name in (run, link):
        with pytest.raises(simsync.InvalidParams, match=r"folder=.*transactions\.csv.* is the file that is read"):
            export_run(name, tmp_path, "csv")
    assert run.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [link, run]


def test_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(simsync.InvalidParams, match="format='xlsx'"):
        export_run(write_lines(tmp_path / "run.ndjson", []), tmp_path, "xlsx")
