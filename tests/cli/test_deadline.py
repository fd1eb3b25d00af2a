"""``--deadline`` ends a run at its time, whatever the run does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simsync.cli.app import run
from simsync.local import Ledger, Simulator
from simsync.run import read_records
from simsync.run.output_file import only_writer

ROOT = Path(__file__).resolve().parents[2]
RANGE = ["--start-slot", "1000", "--end-slot", "1019"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(slots=20, transactions_per_slot=1)) as running:
        yield running


def ended(simulator: Simulator, folder: Path, *more: str) -> tuple[int, str, float]:
    """Exit code, standard error and seconds of a run."""
    command = [sys.executable, "-m", "simsync", "-q", "--url", simulator.url, "--api-key", simulator.api_key, "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = subprocess.run(
        [*command, *RANGE, *more], cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    return done.returncode, done.stderr, time.monotonic() - began


def test_a_strategy_whose_pool_is_busy(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "pooled.py").write_text(
        "import time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def drive(session):\n"
        "    ThreadPoolExecutor().submit(time.sleep, 80).result()\n",
        encoding="utf-8",
    )
    code, errors, seconds = ended(
        simulator, tmp_path, "--output-file", "run.ndjson", "--strategy", "pooled:drive", "--deadline", "1"
    )
    assert (code, errors) == (1, "simsync: the deadline of 1 s passed; use --resume to continue\n")
    assert seconds < 40
    assert list(read_records(tmp_path / "run.ndjson"))[-1].kind == "stopped"


IMPORTS = {
    "sleeps": "import time\ntime.sleep(80)\n",
    "catches": "import time\ntry:\n    time.sleep(80)\nexcept BaseException:\n    pass\n",
    "insists": "import time\nwhile True:\n    try:\n        time.sleep(80)\n    except BaseException:\n        pass\n",
}


@pytest.mark.parametrize("module", IMPORTS)
def test_a_strategy_that_is_imported_slowly(simulator: Simulator, tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(f"def drive(session): pass\n{IMPORTS[module]}", encoding="utf-8")
    code, errors, seconds = ended(
        simulator, tmp_path, "--output-file", "run.ndjson", "--strategy", f"{module}:drive", "--deadline", "1"
    )
    assert (code, errors) == (1, "simsync: the deadline of 1 s passed before the run began\n")
    assert seconds < 40
    assert not (tmp_path / "run.ndjson").exists()


def test_a_file_that_another_process_writes(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.ndjson"
    where = ["--url", simulator.url, "--api-key", simulator.api_key]
    with only_writer(path):
        began = time.monotonic()
        assert run([*where, "run", *RANGE, "--output-file", str(path), "--wait", "100", "--deadline", "0.5"]) == 1
        assert time.monotonic() - began < 40
    assert capsys.readouterr().err == "simsync: the deadline of 0.5 s passed before the run began\n"


def test_a_pipe_that_nothing_reads(simulator: Simulator, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    code, errors, seconds = ended(simulator, tmp_path, "--output-file", "pipe", "--deadline", "1")
    assert (code, errors) == (1, "simsync: the deadline of 1 s passed before the run began\n")
    assert seconds < 40


@pytest.mark.parametrize("seconds", ["inf", "1e300", "nan"])
def test_what_is_no_deadline(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    path = tmp_path / "run.ndjson"
    assert run(["--url", simulator.url, "run", *RANGE, "--output-file", str(path), "--deadline", seconds]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("simsync: deadline=")
    assert line.endswith("must be from 0 to 1e+09 seconds")
    assert not path.exists()
