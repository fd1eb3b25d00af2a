"""A whole comparison: every variant once a round, in an order that differs from round to round."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from benchmarks import streams
from benchmarks.figures import rounded, spread, table
from benchmarks.measures import Measure
from benchmarks.readers import node_tasks, rust_tasks
from benchmarks.readers.run import Run
from benchmarks.runs import Variant, read, serving
from benchmarks.stream import Stream
from benchmarks.variants import HEAD_ROOM

_PACKAGES = (
    *("websocket-client", "websockets", "picows", "orjson", "msgspec", "zstandard"),
    *("dataclasses-json", "requests"),
)


def missing(variant: Variant) -> str | None:
    """Why a variant cannot be run here, as the end of a sentence."""
    absent = [module for module in variant.needs if importlib.util.find_spec(module) is None]
    if absent:
        return f"{' and '.join(absent)} cannot be imported (pip install 'simsync[bench,speed]')"
    if variant.reader.startswith("node_tasks.") and not node_tasks.is_installed():
        return "there is no node, or no ws for it (npm ci --prefix tests/clients)"
    if variant.stream == streams.TRANSACTIONS and not streams.has_data():
        return f"there are no recorded transactions in {streams.data_folder()} (set SIMSYNC_TEST_DATA)"
    if variant.core and len(os.sched_getaffinity(0) if sys.platform == "linux" else ()) < 2:
        return "processes cannot be bound to two cores here"
    if variant.reader == "loops.queue_all" and sys.platform != "linux":
        return "memory is read from /proc, which is not here"
    return rust_tasks.why_missing() if variant.reader.startswith("rust_tasks.") else None


def left_out(measures: Sequence[Measure]) -> dict[Measure, str]:
    """Those that cannot be measured here, each with the reason."""
    reasons = {measure: next(filter(None, map(missing, measure.needs)), None) for measure in measures}
    return {measure: reason for measure, reason in reasons.items() if reason is not None}


def variants_of(measures: Sequence[Measure]) -> list[Variant]:
    """Each once, and how fast the servers of their streams can be."""
    needed = dict.fromkeys(variant for measure in measures for variant in measure.needs)
    used = {variant.stream for variant in needed}
    secured = any(variant.tls for variant in needed)
    rooms = [one for one in HEAD_ROOM if one.stream in used and (secured or not one.tls) and missing(one) is None]
    return [*needed, *rooms]


@dataclass(frozen=True)
class Results:
    """``rounds``: of each, what every variant took."""

    events: int
    sessions: int
    measures: tuple[Measure, ...]
    rounds: tuple[dict[Variant, Run], ...]

    @property
    def variants(self) -> list[Variant]:
        return variants_of(self.measures)

    def values(self, measure: Measure) -> list[float]:
        return [measure.value(runs) for runs in self.rounds]

    def by_processor_time(self, measure: Measure) -> list[float]:
        """Of each round; nothing for what is no ratio of rates."""
        return [value for value in map(measure.by_processor_time, self.rounds) if value is not None]

    def figures(self, variant: Variant, name: str) -> list[float]:
        return [runs[variant].figure(name) for runs in self.rounds]

    # What is printed.

    def targets(self) -> str:
        """One row for each measure. What only counts processor time is of use where others use the machine too."""
        header = ["measure", "median [range]", "target", "reached", "by CPU time"]
        return table(header, [self._target(one) for one in self.measures])

    def _target(self, measure: Measure) -> list[str]:
        values = self.values(measure)
        unit = f" {measure.unit}" if measure.unit else ""
        row = [measure.label, spread(values) + unit]
        if measure.target is None:
            row += ["", ""]
        else:
            row.append(f"{'≤' if measure.at_most else '≥'} {measure.target:g}{unit}")
            row.append("yes" if measure.is_reached(statistics.median(values)) else "NO")
        by_cpu = self.by_processor_time(measure)
        return [*row, rounded(statistics.median(by_cpu)) if by_cpu else ""]

    def rates(self) -> str:
        """One row for each variant, by stream."""
        order = {name: place for place, name in enumerate(dict.fromkeys(one.stream for one in self.variants))}
        rows = [self._rate(variant) for variant in sorted(self.variants, key=lambda one: order[one.stream])]
        return table(["stream", "variant", "per second", "CPU µs each", "peak RSS MB", "p50 µs", "p99 µs"], rows)

    def _rate(self, variant: Variant) -> list[str]:
        runs = [runs[variant] for runs in self.rounds]
        row = [variant.stream, variant.label]
        if variant.stream == streams.NOTHING:
            row += ["", ""]
        else:
            row.append(spread(self.figures(variant, "rate")))
            row.append(spread([run.processor_time * 1e6 for run in runs]))
        row.append(f"{statistics.median(run.peak_rss for run in runs) / 1e6:.0f}")
        for name in ("p50", "p99"):
            row.append(spread([run.figures[name] * 1e6 for run in runs]) if name in runs[0].figures else "")
        return row

    def head_room(self) -> str:
        """For each stream, how much faster the server can be than the fastest that reads it."""
        rows = []
        for room in (variant for variant in self.variants if variant in HEAD_ROOM):
            packed = "packed" in room.reader
            readers = [
                one
                for one in self.variants
                if one.stream == room.stream
                and one not in HEAD_ROOM
                and one.tls == room.tls
                and (room.stream != streams.TRANSACTIONS or ("packed" in one.reader) == packed)
            ]
            if readers:
                fastest = max(readers, key=lambda one: statistics.median(self.figures(one, "rate")))
                pairs = zip(self.figures(room, "rate"), self.figures(fastest, "rate"))
                ratios = spread([able / done for able, done in pairs])
                able = spread(self.figures(room, "rate"))
                rows.append([f"{room.stream}: {room.label}", able, f"{ratios} × {fastest.label}"])
        paced = [one for one in self.variants if one.stream == streams.PACED]
        if paced:
            sent = [run.figures["offered"] for runs in self.rounds for run in map(runs.__getitem__, paced)]
            rows.append([streams.PACED, spread(sent), "as it was sent"])
        return table(["the server alone", "per second", "head-room"], rows) if rows else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "packages": {name: _version(name) for name in _PACKAGES},
            "events": self.events,
            "sessions": self.sessions,
            "rounds": len(self.rounds),
            "measures": [
                {
                    "name": measure.name,
                    "label": measure.label,
                    "variant": measure.variant.label,
                    "base": None if measure.base is None else measure.base.label,
                    "unit": measure.unit or "ratio",
                    "target": measure.target,
                    "at_most": measure.at_most,
                    "median": statistics.median(self.values(measure)),
                    "values": self.values(measure),
                    "by_processor_time": self.by_processor_time(measure),
                    "reached": measure.is_reached(statistics.median(self.values(measure))),
                }
                for measure in self.measures
            ],
            "variants": [
                {
                    **asdict(variant),
                    "per_second": self.figures(variant, "rate"),
                    "runs": [asdict(runs[variant]) for runs in self.rounds],
                }
                for variant in self.variants
            ],
        }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def measure_all(measures: Sequence[Measure], events: int, sessions: int, rounds: int) -> Results:
    """Raises :class:`~benchmarks.runs.WrongEvents`."""
    variants = variants_of(measures)
    with _servers(variants, events, sessions) as served:
        results = []
        for number in range(rounds):
            runs = {}
            for place, variant in enumerate(random.Random(number).sample(variants, len(variants)), start=1):
                line = f"round {number + 1} of {rounds}, {place} of {len(variants)}: {variant.label}"
                print(line, file=sys.stderr)
                runs[variant] = read(variant, served[variant.stream])
            results.append(runs)
    return Results(events, sessions, tuple(measures), tuple(results))


@contextlib.contextmanager
def _servers(variants: Sequence[Variant], events: int, sessions: int) -> Iterator[dict[str, Stream]]:
    """One for each stream that is read."""
    with contextlib.ExitStack() as running:
        served = {streams.NOTHING: Stream()}
        for name in dict.fromkeys(variant.stream for variant in variants):
            if name != streams.NOTHING:
                served[name] = running.enter_context(serving(streams.server(name, events, sessions)))
        yield served
