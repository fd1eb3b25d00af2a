"""Runs that are killed at random moments, two at a time, or run out of disk: resumed, the file is as if undisturbed."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.killed_runs import CODES, ENDINGS, FIRST, PROGRAM, SIGNALS, SLOTS, STARTING, content
from simsync.cli.app import run
from simsync.local import Ledger, Simulator
from simsync.run import read_records
from simsync.run.completeness import check_complete

FEW, MANY = 3, 40
"""How many runs are killed, and how many with ``--thorough``."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(MANY if metafunc.config.getoption("--thorough") else FEW))


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Two ranges: five bundles for parallel runs, and the whole as one."""
    ledger = Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=4, bundle_size=8)
    with Simulator(ledger, slot_delay=0.05) as running:
        yield running


@pytest.fixture(scope="module")
def whole(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    path = tmp_path_factory.mktemp("whole") / "run.ndjson"
    assert run(arguments(simulator, path)) == 0
    return content(path)


def arguments(simulator: Simulator, path: Path, *more: str) -> list[str]:
    where = ["-q", "--url", simulator.url, "--api-key", simulator.api_key]
    slots = ["--start-slot", str(FIRST), "--end-slot", str(FIRST + SLOTS - 1), "--parallel", "--advance", "2"]
    return [*where, "run", *slots, "--output-file", str(path), *more]


def started(simulator: Simulator, path: Path, *more: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments(simulator, path, *more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def too_early(code: int, number: int, errors: str) -> bool:
    """Whether a signal arrived before the command could handle it."""
    return code == -number or any(words in errors for words in STARTING)


def assert_resumed(simulator: Simulator, path: Path, whole: Counter[str]) -> None:
    assert run(arguments(simulator, path, "--resume")) == 0
    assert check_complete(path).reason is None
    assert content(path) == whole
    assert list(path.parent.iterdir()) == [path]


# feature: (not the vendor's) files that only better ones replace, one writer, proof of completeness
def test_a_run_that_is_killed_at_any_moment(
    simulator: Simulator, whole: Counter[str], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    number, path = chance.choice(SIGNALS), tmp_path / f"run.{chance.choice(ENDINGS)}"
    for _ in range(chance.choice((1, 1, 2))):
        with started(simulator, path, "--resume") as process:
            time.sleep(chance.uniform(0.2, 2.2))
            process.send_signal(number)
            _output, errors = process.communicate(timeout=30)
        if not too_early(process.returncode, number, errors):
            assert process.returncode in (CODES[number], 0)  # 0 if it was done before
            assert "Traceback" not in errors
        if process.returncode == CODES[number] > 0 and path.exists():
            assert [record.kind for record in read_records(path)][-1] in ("stopped", "summary")
    assert_resumed(simulator, path, whole)


def test_two_runs_at_once_of_which_one_is_killed(
    simulator: Simulator, whole: Counter[str], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(100 + seed)
    number, path = chance.choice(SIGNALS), tmp_path / "run.ndjson"
    with started(simulator, path, "--resume") as one, started(simulator, path, "--resume") as other:
        time.sleep(chance.uniform(0.5, 2.0))
        one.send_signal(number)
        _output, ended = one.communicate(timeout=30)
        _output, errors = other.communicate(timeout=30)
    assert one.returncode in (CODES[number], 0, 4) or too_early(one.returncode, number, ended)
    assert other.returncode in (0, 4)
    assert ("is being written by another process" in errors) == (other.returncode == 4)
    assert_resumed(simulator, path, whole)


def test_a_complete_recording_is_never_lost(simulator: Simulator, whole: Counter[str], tmp_path: Path) -> None:
    path, aside = tmp_path / "night" / "run.ndjson", tmp_path / "night" / "run.new.ndjson"
    path.parent.mkdir()
    assert run(arguments(simulator, path)) == 0
    before = path.read_bytes()
    for number in SIGNALS:
        with started(simulator, path, "--force") as process:
            while not aside.exists():
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(number)
            _output, errors = process.communicate(timeout=30)
        assert process.returncode == CODES[number]
        assert number is signal.SIGKILL or f"continue with --output-file {aside} --resume" in errors
        assert path.read_bytes() == before
        assert run(arguments(simulator, aside, "--resume")) == 0
        assert content(aside) == whole
        aside.unlink()


def test_the_second_run_waits_if_it_is_told_to(simulator: Simulator, whole: Counter[str], tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with started(simulator, path) as one:
        while not path.exists():
            time.sleep(0.01)
        assert run(arguments(simulator, path, "--resume", "--wait", "30")) == 0
        one.communicate(timeout=30)
    assert one.returncode == 0
    assert content(path) == whole


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_is_full_at_any_write(
    simulator: Simulator, whole: Counter[str], tmp_path: Path, ending: str, thorough: bool
) -> None:
    """The size of a file is limited, which fails as a full disk does: a write stops in the middle, then none works."""
    complete = tmp_path / f"complete.{ending}"
    assert run(arguments(simulator, complete)) == 0
    size = complete.stat().st_size
    parts = 12 if thorough else 2
    for step in range(1, parts):
        limit = size * step // parts
        path = tmp_path / str(step) / f"run.{ending}"
        path.parent.mkdir()
        with started(
            simulator,
            path,
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
            # A module must not be kept in the cache cut off.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        ) as process:
            _output, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        (line,) = errors.splitlines()
        assert str(path) in line
        assert "too large" in line
        assert not path.exists() or path.stat().st_size <= limit
        assert_resumed(simulator, path, whole)
