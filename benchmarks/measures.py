"""What is measured, as ratios within a round, and what is to be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from benchmarks import streams, variants
from benchmarks.readers.run import Run
from benchmarks.runs import Variant


@dataclass(frozen=True)
class Measure:
    """``figure`` of ``variant``, divided by that of ``base`` if there is one; else in ``unit``, of which one is
    ``scale`` of the figure's. ``target``: what its median is to reach, or, with ``at_most``, not to exceed; None for
    what is only shown. ``name`` is for ``--only``; measures may share it."""

    name: str
    label: str
    variant: Variant
    base: Variant | None
    target: float | None
    at_most: bool = False
    figure: str = "rate"
    scale: float = 1.0
    unit: str = ""

    def value(self, runs: Mapping[Variant, Run]) -> float:
        """In one round."""
        value = runs[self.variant].figure(self.figure)
        return value * self.scale if self.base is None else value / runs[self.base].figure(self.figure)

    def by_processor_time(self, runs: Mapping[Variant, Run]) -> float | None:
        """A ratio of rates as it would be if only the processor time of the clients counted; None for others."""
        if self.figure != "rate" or self.base is None or self.variant.stream == streams.SWEPT:
            return None
        return runs[self.base].processor_time / runs[self.variant].processor_time

    def is_reached(self, median: float) -> bool:
        return self.target is None or (median <= self.target if self.at_most else median >= self.target)

    @property
    def needs(self) -> tuple[Variant, ...]:
        return (self.variant,) if self.base is None else (self.variant, self.base)


Make = Callable[[bool], Variant]
"""A variant of simsync, with the extra ``[speed]`` or without."""


def _pair(
    name: str,
    label: str,
    variant: Make,
    base: Variant | Make | None,
    targets: tuple[float, float | None],
    **details: Any,
) -> Iterator[Measure]:
    """With the extra, and without it if there is a target for that."""
    for speed, target in zip((True, False), targets):
        if target is not None:
            text = label if speed else f"{label}; without [speed]"
            against = base(speed) if callable(base) else base
            yield Measure(name, text, variant(speed), against, target, **details)


def _round_trips() -> Iterator[Measure]:
    for core, where, median in (("server", "on one core", 2.2), ("other", "across cores", 1.7)):
        for figure, target in (("p50", median), ("p99", 3.0)):
            yield from _pair(
                "round-trip",
                f"continue → ready {figure}, {where} ÷ websocket-client in one thread",
                lambda speed, core=core: variants.driver(speed, core),  # type: ignore[misc]
                variants.bare_driver(core),
                (target, target),
                at_most=True,
                figure=figure,
            )


def _latencies() -> Iterator[Measure]:
    details = {"at_most": True, "figure": "p99", "scale": 1e3, "unit": "ms"}
    label = "event latency p99 while a thread computes"
    yield from _pair("latency", label, variants.computing, None, (25, 25), **details)
    label += ", switch interval 0.5 ms"
    yield from _pair("latency", label, variants.computing_with_short_turns, None, (5, 5), **details)


def _rust() -> Iterator[Measure]:
    loop = variants.loop(True)
    for label, variant, base, target in (
        ("control events/s, one loop ÷ Rust, 2 workers", loop, variants.RUST, 0.9),
        ("control events/s, one loop ÷ Rust, current-thread", loop, variants.RUST_IN_ONE_THREAD, None),
        (
            "transactions/s, none read beyond the slot ÷ Rust, slot and signatures, 2 workers",
            variants.unread_transactions(True),
            variants.RUST_SIGNATURES,
            None,
        ),
        (
            "transactions/s, every field read ÷ Rust, serde_json::Value, 2 workers",
            variants.read_transactions(True),
            variants.RUST_VALUES,
            None,
        ),
    ):
        yield Measure("rust", label, variant, base, target)


def _closed_loops() -> Iterator[Measure]:
    for stream, (drivers, slots) in streams.CLOSED_LOOPS.items():
        for way, variant in (
            ("one loop", variants.drivers_in_one_loop(True, stream)),
            ("a thread each", variants.drivers(True, stream)),
            ("Node ws", variants.looping_node(stream)),
            ("Rust, 2 workers", variants.looping_rust(stream)),
            ("Rust, current-thread", variants.looping_rust_in_one_thread(stream)),
        ):
            label = f"closed loop, drivers {drivers}, advance {slots}, {way}, trips/s ÷ asyncio websockets"
            yield Measure("closed-loops", label, variant, variants.looping_tasks(stream), None)


def _measures() -> Iterator[Measure]:
    asyncio, bare, data = variants.WEBSOCKETS, variants.BARE, variants.BARE_TRANSACTIONS
    yield from _pair("loop", "control events/s, one loop ÷ asyncio websockets", variants.loop, asyncio, (4.8, 2.5))
    label = "control events/s, one loop, all subscribed ÷ none subscribed"
    yield from _pair("subscribed", label, variants.subscribed_loop, variants.loop, (0.8, 0.8))
    label = "control events/s, a thread per sub-session ÷ asyncio websockets"
    yield from _pair("threads", label, variants.threads, asyncio, (3.5, 1.8))
    yield from _pair("bare", "control events/s, one loop ÷ bare websocket-client", variants.loop, bare, (6, 3))
    label = "control events/s, one loop over TLS ÷ bare websocket-client on plain TCP"
    yield from _pair("tls", label, variants.secured_loop, bare, (5, 2.5))
    yield from _pair("picows", "control events/s, one loop ÷ picows", variants.loop, variants.PICOWS, (1.8, None))
    yield from _pair("node", "control events/s, one loop ÷ Node ws", variants.loop, variants.NODE, (1.5, None))
    yield from _rust()
    label = "transactions/s, none read beyond the slot ÷ bare websocket-client"
    yield from _pair("unread", label, variants.unread_transactions, data, (4, 3.5))
    label = "transactions/s, every field read ÷ bare websocket-client"
    yield from _pair("read", label, variants.read_transactions, data, (1.2, 0.8))
    label = "transactions/s, every field read, zstd on ÷ zstd off"
    yield from _pair("zstd", label, variants.packed_transactions, variants.read_transactions, (0.85, None))
    yield from _round_trips()
    tasks = variants.looping_tasks(streams.CLOSED_LOOP)
    label = "drivers in a closed loop, one loop for all, trips/s ÷ asyncio websockets"
    yield from _pair("drivers", label, variants.drivers_in_one_loop, tasks, (2, 1.6))
    label = "drivers in a closed loop, a thread each, trips/s ÷ asyncio websockets"
    yield from _pair("drivers", label, variants.drivers, tasks, (1, 0.9))
    label = "control events/s, one loop, 1,024 sub-sessions ÷ 64"
    yield from _pair("many-sessions", label, variants.many_sessions, variants.loop, (0.85, 0.85))
    label = "control events/s, one loop, 4,096 sub-sessions ÷ 64"
    yield from _pair("many-sessions", label, variants.most_sessions, variants.loop, (0.6, None))
    yield from _closed_loops()
    details = {"at_most": True, "figure": "bytes", "unit": "bytes"}
    yield from _pair("memory", "memory per queued control event", variants.queued, None, (150, 250), **details)
    yield from _latencies()
    details = {"at_most": True, "figure": "p50"}
    label = "importing Client, CreateSession, Transaction ÷ import requests"
    yield from _pair("import", label, variants.imported, variants.REQUESTS, (1.4, 1.4), **details)
    label = "sweep over processes, two workers ÷ one"
    yield from _pair("sweep", label, variants.two_workers, variants.one_worker, (1.7, 1.7))
    # Other ways to do the same, for comparison.
    for label, variant, base in (
        ("asyncio websockets ÷ bare websocket-client", asyncio, bare),
        ("picows ÷ bare websocket-client", variants.PICOWS, bare),
        ("websockets.sync with threads ÷ bare websocket-client", variants.SYNC, bare),
        ("the literal design ÷ bare websocket-client", variants.LITERAL, bare),
        ("transactions/s, bare websocket-client, zstd on ÷ zstd off", variants.BARE_PACKED, data),
        ("transactions/s, asyncio websockets ÷ bare websocket-client", variants.WEBSOCKETS_TRANSACTIONS, data),
    ):
        yield Measure("peers", label, variant, base, None)


MEASURES = tuple(_measures())
NAMES = tuple(dict.fromkeys(measure.name for measure in MEASURES))
