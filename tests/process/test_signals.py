"""Whole processes: Ctrl-C in a loop, an exception in its body, and the examples as a user runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simsync.local import Ledger, Simulator

ROOT = Path(__file__).resolve().parents[2]
PROMPTLY = 5.0
"""Seconds in which an interrupted process must be gone."""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Variables that name an embedded simulator of this process, with slots 1,000 to 1,199."""
    with Simulator(Ledger.generate(seed=1, slots=200, transactions_per_slot=2)) as simulator:
        yield {**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}


TAKE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A shell starts what runs in the background with interrupts ignored, and children inherit that."""

WAITS = {
    "merged loop": "for _ in session.events(): pass",
    "single loop": "list(sub.events())",
    "next_event": "[sub.next_event() for _ in range(10)]",
    "map": "session.map(lambda sub: list(sub.events()))",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_every_wait(environment: dict[str, str], wait: str) -> None:
    program = f"""{TAKE_INTERRUPTS}
import simsync
with simsync.Client().parallel(simsync.CreateSession(1000, slot_count=100)) as session:
    sub = session.sub_sessions[0]
    sub.subscribe_transactions()
    print("waiting", flush=True)
    {WAITS[wait]}
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _output, errors = process.communicate(timeout=PROMPTLY * 4)
        assert time.monotonic() - began < PROMPTLY
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Exception in thread" not in errors


def test_ctrl_c_ends_a_create() -> None:
    program = f"""{TAKE_INTERRUPTS}
import simsync
print("waiting", flush=True)
simsync.Client().parallel(simsync.CreateSession(1000, slot_count=100))
"""
    with Simulator(Ledger.generate(slots=100, transactions_per_slot=1), create_delay=60.0) as simulator:
        environment = {**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _output, errors = process.communicate(timeout=60)
            assert time.monotonic() - began < 2 * PROMPTLY  # the close timeout is part of it
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")


# feature: a close request, whatever happens
def test_an_exception_in_the_body_closes_the_session(environment: dict[str, str]) -> None:
    program = """
import simsync
with simsync.Client().parallel(simsync.CreateSession(1000, slot_count=100)) as session:
    for sub, event in session.events(advance=1):
        raise ZeroDivisionError("a bug of the user")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ZeroDivisionError: a bug of the user")
    assert done.stderr.count("Traceback") == 1


def example(name: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_loop_example_runs_against_a_given_simulator(environment: dict[str, str]) -> None:
    done = example("for_loop.py", "1000", "1149", environment=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1000-1049", "1050-1099", "1100-1149"]
    assert lines[-1] == "coverage: complete"
    assert done.stderr == ""


@pytest.mark.parametrize("given", [False, True])
def test_the_injection_example(environment: dict[str, str], given: bool) -> None:
    done = example("inject_and_read.py", environment=environment if given else without_simulator())
    assert done.returncode == 0, done.stderr
    assert "after my payment of 3 SOL my friend has 3.0 SOL" in done.stdout
    assert "after another 1 SOL over RPC it is 4.0 SOL" in done.stdout
    assert done.stdout.endswith("overridden: 500.0 SOL and the data b'a note'\n")


def without_simulator() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SIMULATOR_")}


def test_the_cron_example_and_its_exit_codes(environment: dict[str, str]) -> None:
    done = example("cron_job.py", environment=environment)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1].endswith("INFO cron_job: complete")
    usage = example("cron_job.py", "--first", "5", "--last", "3", environment=environment)
    assert usage.returncode == 2
    assert "end_slot=3: must be >= start_slot (5)" in usage.stderr
    missing = example("cron_job.py", "--first", "5", "--last", "30", environment=environment)
    assert missing.returncode == 1
    assert "BundleNotFound" in missing.stderr
    late = example("cron_job.py", "--deadline", "0", environment=environment)
    assert late.returncode == 1
    assert "Cancelled" in late.stderr
    for failed in (usage, missing, late):
        assert "Traceback" not in failed.stderr


def test_the_data_plane_examples() -> None:
    diffs = example("account_diffs.py", "1000", "1049", environment=without_simulator())
    assert diffs.returncode == 0, diffs.stderr
    assert "changes in the slots 1000 to 1049" in diffs.stdout
    assert diffs.stdout.endswith("coverage: complete\n")
    actions = example("scheduled_actions.py", environment=without_simulator())
    assert actions.returncode == 0, actions.stderr
    rows = [line.split() for line in actions.stdout.splitlines()[1:5]]
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("0.1", "40", "0"),
        ("1", "40", "0"),
        ("4", "40", "0"),
        ("6", "40", "40"),
    ]
    assert actions.stdout.endswith("coverage: complete\n")
