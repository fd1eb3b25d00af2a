"""``tokio-tungstenite`` and serde in Rust, in a process of their own."""

from __future__ import annotations

import functools
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.readers.created import continue_request, create_request, subscribe_request
from benchmarks.readers.run import Run, percentiles, slot_problems, transaction_problems, trip_problems, warm
from benchmarks.stream import Stream

_SOURCE = Path(__file__).parent / "rust"
_MANIFEST = _SOURCE / "Cargo.toml"
_TARGET = _SOURCE / "target"
_PROGRAM = _TARGET / "release" / "rust-tasks"
_WORKERS = 2


@functools.cache
def why_missing() -> str | None:
    """Builds the program where that is due. What stands in the way, as the end of a sentence."""
    if shutil.which("cargo") is None:
        return "there is no cargo"
    if not _PROGRAM.exists():
        print("building benchmarks/readers/rust, which takes a minute", file=sys.stderr)
    # Offline: nothing is downloaded that nobody asked for, and what is missing is said at once.
    command = ["cargo", "build", "--release", "--offline", "--quiet"]
    command += ["--manifest-path", str(_MANIFEST), "--target-dir", str(_TARGET)]
    built = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if built.returncode == 0:
        return None
    error = next((line for line in built.stderr.splitlines() if line.startswith("error")), "no reason given")
    return (
        f"cargo cannot build it ({error}); cargo fetch --manifest-path benchmarks/readers/rust/Cargo.toml gets crates"
    )


def read_slots(stream: Stream) -> Run:
    return _read_slots(stream, _WORKERS)


def read_slots_in_one_thread(stream: Stream) -> Run:
    return _read_slots(stream, 0)


def drive(stream: Stream) -> Run:
    """A task for each sub-session: continue, wait for the ready, and again."""
    return _drive(stream, _WORKERS)


def drive_in_one_thread(stream: Stream) -> Run:
    return _drive(stream, 0)


def read_signatures(stream: Stream) -> Run:
    """Of each transaction nothing is decoded but the slot and the signatures."""
    return _read_transactions("read_signatures", stream)


def read_values(stream: Stream) -> Run:
    """Every field of each transaction is decoded, into a ``serde_json::Value``."""
    return _read_transactions("read_values", stream)


def _read_slots(stream: Stream, workers: int) -> Run:
    found, setup = _run("read_slots", workers, stream, stream.events)
    outcomes = [(found["received"], found["misplaced"], False), *[(0, 0, True)] * found["unfinished"]]
    return _measured(found, setup, stream.events, slot_problems(stream.events, outcomes), {})


def _drive(stream: Stream, workers: int) -> Run:
    found, setup = _run("drive", workers, stream, stream.advance)
    drivers = found["trips"]
    figures = percentiles([trip for trips in drivers for trip in warm(trips)])
    return _measured(found, setup, stream.trips, trip_problems(stream.trips, drivers), figures)


def _read_transactions(what: str, stream: Stream) -> Run:
    found, setup = _run(what, _WORKERS, stream, stream.events)
    problems = transaction_problems(stream.transactions, found["received"], found["signatures"], stream.signatures)
    if found["backwards"]:
        problems.append(f"the slot went back {found['backwards']} times")
    return _measured(found, setup, stream.transactions, problems, {})


def _run(what: str, workers: int, stream: Stream, advance: int) -> tuple[dict[str, Any], float]:
    """What the program found, and the seconds that it needed beyond those that it measured."""
    requests = (create_request(stream.events), continue_request("SESSION", advance), subscribe_request(packed=False))
    command = [str(_PROGRAM), what, str(workers), stream.url, *(request.decode() for request in requests)]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found, time.perf_counter() - began - found["seconds"]


def _measured(found: dict[str, Any], setup: float, count: int, problems: list[str], figures: dict[str, float]) -> Run:
    peak = found["peak_rss"] or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Run(setup, found["seconds"], found["cpu"], peak, count, problems, figures)
