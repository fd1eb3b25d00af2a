"""Signals at the edges of a command: while Python imports the package, and right behind another signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simsync.local import Ledger, Simulator

ROOT = Path(__file__).resolve().parents[2]
CONSOLE_SCRIPT = "from simsync.__main__ import process; process()"
HEEDFUL = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    f" signal.signal(signal.SIGHUP, signal.SIG_DFL); {CONSOLE_SCRIPT}"
)
"""As a shell starts it: the runner of the tests may ignore signals."""
HOOK = """
import os, signal, sys

class Signalling:
    # Raises the signals of this process when the module is imported.
    def find_spec(self, name, path, target=None):
        if name == os.environ["SIGNAL_AT"]:
            for number in os.environ["SIGNALS"].split(","):
                os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Signalling())
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    (tmp_path / "sitecustomize.py").write_text(HOOK, encoding="utf-8")

    def start(how: list[str], module: str, *numbers: signal.Signals) -> tuple[int, str]:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
            "SIGNAL_AT": module,
            "SIGNALS": ",".join(str(int(number)) for number in numbers),
        }
        command = [sys.executable, *how, "summarize", "no-such-file"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    return start


ENDS = {
    signal.SIGTERM: (143, "simsync: received SIGTERM\n"),
    signal.SIGHUP: (129, "simsync: received SIGHUP\n"),
    signal.SIGINT: (130, "simsync: interrupted\n"),
}


@pytest.mark.parametrize("how", [["-m", "simsync"], ["-c", CONSOLE_SCRIPT]], ids=["module", "script"])
@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("simsync.client", signal.SIGTERM),
        ("click", signal.SIGHUP),
        ("rich.console", signal.SIGINT),
        pytest.param("simsync.client", signal.SIGHUP, marks=pytest.mark.thorough),
        pytest.param("simsync.client", signal.SIGINT, marks=pytest.mark.thorough),
        pytest.param("click", signal.SIGTERM, marks=pytest.mark.thorough),
        pytest.param("click", signal.SIGINT, marks=pytest.mark.thorough),
        pytest.param("rich.console", signal.SIGTERM, marks=pytest.mark.thorough),
        pytest.param("rich.console", signal.SIGHUP, marks=pytest.mark.thorough),
    ],
)
def test_while_the_package_is_imported(
    started: Callable[..., tuple[int, str]], how: list[str], module: str, number: signal.Signals
) -> None:
    assert started(how, module, number) == ENDS[number]


def test_only_the_first_signal_counts(started: Callable[..., tuple[int, str]]) -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    assert started(["-m", "simsync"], "simsync.client", *numbers) == (143, "simsync: received SIGTERM\n")


@pytest.mark.parametrize(
    "second", [pytest.param(signal.SIGHUP, marks=pytest.mark.thorough), signal.SIGINT, signal.SIGTERM]
)
def test_a_second_signal_while_the_process_ends(tmp_path: Path, second: signal.Signals) -> None:
    (tmp_path / "waiting.py").write_text(
        "import pathlib\n"
        "def drive(session):\n"
        "    session.next_event()\n"
        "    pathlib.Path('begun').touch()\n"
        "    for event in session.events(): pass\n",  # without a continue no event comes
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Simulator(Ledger.generate(slots=20, transactions_per_slot=0)) as simulator:
        command = [sys.executable, "-c", HEEDFUL, "--url", simulator.url, "--api-key", simulator.api_key, "run"]
        command += ["--start-slot", "1000", "--end-slot", "1019", "--output-file", "run.ndjson"]
        command += ["--strategy", "waiting:drive"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
            while not (tmp_path / "begun").exists():
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            while process.poll() is None:
                process.send_signal(second)
                time.sleep(0.001)
            _output, errors = process.communicate(timeout=30)
    # Of two signals that arrive before the main thread runs again, Python handles the lower number first.
    first = second if process.returncode == 128 + second else signal.SIGTERM
    assert process.returncode == 128 + first
    said = "interrupted" if first is signal.SIGINT else f"received {first.name}"
    assert errors == f"simsync: {said}; use --resume to continue\n"


def test_threads_of_a_strategy_do_not_keep_the_process(tmp_path: Path) -> None:
    """A pool that is still busy: the interpreter would wait for it, and signals are ignored by then."""
    (tmp_path / "busy.py").write_text(
        "import pathlib, threading, time\n"
        "threading.Thread(target=time.sleep, args=(100,)).start()\n"
        "pathlib.Path('begun').touch()\n"
        "time.sleep(100)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "simsync", "--url", "ws://127.0.0.1:9", "run", "--start-slot", "1"]
    command += ["--end-slot", "2", "--output-file", "run.ndjson", "--strategy", "busy:drive"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        _output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (143, "simsync: received SIGTERM\n")
