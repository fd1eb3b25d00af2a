"""How a command ends: one line and the right exit code, whatever happens."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import simsync
from simsync.cli import app
from simsync.cli.app import run
from simsync.cli.exit_codes import MEANINGS, exit_code
from simsync.local import Ledger, Simulator
from simsync.run import read_records
from simsync.run.completeness import check_complete
from simsync.run.output_file import OutputBusy, only_writer

from ..run.files import tx, write_lines

RANGE = ["--start-slot", "1000", "--end-slot", "1019", "--parallel"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(slots=20, transactions_per_slot=2, bundle_size=10)) as running:
        yield running


@pytest.fixture(scope="module")
def slow_simulator() -> Iterator[Simulator]:
    ledger = Ledger.generate(slots=200, transactions_per_slot=1, bundle_size=200)
    with Simulator(ledger, slot_delay=0.1) as running:
        yield running


def arguments(simulator: Simulator, *more: str) -> list[str]:
    return ["--url", simulator.url, "--api-key", simulator.api_key, *more]


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simsync", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, text=True, **{"stdout": pipe, "stderr": pipe, **options})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutputBusy("busy"), 4),
        (simsync.InvalidParams("a", 1, "b"), 2),
        (simsync.MissingExtra("a", "b"), 2),
        (click.UsageError("a"), 2),
        (simsync.HttpStatusError("url", 401, ""), 3),
        (simsync.HttpStatusError("url", 500, ""), 1),
        (simsync.ConnectError("a"), 3),
        (simsync.CreateError("a"), 1),
        (OSError("a"), 1),
        (OSError(errno.ENOSPC, "full", "a"), 1),
        (OSError(errno.ENOENT, "of no path"), 1),
        (OSError(errno.ELOOP, "loop", "a"), 2),
        (PermissionError(errno.EACCES, "no", "a"), 2),
    ],
)
def test_each_error_has_its_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code
    assert code in MEANINGS


@pytest.mark.parametrize(
    "error",
    [RuntimeError("odd\nlines"), OverflowError("too large"), MemoryError(), RecursionError("deep"), KeyError(1)],
)
def test_any_other_exception_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def raise_it() -> None:
        raise error

    monkeypatch.setattr(app.cli.commands["ranges"], "callback", raise_it)
    monkeypatch.setattr(app.cli.commands["ranges"], "params", [])
    assert run(["ranges"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"simsync: {type(error).__name__}: ")
    assert line.endswith(" (--verbose shows where)")
    assert run(["--verbose", "ranges"]) == 1
    assert "in raise_it" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["ledger"], ["bundle"]])
def test_a_group_without_a_command_shows_its_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) in (0, 2)  # click ends so with 0 before its 8.2, which needs Python 3.10
    shown = "".join(capsys.readouterr())
    assert shown.startswith(f"Usage: {' '.join(['simsync', *command])} [OPTIONS] COMMAND")
    assert "\n\nCommands:\n" in shown


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def import_it() -> None:
        raise ImportError("No module named 'pyarrow'")

    monkeypatch.setattr(app.cli.commands["export"], "callback", import_it)
    monkeypatch.setattr(app.cli.commands["export"], "params", [])
    assert run(["export"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'simsync[report]'" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_the_sessions_and_says_what_to_do(
    slow_simulator: Simulator, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "run.ndjson"
    slots = ["--start-slot", "1000", "--end-slot", "1199", "--advance", "1"]
    process = started(
        *arguments(slow_simulator, "run", *slots, "--output-file", str(path)),
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    with process:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        process.send_signal(number)
        _output, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert errors == f"simsync: received {number.name}; use --resume to continue\n"
    records = list(read_records(path))
    assert records[-1].kind == "stopped"
    assert records[-1].data["reasons"] == [f"Terminated: received {number.name}"]
    (session_id,) = [record.data["session_id"] for record in records if record.kind == "session_started"]
    with contextlib.closing(simsync.Rpc(f"{slow_simulator.url}/backtest/{session_id}")) as rpc:
        with pytest.raises(simsync.SimsyncError):
            rpc.get_slot()


class Signalling(str):
    """A word of the command line; when it is parsed, a signal arrives."""

    number: signal.Signals

    def __getitem__(self, key: Any) -> str:
        os.kill(os.getpid(), self.number)
        return super().__getitem__(key)


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGTERM, 143, "simsync: received SIGTERM"),
        (signal.SIGHUP, 129, "simsync: received SIGHUP"),
        (signal.SIGINT, 130, "simsync: interrupted"),
    ],
)
def test_a_signal_before_the_command_begins(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int, line: str
) -> None:
    word = Signalling("summarize")
    word.number = number
    assert run([word]) == code
    assert capsys.readouterr().err.split("\n") == ["", line, ""]  # click ends the line with the terminal's ^C


def test_an_ignored_signal_stays_ignored(slow_simulator: Simulator, tmp_path: Path) -> None:
    """As under nohup."""
    path = tmp_path / "run.ndjson"
    process = started(
        *arguments(slow_simulator, "run", "--start-slot", "1000", "--end-slot", "1199", "--output-file", str(path)),
        *("--advance", "1"),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    with process:
        while not path.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        before = path.stat().st_size
        while path.stat().st_size == before:
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 143


def test_a_deadline_leaves_a_strategy_that_blocks(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text("import time\ndef drive(session):\n    time.sleep(100)\n", encoding="utf-8")
    began = time.monotonic()
    more = ["--output-file", "run.ndjson", "--strategy", "stuck:drive", "--deadline", "0.5"]
    with started(*arguments(simulator, "-q", "run", *RANGE, *more), cwd=tmp_path) as process:
        _output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert time.monotonic() - began < 30
    assert errors == "simsync: the deadline of 0.5 s passed; use --resume to continue\n"
    assert list(read_records(tmp_path / "run.ndjson"))[-1].kind == "stopped"


@pytest.mark.parametrize("command", ["run", "sweep"])
@pytest.mark.parametrize("code", ["", "0", "3", "'no'"])
def test_a_strategy_without_a_main_guard(
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    code: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "a_script.py").write_text(f"import sys\ndef drive(session): pass\nsys.exit({code})\n", encoding="utf-8")
    more = {
        "run": ["--strategy", "a_script:drive", *RANGE, "--output-file", "out"],
        "sweep": ["a_script:drive", "--ranges", "1000-1019", "--output", "out"],
    }
    assert run(arguments(simulator, command, *more[command])) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("simsync: strategy='a_script:drive': ends the program when it is imported")
    assert not (tmp_path / "out").exists()


def test_shell_completion(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_SIMSYNC_COMPLETE", "zsh_source")
    assert run([]) == 0
    assert "_SIMSYNC_COMPLETE=zsh_complete simsync" in capsys.readouterr().out


def test_a_closed_pipe_is_silent(simulator: Simulator) -> None:
    for command in (["ranges"], ["run", *RANGE, "--output-file", "-"], ["--help"], ["run", "--help"]):
        with started(*arguments(simulator, *command)) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            errors = process.stderr.read()
        assert (process.returncode, errors) == (141, "")


@pytest.mark.parametrize(
    ("command", "closed", "code"),
    [
        pytest.param(["ranges"], ">&-", 141, marks=pytest.mark.thorough),
        (["ranges"], "<&- >&- 2>&-", 141),
        (["ranges"], "2>&-", 0),
        (["--version"], ">&-", 141),
        (["run", *RANGE, "--output-file", "run.ndjson"], ">&-", 0),
        pytest.param(["run", *RANGE, "--output-file", "run.ndjson"], "<&- >&- 2>&-", 0, marks=pytest.mark.thorough),
        (["run", *RANGE, "--output-file", "run.ndjson", "--progress", "plain"], "<&- >&- 2>&-", 0),
        (["run", *RANGE, "--output-file", "-"], "<&- >&- 2>&-", 141),
        (["ranges", "--no-such-option"], "2>&-", 2),
    ],
)
def test_closed_standard_streams(
    simulator: Simulator, tmp_path: Path, command: list[str], closed: str, code: int
) -> None:
    words = shlex.join([sys.executable, "-m", "simsync", *arguments(simulator, *command)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = ["sh", "-c", f"{words} {closed}"]
    done = subprocess.run(shell, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = done.stderr if command[0] != "run" else ""
    assert (done.returncode, said) == (code, "")
    assert code or "run.ndjson" not in command or check_complete(tmp_path / "run.ndjson").reason is None


def test_recordings_to_standard_output_and_from_standard_input(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with started(*arguments(simulator, "run", *RANGE, "--output-file", "-")) as process:
        recording, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "-: 20 slots, 2 session(s), complete\n")
    path.write_text(recording, encoding="utf-8")
    assert check_complete(path).reason is None
    for content in (recording.encode(), gzip.compress(recording.encode())):
        command = [sys.executable, "-m", "simsync", "summarize", "-", "--json"]
        done = subprocess.run(command, input=content, capture_output=True, check=True, cwd=ROOT)
        assert json.loads(done.stdout)["complete"] is True


@pytest.mark.parametrize("name", ["", "missing/run.ndjson", "loop", "file/run.ndjson", "n" * 300])
def test_a_path_that_cannot_be_written_is_wrong_usage(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    Path("file").touch()
    assert run(arguments(simulator, "run", *RANGE, "--output-file", name)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["ledger", "make", name, "--slots", "1"]) == 2


def test_a_strategy_that_lacks_a_file_has_failed(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    Path("reading.py").write_text("def drive(session): open('nothing')\n", encoding="utf-8")
    assert run(arguments(simulator, "run", *RANGE, "--output-file", "out", "--strategy", "reading:drive")) == 1
    assert "No such file or directory: 'nothing'" in capsys.readouterr().err


def test_a_program_is_given_once(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = ["--program-id", "11111111111111111111111111111111"]
    assert run(arguments(simulator, "run", *RANGE, *program * 2, "--output-file", str(tmp_path / "out"))) == 2
    assert "1111 is given more than once: give each program once" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "name", "waits"),
    [
        (["run", *RANGE, "--output-file", "out.ndjson"], "out.ndjson", True),
        (["sweep", "json:dumps", "--ranges", "1000-1019", "--output", "."], "results.ndjson", False),
        (["doctor", "--capture", "capture.ndjson"], "capture.ndjson", False),
    ],
)
def test_a_file_that_another_process_writes(
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    name: str,
    waits: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    with only_writer(name):
        assert run(arguments(simulator, *command)) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "is being written by another process; choose another output file" in line
    assert ("--wait SECONDS" in line) is waits


@pytest.mark.parametrize("key", ["wrong", None])
def test_a_run_that_cannot_start_keeps_the_recording(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str | None
) -> None:
    path = write_lines(tmp_path / "night.ndjson", [tx(10, "s1")])
    before = path.read_bytes()
    where = ["--url", simulator.url if key else "ws://127.0.0.1:9", "--api-key", key or "any"]
    command = ["-q", *where, "run", *RANGE, "--output-file", str(path)]
    assert run(command) == 2
    assert "holds a complete recording; replace it with --force" in capsys.readouterr().err
    assert run([*command, "--force"]) == 3
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_complete_recording_has_nothing_to_resume(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.ndjson"
    command = arguments(simulator, "run", *RANGE, "--output-file", str(path))
    assert run(command) == 0
    before = path.stat()
    capsys.readouterr()
    assert run([*command, "--resume"]) == 0
    assert capsys.readouterr().err == f"{path}: complete, nothing to do\n"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert run([*command, "--force"]) == 0
    assert path.stat().st_ino != before.st_ino


def test_a_run_does_not_write_over_its_binary(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binary = tmp_path / "program.so"
    binary.write_bytes(b"")  # empty: nothing else would protect it
    program = ["--program-id", "11111111111111111111111111111111", "--program-so", str(binary)]
    assert run(arguments(simulator, "run", *RANGE, *program, "--output-file", str(binary))) == 2
    assert "is the file that is read" in capsys.readouterr().err


STRATEGY = """
import os
import simsync

