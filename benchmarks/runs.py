"""Starting the servers and the readers, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.readers.run import Run
from benchmarks.stream import Stream

_ROOT = Path(__file__).resolve().parent.parent
_SLOWEST = 500
"""Events per second; a reader that is slower hangs."""


class WrongEvents(Exception):
    """A reader did not get what the server sent."""


@dataclass(frozen=True)
class Variant:
    """A way to receive a stream.

    ``stream``: a name of :data:`benchmarks.streams.STREAMS`, or nothing. ``reader``: ``module.function`` of
    :mod:`benchmarks.readers`. ``speed``: with the extra ``[speed]``. ``core``: of two, on which one: the server's, the
    other one, or any. ``needs``: modules beyond those that everybody needs.
    """

    label: str
    stream: str
    reader: str
    speed: bool = True
    tls: bool = False
    core: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerCommand:
    """What a server is started with.

    ``slots``: slot events for each continue of a closed loop. ``data``: the folder with recorded transactions, for a
    data plane.
    """

    kind: str
    events: int
    sessions: int = 1
    slots: int = 0
    data: str = ""


def read(variant: Variant, stream: Stream) -> Run:
    """Let a fresh process receive the stream. Raises :class:`WrongEvents`."""
    if variant.tls:
        stream = stream.over_tls()
    command = [*_python("readers"), variant.reader, json.dumps(asdict(stream)), "--core", variant.core]
    if not variant.speed:
        command.append("--without-speed")
    limit = 120 + max(stream.events, stream.transactions) / _SLOWEST
    try:
        done = subprocess.run(
            command, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise WrongEvents(f"{variant.label}: not finished after {limit:.0f} s") from None
    if done.returncode:
        raise WrongEvents(f"{variant.label}: exit status {done.returncode}")
    run = Run(**json.loads(done.stdout))
    if run.problems:
        raise WrongEvents(f"{variant.label}: {'; '.join(run.problems)}")
    return run


@contextlib.contextmanager
def serving(server: ServerCommand) -> Iterator[Stream]:
    """What the server says that it serves, until the end of the context."""
    command = [*_python("server"), server.kind, "--events", str(server.events), "--sessions", str(server.sessions)]
    command += ["--slots", str(server.slots), *(["--data", server.data] if server.data else [])]
    with subprocess.Popen(command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                raise RuntimeError(f"the server of {server} did not start")
            yield Stream(**json.loads(ready))
        finally:
            process.terminate()


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{module}"]


def _environment() -> dict[str, str]:
    """This checkout comes first, whatever is installed; loopback is not reached through a proxy."""
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_PROXY": "127.0.0.1"}
