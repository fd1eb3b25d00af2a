"""Starting the server and the readers, each in a process of its own, and what is common to the figures."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.readers import Run

_ROOT = Path(__file__).resolve().parent.parent
_SLOWEST = 1_000
"""Events per second; a reader that is slower hangs."""


class WrongEvents(Exception):
    """A reader did not get what the server sent."""


@dataclass(frozen=True)
class Variant:
    """A way to receive: a name of :data:`~benchmarks.readers.READERS`, and with which JSON decoder."""

    label: str
    reader: str
    orjson: bool = True


@dataclass(frozen=True)
class Server:
    """A running server. ``events`` are the slot events of its stream."""

    url: str
    events: int
    stream_bytes: int

    def read(self, variant: Variant) -> Run:
        """Let a fresh process receive the stream. Raises :class:`WrongEvents`."""
        command = [*_python("readers"), variant.reader, self.url]
        command += ["--events", str(self.events), "--stream-bytes", str(self.stream_bytes)]
        if not variant.orjson:
            command.append("--without-orjson")
        limit = 60 + self.events / _SLOWEST
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
def serving(events: int, sessions: int) -> Iterator[Server]:
    command = [*_python("frame_server"), "--events", str(events), "--sessions", str(sessions)]
    with subprocess.Popen(command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Server(f"ws://127.0.0.1:{ready['port']}/backtest", events, ready["stream_bytes"])
        finally:
            process.terminate()


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{module}"]


def _environment() -> dict[str, str]:
    """This checkout comes first, whatever is installed."""
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


# Figures.


def rounded(value: float) -> str:
    """Three digits, thousands and millions by their letter."""
    for unit, letter in ((1_000_000, " M"), (1_000, " k")):
        if value >= unit * 0.9995:
            return f"{_three_digits(value / unit)}{letter}"
    return _three_digits(value)


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def spread(values: Sequence[float]) -> str:
    """The median, with the least and the greatest."""
    return f"{rounded(statistics.median(values))} [{rounded(min(values))}–{rounded(max(values))}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, in columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
