"""``show`` and ``sql``: looking into recordings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simsync.cli.app import run
from simsync.run.tables import TABLES

from ..run.files import ALICE, PROGRAM, tx, write_lines

LONG = "5ew4uzhmvEGXcCQva2PwNiYGKYPawSkdNdodVds2MJNynyysMKMMvuaAZiovLjzu9rNbRt55XquVHLWEwvTQQCuq"


@pytest.fixture
def recording(tmp_path: Path) -> str:
    gain = {"account": ALICE, "pre": 100, "post": 150}
    transactions = [
        tx(10, "aaa", compute_units=7, sol_changes=[gain]),
        tx(11, LONG, error={"InstructionError": [0, {"Custom": 7}]}, compute_units=2, fee=5_000, sol_changes=[gain]),
        tx(12, "bbb", error="Boom", logs=["Program log: \x1b[31mred\nsecond"]),
    ]
    return str(write_lines(tmp_path / "run.ndjson", transactions))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["aaa", LONG, "bbb"]),
        (["--failed"], [LONG, "bbb"]),
        (["--error", "boom"], ["bbb"]),
        (["--error", "custom"], [LONG]),
        (["--program", PROGRAM], ["aaa", LONG]),
        (["--account", ALICE], ["aaa", LONG]),
        (["--account", ALICE, "--failed"], [LONG]),
        (["--slot", "11"], [LONG]),
        (["--slot", "11-12"], [LONG, "bbb"]),
        (["--limit", "1"], ["aaa"]),
        (["a"], ["aaa"]),
        ([LONG[:9]], [LONG]),
    ],
)
def test_conditions(
    recording: str, options: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", recording, *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["signature"] for row in found["transactions"]] == expected
    assert found["total"] == (3 if "--limit" in options else len(expected))


def test_one_transaction_with_all_details(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", recording, LONG[:12]]) == 0
    output = capsys.readouterr().out
    assert f"https://explorer.solana.com/tx/{LONG}" in output
    assert '{"InstructionError":[0,{"Custom":7}]}' in output
    assert f"  Program {PROGRAM} invoke [1]\n" in output
    assert [ALICE, "lamports", "100", "150", "50"] in [line.split() for line in output.splitlines()]
    assert run(["show", recording, LONG, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["transactions"]
    assert row["explorer"] == f"https://explorer.solana.com/tx/{LONG}"
    assert row["logs"][0] == f"Program {PROGRAM} invoke [1]"
    assert row["balances"] == [{"account": ALICE, "mint": None, "before": 100, "after": 150, "change": 50}]


def test_a_list_has_one_line_for_each_transaction(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", recording, "--limit", "2"]) == 0
    captured = capsys.readouterr()
    assert [line.split()[1] for line in captured.out.splitlines()] == ["signature", "aaa", LONG]
    assert captured.err == "2 of 3 transactions; --limit shows more\n"


def test_logs_cannot_control_the_terminal(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", recording, "--error", "boom", "--logs"]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "  second\n" in output


def test_nothing_is_found(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", recording, "zzz"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"simsync: {recording} has no such transaction\n")
    assert run(["show", recording, "zzz", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"total": 0, "transactions": []}


def test_a_query_as_a_table_and_as_json(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    query = "select success, count(*) as number, sum(compute_units) as units from transactions group by 1 order by 1"
    assert run(["sql", recording, query]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["success", "number", "units"], ["no", "2", "2"], ["yes", "1", "7"]]
    assert run(["sql", recording, query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"success": False, "number": 2, "units": 2},
        {"success": True, "number": 1, "units": 7},
    ]
    assert run(["sql", recording, "select 1 where false", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_several_files_and_a_limit(recording: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = str(write_lines(tmp_path / "other.ndjson", [tx(10, "ccc")]))
    query = "select file, count(*) as number from transactions group by file order by number"
    assert run(["sql", recording, other, query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"file": other, "number": 1}, {"file": recording, "number": 3}]
    assert run(["sql", recording, other, query, "--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert captured.err == "only the first 1 rows are shown; --limit shows more\n"


def test_standard_input(recording: str) -> None:
    command = [sys.executable, "-m", "simsync", "sql", "-", "select count(*) as number from transactions", "--json"]
    with Path(recording).open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [{"number": 3}]


@pytest.mark.parametrize("command", [["show", "{}"], ["sql", "{}", "select 1"], ["summarize", "{}"], ["report", "{}"]])
def test_the_extra_is_named_if_it_is_missing(
    recording: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert run([word.format(recording) for word in command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'simsync[report]'" in line


def test_a_limit_of_zero_and_a_range_without_its_end(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", recording, "aaa", "--limit", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"total": 1, "transactions": []}
    assert run(["show", recording, "--slot", "10-"]) == 2
    assert "must be a slot or a range" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("select 1 a, 2 a, 3 a_1", {"a": 1, "a_1": 2, "a_1_1": 3}),
        ("select 'nan'::double x, ['inf'::double] y", {"x": None, "y": [None]}),
        ("select 'ab'::blob x, {'a': '-inf'::double} y", {"x": "6162", "y": {"a": None}}),
    ],
)
def test_every_result_is_json(
    recording: str, capsys: pytest.CaptureFixture[str], query: str, row: dict[str, object]
) -> None:
    assert run(["sql", recording, query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == [row]


@pytest.mark.parametrize(
    "query",
    [
        *("", ";", "selec", "select nothing", "select 1 from nowhere", "select cast('a' as int)"),
        "select cast(if(i > 0, i, 'a'::varchar) as int) from range(2) t(i) order by i",
    ],
)
def test_a_wrong_query_is_wrong_usage(recording: str, capsys: pytest.CaptureFixture[str], query: str) -> None:
    assert run(["sql", recording, query, "--json"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["report", "FILE", "--output", "-", "--json"],
        ["report", "FILE", "--output", "/dev/stdout", "--json"],
        ["compare", "FILE", "FILE", "--html", "-", "--json"],
        ["report", "-"],
        ["report", "/dev/stdin"],
        ["export", "FILE", "-"],
    ],
)
def test_results_have_a_place_of_their_own(
    recording: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([recording if word == "FILE" else word for word in words]) == 2
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["run.ndjson"]


def test_a_page_on_standard_output_is_alone(recording: str) -> None:
    command = [sys.executable, "-m", "simsync", "compare", recording, recording, "--html", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert done.stdout.rstrip().endswith("</html>")


@pytest.mark.parametrize(
    "copy",
    [
        "copy (select 1) to '{}'",
        "COPY transactions TO '{}' (FORMAT csv)",
        "copy (select 'to') to/* this */'{}'",
        "select 1; copy transactions\nto -- this\n'./{}'",
        "copy (select 1 as part, 2) to '.' (format csv, partition_by part, overwrite) -- {}",
    ],
)
def test_a_query_does_not_write_over_a_recording(
    recording: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], copy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    other = write_lines(tmp_path / "it's.ndjson", [tx(10, "ccc")])
    before = Path(recording).read_bytes(), other.read_bytes()
    for target, words in (("run.ndjson", "is the file that is read"), ("it''s.ndjson", "does not replace")):
        assert run(["sql", recording, copy.format(target)]) == 2
        assert "'.'" in copy or words in capsys.readouterr().err
    assert (Path(recording).read_bytes(), other.read_bytes()) == before
    assert run(["sql", recording, "copy (select '1' as file) to 'to.csv' (header false)"]) == 0
    assert (tmp_path / "to.csv").read_text(encoding="utf-8") == "1\n"


def test_what_json_does_not_have_is_null(recording: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.ndjson"
    text = Path(recording).read_text(encoding="utf-8")
    other.write_text(text.replace('"start_slot": 10', '"start_slot": NaN, "score": [Infinity]'), encoding="utf-8")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    for words in (["summarize", str(other)], ["compare", recording, str(other)]):
        assert run([*words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out, parse_constant=refuse)


@pytest.mark.parametrize("target", ["$$run.ndjson$$", "E'run.ndjson'", '"run.ndjson"', "('run' || '.ndjson')", "?"])
def test_a_query_says_in_plain_text_what_it_writes(
    recording: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = Path(recording).read_bytes()
    assert run(["sql", recording, f"copy (select 1) to {target}"]) == 2
    assert "to 'FILE'" in capsys.readouterr().err
    assert Path(recording).read_bytes() == before


def test_an_address_of_a_recording_is_its_path(recording: str) -> None:
    before = Path(recording).read_bytes()
    for begin in ("file:", "file://", "file://localhost"):
        assert run(["sql", recording, f"copy (select 1) to '{begin}{recording}'"]) == 2
    assert Path(recording).read_bytes() == before


@pytest.mark.parametrize("words", [["sql", "select 1", "--limit", "9" * 23], ["show", "--slot", "9" * 43]])
def test_numbers_beyond_all_bounds_are_wrong_usage(
    recording: str, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run([words[0], recording, *words[1:]]) == 2
    assert "9" * 23 in capsys.readouterr().err


def test_a_file_whose_name_is_a_dash(
    recording: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path(recording).rename(folder / "-")
    assert run(["summarize", "./-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["transactions"] == 3
    assert run(["report", ".//-"]) == 0
    assert run(["export", "./-", str(tmp_path)]) == 0
    monkeypatch.chdir(tmp_path)
    assert run(["export", "folder/-", "./-"]) == 0
    assert sorted(path.name for path in (tmp_path / "-").iterdir()) == sorted(f"{name}.parquet" for name in TABLES)
    assert sorted(path.name for path in folder.iterdir()) == ["-", "-.html"]


def test_a_device_that_is_full_is_named(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", recording, "--output", "/dev/full"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left" in line
    assert "/dev/full" in line
