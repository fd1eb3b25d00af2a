"""Processor time of ``simsync run``: what receiving and recording transactions costs the client.

    python -m benchmarks.run_command
    python -m benchmarks.run_command --beside ../other   # the same of another checkout, interleaved

The server sends the premade transactions of the data plane at once; the command records them into a temporary file.
Each run is a process of its own, with the extra ``[speed]`` and without, in turns. Exits with 1 when a recording is not
complete or holds other signatures than were sent; speed is never judged.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks import streams
from benchmarks.figures import spread, table
from benchmarks.runs import ServerCommand, serving
from benchmarks.stream import Stream
from benchmarks.traffic import FIRST_SLOT
from benchmarks.without import SPEED
from simsync.params.base58 import encode
from simsync.run.completeness import check_complete
from simsync.run.record_file import read_records

_ROOT = Path(__file__).resolve().parent.parent
_PROGRAM = (
    "import sys; sys.modules.update(dict.fromkeys({forbidden!r})); from simsync.__main__ import main; sys.exit(main())"
)
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Cost:
    """Of one command: seconds, of the clock and of the processor, and MiB at the peak."""

    seconds: float
    processor: float
    memory: float


def record(stream: Stream, checkout: Path, target: Path, *, speed: bool) -> Cost:
    """Run the command of a checkout."""
    words = ["run", "--parallel", "--start-slot", str(FIRST_SLOT), "--end-slot", str(FIRST_SLOT + stream.events - 1)]
    words += ["--program-id", encode(bytes(32)), "--advance", str(stream.events), "--output-file", str(target)]
    program = _PROGRAM.format(forbidden=() if speed else SPEED)
    where = ["-q", "--url", stream.url, "--api-key", "benchmark"]
    compiled = str(target.with_name("compiled"))
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONPYCACHEPREFIX": compiled, "NO_PROXY": "127.0.0.1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    command = [sys.executable, "-c", program, *where, *words]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=environment, stderr=said, cwd=target.parent)
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"simsync run ended with exit status {process.returncode}: {said.read()}")
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / _MIB)


def faults(stream: Stream, target: Path) -> list[str]:
    """What is wrong with a recording."""
    reason = check_complete(target).reason
    if reason is not None:
        return [reason]
    signatures = 0
    for kind, data in read_records(target):
        if kind == "tx":
            signatures = zlib.crc32(data["signature"].encode(), signatures)
    return [] if signatures == stream.signatures else ["it holds other signatures than were sent"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="another checkout to measure")
    arguments = parser.parse_args()
    if not streams.has_data():
        parser.error(f"{streams.data_folder()} holds no recorded transactions; name a folder in SIMSYNC_TEST_DATA")
    checkouts = [("", _ROOT), *([] if arguments.beside is None else [("; beside", arguments.beside.resolve())])]
    variants = [
        (f"{'with' if speed else 'without'} [speed]{label}", checkout, speed)
        for speed in (True, False)
        for label, checkout in checkouts
    ]
    costs: defaultdict[str, list[Cost]] = defaultdict(list)
    wrong = []
    server = ServerCommand("data-plane", arguments.transactions, data=str(streams.data_folder()))
    with serving(server) as stream, tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "run.ndjson")
        for _label, checkout in checkouts:
            record(stream, checkout, target, speed=True)  # leaves what was compiled
            target.unlink()
        for number in range(arguments.rounds):
            for label, checkout, speed in variants[:: -1 if number % 2 else 1]:
                costs[label].append(record(stream, checkout, target, speed=speed))
                wrong += [f"{label}: {fault}" for fault in faults(stream, target)]
                target.unlink()
    rows = [
        [label, *(spread([getattr(cost, name) for cost in costs[label]]) for name in Cost.__dataclass_fields__)]
        for label, _checkout, _speed in variants
    ]
    print(table([f"{arguments.transactions:,} transactions", "seconds", "processor seconds", "peak MiB"], rows))
    for fault in wrong:
        print(f"WRONG: {fault}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
