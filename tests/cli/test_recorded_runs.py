"""``summarize`` and ``compare`` over files, as a shell sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simsync.cli.app import run

from ..run.files import tx, write_lines, write_object

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


@pytest.fixture
def base(tmp_path: Path) -> str:
    gain = {"account": WALLET, "pre": 100, "post": 150}
    return str(write_lines(tmp_path / "base.ndjson", [tx(10, "s1", sol_changes=[gain]), tx(11, "s2", error="boom")]))


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    return str(write_object(tmp_path / "experiment.json", [tx(10, "s1", error="a" * 100), tx(11, "s2")]))


# feature: `summarize` with `--accounts`
def test_summarize(base: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summarize", base, "--accounts", f" {WALLET} ,"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["failed", "1"] in lines
    assert ["1", "boom"] in lines
    assert [WALLET, "lamports", "100", "150", "50", "1"] in lines
    assert run(["summarize", base, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["transactions"] == 2


def test_compare(base: str, experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", base, experiment]) == 0
    output = capsys.readouterr().out
    assert "regressions (1 of 1)" in output
    assert "improvements (1 of 1)" in output
    assert "a" * 100 in output  # nothing is cut where nothing has a width
    (balance,) = [line.split() for line in output.splitlines() if line.startswith(WALLET)]
    assert balance == [WALLET, "lamports", "50", "0", "-50"]
    assert "\x1b" not in output


def test_a_transaction_without_a_signature_is_in_one_run_only(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless = {**tx(10, "s1"), "signature": None}
    other = str(write_lines(tmp_path / "other.ndjson", [nameless, tx(11, "s2", error="boom")]))
    assert run(["compare", base, other]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["first", "10", "s1", "ok"] in rows
    assert ["second", "10", "ok"] in rows
    assert run(["compare", base, other, "--html", str(tmp_path / "page.html")]) == 0


# feature: `compare` with `regressions`, `improvements`, `balances`
@pytest.mark.parametrize(
    ("view", "keys"),
    [
        ("regressions", {"regressions"}),
        ("improvements", {"improvements"}),
        ("other_errors", {"other_errors"}),
        ("balances", set()),
        ("unmatched", set()),
        ("logs", {"logs"}),
        ("units", {"units"}),
        ("all", {"regressions", "improvements", "other_errors", "logs", "units"}),
    ],
)
def test_views(base: str, experiment: str, capsys: pytest.CaptureFixture[str], view: str, keys: set[str]) -> None:
    assert run(["compare", base, experiment, view, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    always = {"totals", "unmatched", "balances", "changes_not_understood", "gate", "options_that_differ"}
    assert set(found) == keys | always
    assert len(found["balances"]) == (view in ("all", "balances"))


@pytest.mark.parametrize(
    ("fail_on", "same", "other"), [("regressions", 0, 1), ("improvements", 0, 1), ("differences", 0, 1)]
)
def test_the_exit_code_can_depend_on_what_is_found(
    base: str, experiment: str, capsys: pytest.CaptureFixture[str], fail_on: str, same: int, other: int
) -> None:
    assert run(["compare", base, base, "--fail-on", fail_on]) == same
    assert capsys.readouterr().err == ""
    assert run(["compare", base, experiment, "--fail-on", fail_on]) == other
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("simsync: the gate fails: ")
    assert fail_on in line


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (slice(0, 0), "the file is empty"),
        (slice(0, 1), "ends without a summary"),
        (slice(0, 3), "ends without a summary"),
        (slice(1, None), "the runs are over other slots: 10 to 19 and unknown"),
    ],
)
def test_a_gate_does_not_pass_on_what_cannot_be_compared(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: slice, words: str
) -> None:
    other = tmp_path / "other.ndjson"
    other.write_text("".join(Path(base).read_text(encoding="utf-8").splitlines(keepends=True)[lines]), encoding="utf-8")
    assert run(["compare", base, str(other), "--fail-on", "regressions>5"]) == 5
    assert words in capsys.readouterr().err
    assert run(["compare", base, str(other)]) == 0
    assert words in capsys.readouterr().err
    assert run(["compare", str(other), base, "--fail-on", "regressions>5"]) == 5


def test_several_conditions(base: str, experiment: str, capsys: pytest.CaptureFixture[str]) -> None:
    conditions = ["--fail-on", "regressions>1", "--fail-on", "failed>=50%", "--fail-on", "unmatched"]
    assert run(["compare", base, experiment, *conditions, "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "simsync: the gate fails: failed 50 % (failed>=50%)\n"
    assert json.loads(captured.out)["gate"] == {"incomparable_because": [], "crossed": ["failed 50 % (failed>=50%)"]}


def test_what_is_in_one_run_only_and_what_fails_in_another_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_lines(tmp_path / "a", [tx(10, "gone"), tx(11, "same", error="boom")])
    other = write_lines(tmp_path / "b", [tx(11, "same", error="bang"), tx(12, "new", error="oops")])
    assert run(["compare", str(base), str(other)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["11", "same", "boom", "bang", "-"] in lines
    assert ["first", "10", "gone", "ok"] in lines
    assert ["second", "12", "new", "oops"] in lines


def test_report(base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", base]) == 0
    page = Path(f"{base}.html")
    assert capsys.readouterr().out.startswith(f"{page}: 2 transactions, ")
    assert "boom" in page.read_text(encoding="utf-8")
    other = tmp_path / "other.html"
    assert run(["report", base, "--accounts", WALLET, "--output", str(other), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(other)
    assert WALLET in other.read_text(encoding="utf-8")


def test_a_comparison_as_a_page(base: str, experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert run(["compare", base, experiment, "--html", str(page), "--fail-on", "regressions"]) == 1
    assert "regressions: newly failing" in capsys.readouterr().out
    assert "1 newly succeed" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_export(base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:
    folder = tmp_path / "tables"
    assert run(["export", base, str(folder), "--format", format]) == 0
    assert [str(folder / f"transactions.{format}"), "2"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]
    assert run(["export", base, str(folder), "--format", format, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["balances"] == 1


def test_standard_output_is_closed(base: str) -> None:
    command = [sys.executable, "-m", "simsync", "summarize", base]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["report", "{base}", "--accounts", "typo"], 2, "accounts[0]='typo'"),
        (["report", "{odd}"], 2, "is not a recorded run"),
        (["report", "{base}", "--output", "/no/such/folder/page.html"], 2, "No such file"),
        (["export", "{base}", "{odd}"], 2, "is a file"),
        (["export", "{base}", "{base}.tables", "--format", "xlsx"], 2, "is not one of"),
        (["summarize", "no-such-file"], 2, "does not exist"),
        (["summarize", "{base}", "--accounts", "typo"], 2, "accounts[0]='typo'"),
        (["summarize", "{odd}"], 2, "is not a recorded run"),
        (["compare", "{base}"], 2, "Missing argument"),
        (["compare", "{base}", "{odd}"], 2, "is not a recorded run"),
        (["compare", "{base}", "{base}", "surprises"], 2, "is not one of"),
        (["compare", "{base}", "{base}", "--fail-on", "surprises"], 2, "must be a name or NAME>NUMBER[%]"),
        (["compare", "{base}", "{base}", "--fail-on", "regressions>+5%"], 2, "has no +"),
        (["show", "{base}", "--slot", "9-7"], 2, "a range of slots"),
        (["show", "{base}", "--max-memory", "5"], 2, "--max-memory"),
        (["sql", "{base}", "selekt 1"], 2, "syntax error"),
        (["sql", "{base}", "select * from nothing"], 2, "nothing does not exist"),
        (["report"], 2, "give either FILE or --history FOLDER"),
    ],
)
def test_mistakes(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    odd = tmp_path / "odd"
    odd.write_text("#!/bin/sh\n", encoding="utf-8")
    assert run([argument.format(base=base, odd=odd) for argument in arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert words in line


@pytest.mark.parametrize("command", [["compare", "-", "-"], ["sql", "-", "-", "select 1"]])
def test_standard_input_is_one_file(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert "standard input can be one of the" in capsys.readouterr().err


def test_what_was_not_compared_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = str(write_lines(tmp_path / "base", [tx(10, f"s{n}") for n in range(4)]))
    fewer = str(write_lines(tmp_path / "fewer", [tx(10, f"s{n}") for n in range(3)]))
    assert run(["compare", base, fewer, "--fail-on", "regressions"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("simsync: 1 transactions are in one run only and were not compared")
    assert run(["compare", base, fewer, "--fail-on", "unmatched"]) == 1
    assert "not compared" not in capsys.readouterr().err
    fewest = str(write_lines(tmp_path / "fewest", [tx(10, "s1")]))
    assert run(["compare", base, fewest, "--fail-on", "regressions"]) == 5
    assert "only 1 of 4 transactions are in both runs" in capsys.readouterr().err


def test_balances_that_are_not_understood_or_not_found_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_file = str(write_lines(tmp_path / "run", [tx(10, "s1", sol_changes={WALLET: "much"})]))
    assert run(["summarize", run_file, "--accounts", WALLET, "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["accounts_not_found"], found["changes_not_understood"]) == ([WALLET], 1)
    assert f"no balance of {WALLET} changed" in captured.err
    assert "1 changes of balances or account diffs are in an unknown form" in captured.err
    assert run(["compare", run_file, run_file, "balances", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["changes_not_understood"] == [1, 1]
    assert captured.err.count("1 changes of balances are in an unknown form") == 2
    assert "no balance differs" in captured.err
    assert run(["report", run_file, "--accounts", WALLET, "--json"]) == 0
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == len(json.loads(captured.out)["left_out"]) == 2
    assert f"{run_file}: no balance of {WALLET} changed" in captured.err
    page = Path(f"{run_file}.html")
    for phrase in (f"no balance of {WALLET} changed", "1 changes of balances or account diffs are in an unknown form"):
        assert phrase in page.read_text(encoding="utf-8")
    assert run(["compare", run_file, run_file, "--html", str(page)]) == 0
    assert page.read_text(encoding="utf-8").count("1 changes of balances of run are in an unknown form") == 2
