"""Recordings as a database: every way in which a file can be written gives the same rows."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.cli import app as cli
from simsync.run import read_records, summarize
from simsync.run.completeness import check_complete
from simsync.run.database import RecordingDatabase
from simsync.run.tables import TABLES

from .files import ALICE, BOB, METADATA, MINT, tx, write_lines, write_object
from .transaction_reader import transaction_of

TRANSACTIONS = [
    tx(
        10,
        "s1",
        compute_units=450,
        fee=5_000,
        sol_changes=[{"account": ALICE, "pre": 2**64 - 1, "post": 0}, {"account": BOB, "pre": "7", "post": 9}],
        token_changes=[{"owner": ALICE, "mint": MINT, "pre": "1", "post": str(10**25)}],
    ),
    tx(
        11, "s2", error={"InstructionError": [0, {"Custom": 1}]}, logs=['say "hi"', "Program log: Program x invoke [1]"]
    ),
    tx(12, "s3", success=False, logs="not a list", compute_units=2**64, sol_changes=[5, None, {"account": 1}]),
    {**tx(13, "", error="boom", fee=-1, units_consumed="77"), "slot": "13", "signature": None, "timestamp": True},
]
VALUES = "SELECT slot, signature, error, compute_units, logs FROM transactions"


def rows(path: Path) -> list[tuple[Any, ...]]:
    with RecordingDatabase(path) as database:
        return database.query(VALUES)


def compressed(content: bytes, ending: str) -> bytes:
    if ending == ".zst":
        zstandard = pytest.importorskip("zstandard")
        half = content.index(b"\n", len(content) // 2) + 1
        compressor = zstandard.ZstdCompressor()
        return bytes(compressor.compress(content[:half]) + compressor.compress(content[half:]))
    return gzip.compress(content) if ending == ".gz" else content


def test_the_rows_are_those_of_the_reader(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    expected = [transaction_of(record.data) for record in read_records(path) if record.kind == "tx"]
    found = rows(path)
    assert [row[0] for row in found] == [one.slot for one in expected]
    assert [row[1] for row in found] == ["s1", "s2", "s3", None]
    assert [row[2] for row in found] == [None, '{"InstructionError":[0,{"Custom":1}]}', "failed", "boom"]
    assert [row[3] for row in found] == [450, None, None, 77]
    assert [row[4] for row in found] == ["\n".join(one.logs) for one in expected]
    with RecordingDatabase(path) as database:
        balances = database.query("SELECT account, mint, before, after FROM balances")
    assert balances == [tuple(change) for one in expected for change in one.changes]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize(("mark", "line_end"), [(b"", b"\n\n"), (b"\xef\xbb\xbf", b"\r\n")])
def test_how_a_file_is_written_makes_no_difference(tmp_path: Path, ending: str, mark: bytes, line_end: bytes) -> None:
    for write in (write_lines, write_object):
        plain = write(tmp_path / "plain", TRANSACTIONS[:3])
        path = tmp_path / f"odd*[name]?{ending}"
        path.write_bytes(compressed(mark + plain.read_bytes().replace(b"\n", line_end), ending))
        assert rows(path) == rows(plain)
        assert summarize(path).complete


@pytest.mark.parametrize("name", ["diffs", "it's a copy of transactions"])
def test_a_file_with_the_name_of_a_view(tmp_path: Path, name: str) -> None:
    path = write_lines(tmp_path / name, TRANSACTIONS)
    assert len(rows(path)) == len(TRANSACTIONS)
    assert summarize(path).transactions == len(TRANSACTIONS)


def test_a_query_of_a_user_finds_all_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    names = {row["view_name"] for row in simsync.Recording(path).sql("select view_name from duckdb_views()")}
    assert {*TABLES, *(f"{table}_0" for table in TABLES)} <= names
    assert cli.run(["sql", str(path), "show tables", "--json"]) == 0
    assert set(TABLES) <= {row["name"] for row in json.loads(capsys.readouterr().out)}


def test_a_pipe(tmp_path: Path) -> None:
    path, pipe = write_lines(tmp_path / "lines", TRANSACTIONS), tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as writer:
        writer.submit(lambda: pipe.write_bytes(path.read_bytes()))
        assert rows(pipe) == rows(path)


@pytest.mark.parametrize(
    "odd",
    ["[]", "5", '"tx"', '{"type":"novelty"}', '{"type":"tx","data":"text"}', '{"type":"x","data":[1]}', '{"data":{}}'],
)
def test_records_of_an_unknown_shape_are_left_out(tmp_path: Path, odd: str) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:4], odd + "\n", *lines[4:]]), encoding="utf-8")
    assert len(rows(path)) == 4
    assert summarize(path).complete


def test_a_record_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    path.write_bytes(path.read_bytes().replace(b'"s2"', b'"s2'))
    with pytest.raises(simsync.InvalidParams, match="line 4 is not valid JSON"):
        rows(path)


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_a_file_that_was_cut_off_is_read_and_incomplete(tmp_path: Path, ending: str) -> None:
    path = write_lines(tmp_path / "plain", [tx(10, f"s{os.urandom(40).hex()}") for n in range(5_000)])
    content = compressed(path.read_bytes(), ending)
    cut = tmp_path / f"cut{ending}"
    cut.write_bytes(content[: len(content) * 3 // 4])
    assert 2_500 < len(rows(cut)) < 4_500
    assert not summarize(cut).complete


def test_a_line_that_is_longer_than_most(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"type": "note", "data": {"text": "x" * 20_000_000}}) + "\n")
    with RecordingDatabase(path, max_memory=1024) as database:
        assert database.one("SELECT kind, length(data) FROM others") == ("note", 20_000_011)
        assert len(database.query(VALUES)) == 4


def test_the_form_that_the_vendor_documents(tmp_path: Path) -> None:
    change = {"sol_changes": {ALICE: -5, BOB: "7"}, "token_changes": {ALICE: {MINT: -1_000}}, "account_diffs": {}}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"metadata": METADATA, "transactions": [tx(10, "s1", **change)]}), encoding="utf-8")
    with RecordingDatabase(path) as database:
        found = database.query("SELECT account, mint, before, after, change FROM balances")
    assert found == [(ALICE, None, None, None, -5), (BOB, None, None, None, 7), (ALICE, MINT, None, None, -1_000)]
    account = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
    path.write_text(
        json.dumps({"metadata": METADATA, "transactions": [tx(10, "s1", sol_changes={account: -5})]}), encoding="utf-8"
    )
    (trace,) = summarize(path, [account]).accounts
    assert (trace.opening, trace.closing, trace.change, trace.changes) == (None, None, -5, 1)


def test_the_views_over_several_files(tmp_path: Path) -> None:
    paths = [write_lines(tmp_path / name, [tx(10, name)]) for name in ("it's one", "two")]
    with RecordingDatabase(*paths) as database:
        assert database.query("SELECT signature, file FROM transactions ORDER BY file") == [
            (path.name, str(path)) for path in paths
        ]
        for table, columns in TABLES.items():
            names, _rows = database.rows(f"SELECT * FROM {table}")
            assert names == [*(column.name for column in columns), "file"]


def test_a_limit_that_is_too_small_is_said(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    with RecordingDatabase(path, max_memory=320) as database, pytest.raises(simsync.SimsyncError, match="--max-memory"):
        database.query("SELECT list(repeat('x', 1000000)) FROM range(1000)")
    with pytest.raises(simsync.InvalidParams, match="max_memory"):
        RecordingDatabase(path, max_memory=1)


def test_what_does_not_fit_in_memory_is_written_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    with RecordingDatabase(path, max_memory=320) as database:
        (count,) = database.one(
            "SELECT count(*) FROM (SELECT i, repeat(i::VARCHAR, 20) AS x FROM range(3000000) t(i) ORDER BY x DESC)"
            " WHERE i >= 0"
        )
        assert count == 3_000_000
    assert list(folder.iterdir()) == []


def test_a_temporary_folder_that_has_no_room_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    with RecordingDatabase(path, max_memory=320) as database:
        database.execute("SET max_temp_directory_size = '1MB'")  # DuckDB sets it to what is free on the disk
        with pytest.raises(simsync.SimsyncError, match=r"could not write to the temporary folder .*: it is full"):
            database.query("SELECT repeat(i::VARCHAR, 20) AS x FROM range(1500000) t(i) ORDER BY x DESC")


def test_ctrl_c_ends_a_query(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", TRANSACTIONS)
    began = tmp_path / "began.csv"
    query = "select i, sqrt(i) from range(100000000000) a(i) where i % 7 = sqrt(i) or i < 10_000_000"
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a shell may have ignored it
        "from simsync.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, "sql", str(path), f"copy ({query}) to '{began}'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not began.exists():
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.1)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert output == ""
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sol_changes": {ALICE: -5e6}}, (None, -5_000_000)),
        ({"sol_changes": {ALICE: -1000.0}}, (None, -1_000)),
        ({"sol_changes": {ALICE: {"pre": "10", "post": 7}}}, (None, -3)),
        ({"sol_changes": [{"account": ALICE, "pre": 1.0, "post": "2.50e1"}, 7]}, (None, 24)),
        ({"token_changes": {ALICE: {MINT: "2.0"}}}, (MINT, 2)),
        ({"token_changes": {ALICE: {MINT: {"pre": 1, "post": "4"}}}}, (MINT, 3)),
        ({"token_changes": {ALICE: {MINT: "1.5"}}}, None),
        ({"token_changes": {ALICE: 5}}, None),
        ({"sol_changes": {ALICE: "x"}}, None),
        ({"sol_changes": "x"}, None),
        ({"sol_changes": [{"account": ALICE, "post": 5}]}, None),
    ],
)
def test_changes_of_other_tools_are_read_or_counted(
    tmp_path: Path, changes: dict[str, Any], expected: tuple[str | None, int] | None
) -> None:
    path = write_lines(tmp_path / "run.ndjson", [tx(10, "s1", **changes)])
    with RecordingDatabase(path) as database:
        found = database.query("SELECT mint, change FROM balances")
        unknown = len(database.query("SELECT * FROM not_understood_0"))
    assert found == ([] if expected is None else [expected])
    assert unknown == (1 if expected is None or 7 in changes.get("sol_changes", ()) else 0)


def test_what_is_no_record_is_counted(tmp_path: Path) -> None:
    rows: list[Any] = [tx(10, "s1"), tx(0, "s2"), "text", {"note": 1}]
    rows[1]["slot"] = "x"
    path = tmp_path / "run.ndjson"
    records = [{"type": "metadata", "data": METADATA}, *({"type": "tx", "data": one} for one in rows)]
    records += [{"type": "novelty", "data": {}}, {"type": "summary", "data": {"total": 2}}]
    path.write_text("".join(json.dumps(one) + "\n" for one in records) + "5\n", encoding="utf-8")
    older = tmp_path / "run.json"
    older.write_text(json.dumps({"metadata": METADATA, "transactions": rows, "summary": {}}), encoding="utf-8")
    for file, unreadable, others in ((path, 3, {"novelty": 1}), (older, 2, {})):
        totals = summarize(file)
        assert (totals.transactions, totals.without_slot, totals.unreadable) == (2, 1, unreadable)
        assert (totals.other_records, totals.complete) == (others, check_complete(file).reason is None)


@pytest.mark.parametrize("state", [lambda lamports: lamports, lambda lamports: {"lamports": lamports, "data": "AA=="}])
def test_account_diffs_inside_transactions_are_in_the_table(tmp_path: Path, state: Any) -> None:
    changed = {ALICE: {"before": state(5), "after": state(6)}, BOB: {"before": None, "after": state(7)}}
    path = write_lines(tmp_path / "run.ndjson", [tx(10, "s1", account_diffs=changed)])
    with RecordingDatabase(path) as database:
        columns = "slot, signature, account, pre_lamports, post_lamports"
        found = database.query(f"SELECT {columns} FROM diffs ORDER BY account")
    assert found == [(10, "s1", ALICE, 5, 6), (10, "s1", BOB, None, 7)]
