"""How long an import takes, each time in a fresh interpreter that imports nothing else; compiling is not in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.readers.run import Run, Stopwatch, percentiles
from benchmarks.stream import Stream
from benchmarks.without import SPEED

TIMES = 5

_SCRIPT = """
import sys, time
sys.modules.update(dict.fromkeys({forbidden!r}))
began = time.perf_counter()
{statement}
print(time.perf_counter() - began)
"""


def import_simsync(_stream: Stream) -> Run:
    # What a program uses: its names are imported when they are used first.
    return _import("from simsync import Client, CreateSession, Transaction")


def import_requests(_stream: Stream) -> Run:
    return _import("import requests")


def _import(statement: str) -> Run:
    """``p50`` in seconds."""
    watch = Stopwatch()
    forbidden = [name for name in SPEED if sys.modules.get(name, "") is None]
    script = _SCRIPT.format(statement=statement, forbidden=forbidden)
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def once() -> float:
            command = [sys.executable, "-c", script]
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            return float(done.stdout)

        once()  # leaves what was compiled
        watch.start()
        seconds = [once() for _ in range(TIMES)]
    return watch.stop(TIMES, [], percentiles(seconds))
