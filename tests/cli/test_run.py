"""``simsync run`` as a shell sees it: the file and the exit code, also after failures and signals."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.cli.app import run
from simsync.cli.venue_templates import direct_fills
from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program
from simsync.run import read_records, summarize

RANGE = ["--start-slot", "1000", "--end-slot", "1019"]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(seed=5, slots=20, transactions_per_slot=10, bundle_size=10, tiny_program=True)


@pytest.fixture
def simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger) as running:
        yield running


@pytest.fixture
def slow_simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger, slot_delay=0.1) as running:
        yield running


def arguments(simulator: Simulator, path: Path, *more: str) -> list[str]:
    return ["--url", simulator.url, "--api-key", simulator.api_key, "run", *RANGE, "--output-file", str(path), *more]


# feature: `run` with range, programs, binaries, subscriptions, limits, progress
def test_a_baseline_and_an_experiment(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, experiment, binary = tmp_path / "base.ndjson", tmp_path / "experiment.ndjson", tmp_path / "v2.so"
    binary.write_bytes(tiny_program(result=7))
    program = ["--parallel", "--program-id", str(TINY_PROGRAM)]
    assert run(arguments(simulator, base, *program)) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"{base}: 20 slots, 2 session(s), complete\n"
    assert run(arguments(simulator, experiment, *program, "--program-so", str(binary))) == 0
    assert run(["compare", str(base), str(experiment), "--fail-on", "regressions"]) == 1
    assert "regressions: newly failing" in capsys.readouterr().out


def test_the_collector_rests_during_a_run_unless_a_strategy_runs(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "seen_by_a_strategy.py").write_text(
        "import gc\n"
        "def look(session):\n"
        "    session.record('collector', {'frozen': gc.get_freeze_count(), 'after': gc.get_threshold()[0]})\n",
        encoding="utf-8",
    )
    before, asked = gc.get_threshold(), []

    def set_threshold(*thresholds: int) -> None:
        asked.append((gc.get_freeze_count() > 1_000, thresholds))
        set_really(*thresholds)

    set_really = gc.set_threshold
    monkeypatch.setattr(gc, "set_threshold", set_threshold)
    with_strategy = tmp_path / "strategy.ndjson"
    assert run(arguments(simulator, with_strategy, "--parallel", "--strategy", "seen_by_a_strategy:look")) == 0
    seen, _other = (record.data for record in read_records(with_strategy) if record.kind == "collector")
    assert (seen["frozen"], seen["after"], asked) == (0, before[0], [])
    assert run(arguments(simulator, tmp_path / "run.ndjson", "--parallel")) == 0
    assert asked == [(True, (50_000,)), (False, before)]
    assert gc.get_threshold() == before


def test_a_strategy_that_changes_the_working_directory_moves_no_output(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    module = tmp_path / "strategy_that_moves.py"
    module.write_text("import os\nos.chdir('elsewhere')\ndef drive(session):\n    pass\n", encoding="utf-8")
    strategy = f"{module.stem}:drive"
    swept = ["--url", simulator.url, "--api-key", simulator.api_key, "sweep", strategy, "--ranges", "1000-1019"]
    for words, output in (
        (arguments(simulator, Path("run.ndjson"), "--parallel", "--strategy", strategy), "run.ndjson"),
        ([*swept, "--output", "swept"], "swept"),
    ):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delitem(sys.modules, module.stem, raising=False)
        assert run(words) == 0
        assert (tmp_path / output).exists()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_strategy_drives_the_sessions(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    name = "strategy_of_the_command_line"
    (tmp_path / f"{name}.py").write_text(
        "def count(session):\n"
        "    slots = sum(type(event).__name__ == 'Slot' for event in session.events(advance=3))\n"
        "    session.record('count', {'slots': slots})\n"
        "def fail(session):\n"
        "    raise ValueError('no luck')\n",
        encoding="utf-8",
    )
    path = tmp_path / "run.ndjson"
    limits = ["--workers", "1", "--max-memory", "1"]
    assert run(arguments(simulator, path, "--parallel", "--strategy", f"{name}:count", *limits, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["completed"] == 2
    assert [record.data["slots"] for record in read_records(path) if record.kind == "count"] == [10, 10]
    failed = tmp_path / "failed.ndjson"
    assert run(arguments(simulator, failed, "--parallel", "--strategy", f"{name}:fail")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: no luck" in line
    assert list(read_records(failed))[-1].kind == "stopped"


# feature: `run --reroute-order-flow` and similar options
def test_rerouting_is_asked_for(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, templates = tmp_path / "run.ndjson", tmp_path / "templates.json"
    templates.write_text('[{"label": "own"}]', encoding="utf-8")
    for more in (["router", "--reroute-aggregators", "jupiter,okx"], ["venue", "--venue-templates", str(templates)]):
        assert run(arguments(simulator, path, "--parallel", "--reroute-order-flow", *more)) == 1
        assert "reroute is not supported" in capsys.readouterr().err


ACCOUNTS = [{"address": "1" * 32, "signer": True}, *[{"address": "1" * 32, "writable": True}] * 2]
TEMPLATE: dict[str, Any] = {
    "label": "own",
    "inputMint": "So11111111111111111111111111111111111111112",
    "outputMint": str(TINY_PROGRAM),
    "instruction": {
        "programId": str(TINY_PROGRAM),
        "accounts": ACCOUNTS,
        "data": {"data": "AAAAAAAAAAA=", "encoding": "base64"},
    },
    "amountOffset": 0,
    "taker": {"user": [0], "inputTokenAccount": [1], "outputTokenAccount": 2},
}


def test_templates_of_the_vendor_are_direct_fills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "templates.json"
    derived = [{"program": "1" * 32, "seeds": [{"someKey": "AQ=="}], "slots": [1]}]
    bare = {**TEMPLATE, "instruction": {**TEMPLATE["instruction"], "data": "AAAAAAAAAAA="}}
    full = {**TEMPLATE, "label": "full", "mode": "ExactOut", "taker": {**TEMPLATE["taker"], "derived": derived}}
    path.write_text(json.dumps([TEMPLATE, bare, full]), encoding="utf-8")
    first, second, third = direct_fills(path)
    assert isinstance(first, simsync.DirectFill)
    assert isinstance(third, simsync.DirectFill)
    assert first == second
    assert first.instruction.data == bytes(8)
    assert [(one.signer, one.writable) for one in first.instruction.accounts][:2] == [(True, False), (False, True)]
    assert (third.mode, list(third.taker.derived)) == ("ExactOut", derived)
    path.write_text(json.dumps([first.to_dict(encode_json=True), third.to_dict(encode_json=True)]), encoding="utf-8")
    assert direct_fills(path) == [first, third]
    assert capsys.readouterr().err == ""
    others: list[tuple[object, str]] = [
        ({"label": "own"}, "as a DirectFill it lacks input_mint, output_mint, instruction, amount_offset, taker"),
        ({**TEMPLATE, "priority": 1}, "as a DirectFill it has the unknown fields priority"),
        ({**TEMPLATE, "taker": 5}, "5 is no object with the fields of a FillTaker"),
        (
            {**TEMPLATE, "instruction": {**TEMPLATE["instruction"], "accounts": 5}},
            "its accounts are no list",
        ),
        ({**TEMPLATE, "instruction": {**TEMPLATE["instruction"], "data": [1]}}, "[1] is neither base64 nor"),
    ]
    for template, words in others:
        path.write_text(json.dumps([template]), encoding="utf-8")
        assert direct_fills(path) == [template]
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"simsync: venue_templates[0] is sent unchanged and unchecked: {words}")


def test_account_diffs_and_a_larger_limit(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    more = ["--parallel", "--subscriptions", "account-diff", "--program-id", "11111111111111111111111111111111"]
    assert run(arguments(simulator, path, *more, "--extra-compute-units", "1000", "--advance", "1")) == 0
    assert summarize(path).diffs > 0


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--program-so", "{file}"], 2, "1 --program-so for 0 --program-id"),
        (["--program-id", "typo"], 2, "program_ids[0]='typo'"),
        (["--subscriptions", "account-diff"], 2, "needs program_ids"),
        (["--strategy", "json"], 2, "must be module:function"),
        (["--strategy", "json:typo"], 2, "json has no function typo"),
        (["--strategy", "no_such_module:drive"], 2, "ModuleNotFoundError"),
        (["--reroute-circular-arbs"], 2, "need --reroute-order-flow"),
        (["--reroute-order-flow", "venue"], 2, "needs --venue-templates"),
        (["--reroute-order-flow", "venue", "--venue-templates", "{file}"], 2, "is not valid JSON"),
        (["--reroute-order-flow", "--venue-templates", "{unsigned}"], 2, "venue_templates[1].taker=FillTaker"),
        (["--json", "--output-file", "/dev/stdout"], 2, "--json and --output-file /dev/stdout both write to standard"),
        (["--reroute-order-flow", "--reroute-aggregators", "typo"], 2, "aggregators[0]='typo'"),
        (["--workers", "0"], 2, "not in the range"),
        (["--start-slot", "1020"], 2, "must be >= start_slot"),
        ([], 1, "BundleNotFound"),
        (["--parallel", "--program-id", str(TINY_PROGRAM), "--program-so", "{file}"], 2, "is not an ELF file"),
    ],
)
def test_mistakes(
    simulator: Simulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    words: str,
) -> None:
    file = tmp_path / "file"
    file.write_text("#!/bin/sh\n", encoding="utf-8")
    unsigned = tmp_path / "unsigned.json"
    unsigned.write_text(json.dumps([TEMPLATE, {**TEMPLATE, "taker": {**TEMPLATE["taker"], "user": [1]}}]))
    path = tmp_path / "run.ndjson"
    assert run(["-q", *arguments(simulator, path, *[one.format(file=file, unsigned=unsigned) for one in more])]) == code
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert words in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-q", *arguments(simulator, Path("/dev/full"), "--parallel")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line


def test_a_deadline(slow_simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.ndjson"
    assert run(["-q", *arguments(slow_simulator, path, "--parallel", "--advance", "1", "--deadline", "0.4")]) == 1
    assert capsys.readouterr().err == "simsync: the deadline of 0.4 s passed; use --resume to continue\n"
    assert list(read_records(path))[-1].kind == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_a_file_that_says_how_far_the_run_came(
    slow_simulator: Simulator, tmp_path: Path, number: signal.Signals
) -> None:
    pipe, path = tmp_path / "pipe", tmp_path / "run.ndjson"
    os.mkfifo(pipe)
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " from simsync.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, *arguments(slow_simulator, pipe, "--parallel", "--advance", "1")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with pipe.open("rb") as written:
            lines: list[bytes] = []
            while sum(b'"progress"' in line for line in lines) < 4:
                lines.append(written.readline())
            process.send_signal(number)
            lines += written.readlines()
        _output, errors = process.communicate(timeout=30)
    path.write_bytes(b"".join(lines))
    assert "Traceback" not in errors
    *_records, last = read_records(path)
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert last.kind == "stopped"
    else:
        assert process.returncode == -signal.SIGKILL
        assert last.kind == "progress"
    assert not summarize(path).complete


# feature: `run` with range, programs, binaries, subscriptions, limits, progress
@pytest.mark.parametrize(
    "killed_after", [1, 9, pytest.param(5, marks=pytest.mark.thorough), pytest.param(14, marks=pytest.mark.thorough)]
)
def test_a_killed_run_is_resumed(
    slow_simulator: Simulator, simulator: Simulator, tmp_path: Path, killed_after: int
) -> None:
    """The run is killed after this many stops of an engine."""
    pipe, path = tmp_path / "pipe", tmp_path / "run.ndjson"
    os.mkfifo(pipe)
    more = ["--parallel", "--advance", "1"]
    command = [sys.executable, "-m", "simsync", *arguments(slow_simulator, pipe, *more)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        with pipe.open("rb") as written:
            lines: list[bytes] = []
            while sum(b'"progress"' in line for line in lines) < killed_after:
                lines.append(written.readline())
            process.kill()
            lines += written.readlines()
    path.write_bytes(b"".join(lines))
    assert not summarize(path).complete
    assert run(["-q", *arguments(simulator, path, *more, "--resume")]) == 0
    whole = tmp_path / "whole.ndjson"
    assert run(["-q", *arguments(simulator, whole, *more)]) == 0
    assert run(["compare", str(whole), str(path), "--fail-on", "differences"]) == 0
    assert summarize(path).complete


def test_a_run_that_replaced_nothing_says_where_it_is(
    simulator: Simulator,
    ledger: Ledger,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, aside = tmp_path / "run.ndjson", tmp_path / "run.new.ndjson"
    again = ["--advance", "1", "--force", "--parallel"]
    advice = f"simsync: {path} is as it was; continue with --output-file {aside} --resume"
    assert run(arguments(simulator, path, "--parallel")) == 0
    capsys.readouterr()
    with Simulator(Ledger(ledger.blocks[:-9], ledger.bundles)) as part:
        assert run(["-q", *arguments(part, path, *again)]) == 1
        outcome, line = capsys.readouterr().err.splitlines()
        assert outcome.startswith(f"{aside}: 11 slots, 2 session(s), INCOMPLETE: ")
        assert line == advice
        assert run(["-q", *arguments(part, path, *again, "--json")]) == 1
        assert json.loads(capsys.readouterr().out)["output_file"] == str(aside)
        capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    Path("strategy_of_a_forced_run.py").write_text(
        "def drive(session):\n    session.advance(2)\n    list(session.pending())\n    1 / 0\n"
    )
    strategy = ["--strategy", "strategy_of_a_forced_run:drive", "--workers", "1"]
    assert run(["-q", *arguments(simulator, path, *again, *strategy)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError" in line
    assert line.endswith(advice.partition(": ")[2])


def test_a_file_named_as_standard_output_is_a_file(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where = ["--url", simulator.url, "--api-key", simulator.api_key]
    assert run([*where, "run", *RANGE, "--parallel", "--json", "--output-file", "./-"]) == 0
    assert json.loads(capsys.readouterr().out)["output_file"] == str(tmp_path / "-")
    assert summarize(tmp_path / "-").complete


def test_resuming_another_run_is_rejected(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.ndjson"
    assert run(["-q", *arguments(simulator, path, "--parallel")]) == 0
    capsys.readouterr()
    assert run(["-q", *arguments(simulator, path, "--parallel", "--end-slot", "1009", "--resume")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "end_slot: 1019 then, 1009 now" in line
    assert run(["-q", *arguments(simulator, tmp_path / "nothing", "--parallel", "--resume")]) == 0
