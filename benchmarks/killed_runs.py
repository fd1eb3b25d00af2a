"""Recorded runs that are killed at random moments and resumed: is the file what an undisturbed run writes?

    python -m benchmarks.killed_runs --runs 40

Each run is a process of ``simsync run --resume`` on the embedded simulator, ended by SIGTERM, SIGHUP, SIGINT or SIGKILL
at a moment drawn from a seed, once or twice, and then resumed until it is complete. The same is done with two processes
on one file, of which one is killed. Compared are the transactions of the file, each as often as it occurs. Exits with 1
when a file differs, a command ends with another code than documented, or a temporary file is left.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import table
from simsync.cli.app import run
from simsync.local import Ledger, Simulator
from simsync.run import read_records
from simsync.run.completeness import check_complete

FIRST, SLOTS = 1_000, 40
# A shell may have given its children ignored signals, which a new process inherits.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " signal.signal(signal.SIGHUP, signal.SIG_DFL);"
    " from simsync.__main__ import main; sys.exit(main())"
)
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
CODES = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}
ENDINGS = ("ndjson", "ndjson.gz", "ndjson.zst")
PARALLEL, SINGLE = "parallel", "single"
"""Names of files: of five sessions, two at a time, or of one, which goes on where it was if the server still has it."""
STARTING = ("Fatal Python error: init_import_site", "Exception ignored in: <function _get_module_lock")
"""What Python says if Ctrl-C falls into its own start, or into what it does behind an import."""
BUSY = 4
FIRST_MOMENT = 0.15
"""Seconds from the start of a process to the earliest signal."""
STATES = ("no file", "no transaction", "some", "all")
"""What a killed process may leave under the name of its file."""


@dataclass
class Tally:
    """What happened to the runs of one signal."""

    runs: int = 0
    left: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    busy: int = 0
    resumed: int = 0
    equal: int = 0
    faults: list[str] = field(default_factory=list)


class Experiment:
    """Runs of one range of embedded simulators: one has it as five bundles, the other as one."""

    def __init__(self, several: Simulator, one: Simulator, folder: Path) -> None:
        self._simulators, self._folder = {PARALLEL: several, SINGLE: one}, folder
        began = time.monotonic()
        path = folder / f"{PARALLEL}.ndjson"
        with self._started(path) as process:
            process.communicate()
        self.seconds = time.monotonic() - began
        self.whole = content(path)

    def killed(self, seed: int, number: signal.Signals, tally: Tally) -> None:
        """One process at a time, killed once or twice."""
        chance = random.Random(f"one {seed}")
        path = self._path("one", seed, chance.choice(ENDINGS))
        tally.runs += 1
        for _ in range(chance.choice((1, 1, 2))):
            with self._started(path) as process:
                self._kill(process, path, number, chance)
                self._check_end(process, number, tally)
            tally.left[state(path)] += 1
        self._resume(path, tally)

    def killed_pair(self, seed: int, number: signal.Signals, tally: Tally) -> None:
        """Two processes on one file, of which one is killed."""
        chance = random.Random(f"two {seed}")
        path = self._path("two", seed, ENDINGS[0])
        tally.runs += 1
        with self._started(path) as one, self._started(path) as other:
            self._kill(one, path, number, chance)
            tally.left[state(path)] += 1
            _output, errors = other.communicate(timeout=60)
            self._check_end(one, number, tally, BUSY)
            if other.returncode not in (0, BUSY):
                tally.faults.append(f"the other process ended with {other.returncode}: {errors}")
            if (other.returncode == BUSY) != ("is being written by another process" in errors):
                tally.faults.append(f"exit code {other.returncode} with: {errors}")
            tally.busy += BUSY in (one.returncode, other.returncode)
        self._resume(path, tally)

    def _path(self, writers: str, seed: int, ending: str) -> Path:
        folder = self._folder / f"{writers}-{seed}"
        folder.mkdir()
        return folder / f"{SINGLE if seed // len(SIGNALS) % 2 else PARALLEL}.{ending}"

    def _arguments(self, path: Path) -> list[str]:
        kind = path.name.partition(".")[0]
        simulator = self._simulators[kind]
        where = ["-q", "--url", simulator.url, "--api-key", simulator.api_key]
        slots = ["--start-slot", str(FIRST), "--end-slot", str(FIRST + SLOTS - 1), "--advance", "2"]
        sessions = ["--parallel", "--workers", "2"] if kind == PARALLEL else []
        return [*where, "run", *slots, *sessions, "--output-file", str(path), "--resume"]

    def _started(self, path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, *self._arguments(path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _kill(self, process: subprocess.Popen[str], path: Path, number: signal.Signals, chance: random.Random) -> None:
        """Half of the moments are counted from the start of the process, the others from the first block of a run."""
        if chance.random() < 0.5:
            time.sleep(FIRST_MOMENT)
        else:
            before = modified(path)
            while modified(path) == before and process.poll() is None:
                time.sleep(0.01)
        time.sleep(chance.uniform(0.0, self.seconds))
        process.send_signal(number)
        process.wait(60)

    def _check_end(self, process: subprocess.Popen[str], number: signal.Signals, tally: Tally, *more: int) -> None:
        _output, errors = process.communicate(timeout=60)
        # Python itself is not ready yet: it has no handlers, or Ctrl-C falls into what it does while it imports.
        if process.returncode == -number or any(words in errors for words in STARTING):
            return
        # 0 if it was done before.
        if process.returncode not in (CODES[number], 0, *more) or "Traceback" in errors:
            tally.faults.append(f"ended with {process.returncode}: {errors}")

    def _resume(self, path: Path, tally: Tally) -> None:
        """Resume until the file is complete, and compare it."""
        completed = path.exists() and any(one.kind == "session_completed" for one in read_records(path))
        tally.kept += completed
        tally.resumed += 1
        with contextlib.redirect_stderr(io.StringIO()):
            code = run(self._arguments(path))
        reason = check_complete(path).reason
        if code or reason:
            tally.faults.append(f"{path}: exit code {code}, {reason}")
        left = [one.name for one in path.parent.iterdir() if one != path]
        if left:
            tally.faults.append(f"left behind: {left}")
        equal = content(path) == self.whole
        tally.equal += equal
        if not equal:
            tally.faults.append(f"{path} differs")


def content(path: Path) -> Counter[str]:
    """The transactions of a file, each with how often it occurs. Sessions have other ids in each run."""
    found: Counter[str] = Counter()
    for record in read_records(path):
        if record.kind == "tx":
            data = {key: value for key, value in record.data.items() if key != "session_id"}
            found[json.dumps(data, sort_keys=True)] += 1
    return found


def modified(path: Path) -> int:
    """When a file was written last, or 0."""
    return path.stat().st_mtime_ns if path.exists() else 0


def state(path: Path) -> str:
    """What is under the name of a file, one of :data:`STATES`."""
    if not path.exists():
        return STATES[0]
    kinds = [record.kind for record in read_records(path)]
    if kinds and kinds[-1] == "summary":
        return STATES[3]
    return STATES[2] if "tx" in kinds else STATES[1]


def rows(tallies: dict[signal.Signals, Tally], *, pairs: bool) -> list[list[str]]:
    shown = []
    for number, tally in tallies.items():
        row = [number.name, str(tally.runs), *(str(tally.left[one]) for one in STATES)]
        row += [str(tally.busy)] if pairs else []
        shown.append([*row, str(tally.kept), f"{tally.equal} of {tally.resumed}"])
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40, help="how many files with one writer, and how many with two")
    arguments = parser.parse_args()
    several, one = (
        Simulator(
            Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=4, bundle_size=size),
            slot_delay=0.05,
        )
        for size in (8, SLOTS)
    )
    single = {number: Tally() for number in SIGNALS}
    pairs = {number: Tally() for number in SIGNALS}
    with several, one, tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(several, one, Path(folder))
        transactions = sum(experiment.whole.values())
        print(f"undisturbed: {transactions} transactions in {experiment.seconds:.1f} s")
        for seed in range(arguments.runs):
            number = SIGNALS[seed % len(SIGNALS)]
            experiment.killed(seed, number, single[number])
            experiment.killed_pair(seed, number, pairs[number])
    left = [f"left: {one}" for one in STATES]
    last = ["sessions kept", "equal after --resume"]
    print("\nOne process at a time, killed once or twice:\n")
    print(table(["signal", "files", *left, *last], rows(single, pairs=False)))
    print("\nTwo processes on one file, one of them killed:\n")
    print(table(["signal", "files", *left, "one was busy", *last], rows(pairs, pairs=True)))
    faults = [fault for tallies in (single, pairs) for tally in tallies.values() for fault in tally.faults]
    for fault in faults:
        print(f"WRONG: {fault}", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
