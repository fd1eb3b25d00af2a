"""From the start of a process to the first ready of a session, beside a client made of websocket-client alone.

    python -m benchmarks.first_ready [--rounds 15]
    python -m benchmarks.first_ready --beside ../other   # the same of another checkout, interleaved
    python -m benchmarks.first_ready --python ../venv/bin/python   # with the packages of another environment

The embedded simulator answers at once, so starting Python and importing are nearly all of it. What is installed
counts: websocket-client, tenacity and msgspec import other packages if they are there. Each run is a process of its
own, which ends at the first ready without saying goodbye.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.figures import spread, table
from simsync.local import Ledger, Simulator

_ROOT = Path(__file__).resolve().parent.parent
_BARE = """
import json, os, sys
import websocket
connection = websocket.create_connection(sys.argv[1], header={"X-API-Key": sys.argv[2]})
params = {"startSlot": 1000, "endSlot": 1099, "parallel": True}
connection.send(json.dumps({"method": "createBacktestSession", "params": params}))
while "readyForContinue" not in connection.recv():
    pass
os._exit(0)
"""
_SIMSYNC = """
import os, sys
import simsync
session = simsync.Client(sys.argv[1], sys.argv[2]).parallel(simsync.CreateSession(1000, 1099))
for _sub, event in session.events():
    if isinstance(event, simsync.ReadyForContinue):
        os._exit(0)
"""


def start(python: str, program: str, checkout: Path, compiled: str, server: Simulator) -> tuple[float, float]:
    """Milliseconds of one process, of the clock and of the processor."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONPYCACHEPREFIX": compiled, "NO_PROXY": "127.0.0.1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    command = [python, "-c", program, f"ws://127.0.0.1:{server.port}/backtest", server.api_key]
    process = subprocess.Popen(command, env=environment, cwd=compiled)
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a client ended with exit status {process.returncode}")
    return (time.perf_counter() - began) * 1_000, (used.ru_utime + used.ru_stime) * 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="another checkout to measure")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the clients")
    arguments = parser.parse_args()
    clients = {"websocket-client alone": (_BARE, _ROOT), "simsync": (_SIMSYNC, _ROOT)}
    if arguments.beside is not None:
        clients["simsync; beside"] = _SIMSYNC, arguments.beside.resolve()
    times: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    ledger = Ledger.generate(slots=100, transactions_per_slot=1)
    with Simulator(ledger) as server, tempfile.TemporaryDirectory() as compiled:
        for program, checkout in clients.values():
            start(arguments.python, program, checkout, compiled, server)  # leaves what was compiled
        for number in range(arguments.rounds):
            for name in list(clients)[:: -1 if number % 2 else 1]:
                times[name].append(start(arguments.python, *clients[name], compiled, server))
    bare = times["websocket-client alone"]
    rows = []
    for name in clients:
        clock, processor = zip(*times[name])
        ratios = [(own[0] / alone[0], own[1] / alone[1]) for own, alone in zip(times[name], bare)]
        rows.append([name, spread(clock), spread(processor), *map(spread, zip(*ratios))])
    header = ["to the first ready", "ms", "processor ms", "÷ websocket-client", "by processor"]
    print(table(header, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
