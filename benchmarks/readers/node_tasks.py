"""``ws`` on Node, in a process of its own."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.readers.created import continue_request, create_request
from benchmarks.readers.run import Run, percentiles, slot_problems, trip_problems, warm
from benchmarks.stream import Stream

_PACKAGES = Path(__file__).parents[2] / "tests" / "clients" / "node_modules"
_SCRIPT = Path(__file__).with_suffix(".mjs")


def is_installed() -> bool:
    return shutil.which("node") is not None and (_PACKAGES / "ws").is_dir()


def read_slots(stream: Stream) -> Run:
    found, setup = _run("read_slots", stream, stream.events)
    outcomes = [(found["received"], found["misplaced"], False), *[(0, 0, True)] * found["unfinished"]]
    return _measured(found, setup, stream.events, slot_problems(stream.events, outcomes), {})


def drive(stream: Stream) -> Run:
    """Each sub-session: continue, wait for the ready, and again."""
    found, setup = _run("drive", stream, stream.advance)
    problems = trip_problems(stream.trips, [[0.0] * found["trips"]])
    return _measured(found, setup, stream.trips, problems, percentiles(warm(found["times"])))


def _run(what: str, stream: Stream, advance: int) -> tuple[dict[str, Any], float]:
    """What the script found, and the seconds that it needed beyond those that it measured."""
    texts = [create_request(stream.events).decode(), continue_request("SESSION", advance).decode()]
    began = time.perf_counter()
    command = ["node", str(_SCRIPT), what, json.dumps(asdict(stream)), *texts, str(_PACKAGES)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found, time.perf_counter() - began - found["seconds"]


def _measured(found: dict[str, Any], setup: float, count: int, problems: list[str], figures: dict[str, float]) -> Run:
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Run(setup, found["seconds"], found["cpu"], peak, count, problems, figures)