def count(session):
    session.subscribe_transactions()
    if os.path.exists("fail") and session.start_slot == 1010:
        raise ValueError("no luck")
    return sum(isinstance(event, simsync.Transaction) for event in session.events(advance=5))
"""


# feature: (not the vendor's) one strategy over many ranges
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_sweep(simulator: Simulator, tmp_path: Path, executor: str) -> None:
    (tmp_path / "counting.py").write_text(STRATEGY, encoding="utf-8")
    (tmp_path / "fail").touch()
    command = ["sweep", "counting:count", "--ranges", "1000-1009,1010-1019", "--output", "out"]
    command += ["--executor", executor, "--workers", "2", "--json"]
    found = []
    for _ in range(3):
        with started(*arguments(simulator, *command), cwd=tmp_path) as process:
            output, errors = process.communicate(timeout=100)
        found.append((process.returncode, json.loads(output), errors))
        (tmp_path / "fail").unlink(missing_ok=True)
    results = str(Path("out", "results.ndjson"))
    first = {"results": results, "ranges": 2, "from_journal": 0, "failed": 1, "failures": {"strategy": 1}}
    assert found[0] == (1, first, "1010-1019: strategy: no luck\n")
    assert found[1] == (0, {**first, "from_journal": 1, "failed": 0, "failures": {}}, "")
    assert found[2] == (0, {**first, "from_journal": 2, "failed": 0, "failures": {}}, "")
    rows = [json.loads(line) for line in (tmp_path / results).read_text(encoding="utf-8").splitlines()]
    assert [row["data"]["value"] for row in rows if row["data"].get("failure", "") is None] == [20, 20]


def test_a_sweep_is_ended_by_a_signal(slow_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(
        "import pathlib, time\ndef drive(session):\n    pathlib.Path('begun').touch()\n    time.sleep(100)\n",
        encoding="utf-8",
    )
    command = ["-q", "sweep", "stuck:drive", "--ranges", "1000-1199", "--output", "out"]
    for executor in ("threads", "processes"):
        with started(*arguments(slow_simulator, *command, "--executor", executor), cwd=tmp_path) as process:
            while not (tmp_path / "begun").exists():
                assert process.poll() is None
                time.sleep(0.01)
            began = time.monotonic()
            process.terminate()
            _output, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (143, "simsync: received SIGTERM\n")
        assert time.monotonic() - began < 20
        (tmp_path / "begun").unlink()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--ranges", "10-x"], "is not FIRST-LAST"),
        (["--ranges", ""], "names no range"),
        (["--ranges", "1000-1009", "--ranges", " ,"], "names no range"),
        (["--ranges", "20-10"], "must"),
        (["--ranges", "1000-1009", "--executor", "cloud"], "must be threads, processes or dask"),
        (["--ranges", "1001-1009"], "start_slot=1001"),
    ],
)
def test_mistakes_in_a_sweep(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert run(arguments(simulator, "-q", "sweep", "json:dumps", *more, "--output", str(tmp_path / "out"))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_mistake_in_the_executor_makes_no_folder(simulator: Simulator, tmp_path: Path) -> None:
    more = ["--ranges", "1000-1009", "--executor", "cloud", "--output", str(tmp_path / "out")]
    assert run(arguments(simulator, "-q", "sweep", "json:dumps", *more)) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("parallel", [[], ["--parallel"]])
@pytest.mark.parametrize("reachable", [True, False])
def test_a_sweep_that_reaches_no_simulator(
    simulator: Simulator, tmp_path: Path, reachable: bool, parallel: list[str]
) -> None:
    url = simulator.url if reachable else "ws://127.0.0.1:9"
    more = ["--ranges", "1000-1009,1010-1019", "--attempts", "1", "--output", str(tmp_path), *parallel]
    assert run(["-q", "--url", url, "--api-key", "wrong", "sweep", "json:dumps", *more]) == 3


def test_results_in_one_folder_say_what_was_run(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    Path("no_events.py").write_text("def drive(session): return 1\n", encoding="utf-8")
    for units in ("10", "20"):
        more = ["--ranges", "1000-1009", "--output", ".", "--extra-compute-units", units]
        assert run(arguments(simulator, "sweep", "no_events:drive", *more)) == 0
    _head, *rows = map(json.loads, Path("results.ndjson").read_text(encoding="utf-8").splitlines())
    slots = {"start_slot": 1000, "end_slot": 1009}
    assert [row["data"]["create"] for row in rows] == [{**slots, "extra_compute_units": n} for n in (10, 20)]
