"""The ways to receive that are compared."""

from __future__ import annotations

from benchmarks import streams
from benchmarks.runs import Variant

_ORJSON = ("orjson",)
_SPEED = ("orjson", "msgspec", "zstandard")
_CORES = {"server": "on the server's core", "other": "on the other core"}

BARE = Variant("websocket-client + orjson, one loop, no queues", streams.CONTROL, "bare.read_slots", needs=_ORJSON)
WEBSOCKETS = Variant(
    "asyncio websockets + orjson, a queue and a task per sub-session",
    streams.CONTROL,
    "asyncio_websockets.read_slots",
    needs=("websockets", *_ORJSON),
)
PICOWS = Variant(
    "picows + orjson, a queue and a task per sub-session",
    streams.CONTROL,
    "picows_tasks.read_slots",
    needs=("picows", *_ORJSON),
)
SYNC = Variant(
    "websockets.sync + orjson, a queue and a thread per sub-session",
    streams.CONTROL_TENTH,
    "queue_threads.read_with_websockets",
    needs=("websockets", *_ORJSON),
)
LITERAL = Variant(
    "default websocket-client, dataclasses-json, a put per event, a thread per sub-session",
    streams.CONTROL_TENTH,
    "queue_threads.read_literally",
)
BARE_TRANSACTIONS = Variant(
    "websocket-client + orjson, one loop", streams.TRANSACTIONS, "bare.read_transactions", needs=_ORJSON
)
BARE_PACKED = Variant(
    "websocket-client + orjson, one loop, zstd",
    streams.TRANSACTIONS,
    "bare.read_packed_transactions",
    needs=_SPEED,
)
WEBSOCKETS_TRANSACTIONS = Variant(
    "asyncio websockets + orjson, one loop",
    streams.TRANSACTIONS,
    "asyncio_websockets.read_transactions",
    needs=("websockets", *_ORJSON),
)
NODE = Variant("Node ws, one callback", streams.CONTROL, "node_tasks.read_slots")
_RUST = "tokio-tungstenite, a channel and a task per sub-session"
_ONE_THREAD, _WORKERS = "current-thread", "2 workers"
RUST = Variant(f"{_RUST}, {_WORKERS}", streams.CONTROL, "rust_tasks.read_slots")
RUST_IN_ONE_THREAD = Variant(f"{_RUST}, {_ONE_THREAD}", streams.CONTROL, "rust_tasks.read_slots_in_one_thread")
RUST_SIGNATURES = Variant(
    f"tokio-tungstenite, slot and signatures, {_WORKERS}", streams.TRANSACTIONS, "rust_tasks.read_signatures"
)
RUST_VALUES = Variant(
    f"tokio-tungstenite, serde_json::Value, {_WORKERS}", streams.TRANSACTIONS, "rust_tasks.read_values"
)
REQUESTS = Variant("import requests", streams.NOTHING, "imports.import_requests")


def bare_driver(core: str) -> Variant:
    label = f"websocket-client + orjson, one thread, {_CORES[core]}"
    return Variant(label, streams.ONE_DRIVER, "bare.drive_one", core=core, needs=_ORJSON)


def looping_tasks(stream: str) -> Variant:
    label = "asyncio websockets + orjson, a task per driver"
    return Variant(label, stream, "asyncio_websockets.drive", needs=("websockets", *_ORJSON))


def looping_node(stream: str) -> Variant:
    return Variant("Node ws, one callback", stream, "node_tasks.drive")


def looping_rust(stream: str) -> Variant:
    return Variant(f"tokio-tungstenite, a task per driver, {_WORKERS}", stream, "rust_tasks.drive")


def looping_rust_in_one_thread(stream: str) -> Variant:
    return Variant(f"tokio-tungstenite, a task per driver, {_ONE_THREAD}", stream, "rust_tasks.drive_in_one_thread")


def simsync(label: str, stream: str, reader: str, *, speed: bool, core: str = "", tls: bool = False) -> Variant:
    words = ["simsync", *([] if speed else ["without [speed]"])]
    needs = (*(_SPEED if speed else ()), *(("trustme",) if tls else ()))
    text = f"{' '.join(words)}, {label}{f', {_CORES[core]}' if core else ''}"
    return Variant(text, stream, reader, speed=speed, tls=tls, core=core, needs=needs)


def loop(speed: bool) -> Variant:
    return simsync("one loop", streams.CONTROL, "loops.read_in_one_loop", speed=speed)


def subscribed_loop(speed: bool) -> Variant:
    return simsync("one loop, all subscribed", streams.CONTROL, "loops.read_while_subscribed", speed=speed)


def threads(speed: bool) -> Variant:
    return simsync("a thread per sub-session", streams.CONTROL, "loops.read_in_threads", speed=speed)


def secured_loop(speed: bool) -> Variant:
    return simsync("one loop over TLS", streams.CONTROL, "loops.read_in_one_loop", speed=speed, tls=True)


def many_sessions(speed: bool) -> Variant:
    return simsync("one loop, 1,024 sub-sessions", streams.MANY_SESSIONS, "loops.read_in_one_loop", speed=speed)


def most_sessions(speed: bool) -> Variant:
    return simsync("one loop, 4,096 sub-sessions", streams.MOST_SESSIONS, "loops.read_in_one_loop", speed=speed)


def unread_transactions(speed: bool) -> Variant:
    return simsync("nothing but the slot", streams.TRANSACTIONS, "data_events.read_slots_only", speed=speed)


def read_transactions(speed: bool) -> Variant:
    return simsync("every field", streams.TRANSACTIONS, "data_events.read_every_field", speed=speed)


def packed_transactions(speed: bool) -> Variant:
    return simsync("every field, zstd", streams.TRANSACTIONS, "data_events.read_every_packed_field", speed=speed)


def driver(speed: bool, core: str) -> Variant:
    return simsync("one driver", streams.ONE_DRIVER, "drivers.drive_one", speed=speed, core=core)


def drivers(speed: bool, stream: str = streams.CLOSED_LOOP) -> Variant:
    return simsync("a thread per driver", stream, "drivers.drive_in_threads", speed=speed)


def drivers_in_one_loop(speed: bool, stream: str = streams.CLOSED_LOOP) -> Variant:
    return simsync("one loop drives all", stream, "drivers.drive_in_one_loop", speed=speed)


def queued(speed: bool) -> Variant:
    return simsync("everything waits, then one loop", streams.CONTROL, "loops.queue_all", speed=speed)


def computing(speed: bool) -> Variant:
    return simsync("a thread computes", streams.PACED, "latency.read_while_computing", speed=speed)


def computing_with_short_turns(speed: bool) -> Variant:
    label = "a thread computes, switch interval 0.5 ms"
    return simsync(label, streams.PACED, "latency.read_while_computing_with_short_turns", speed=speed)


def imported(speed: bool) -> Variant:
    return simsync("import simsync", streams.NOTHING, "imports.import_simsync", speed=speed)


def one_worker(speed: bool) -> Variant:
    return simsync("sweep, one worker", streams.SWEPT, "sweeps.sweep_with_one_worker", speed=speed)


def two_workers(speed: bool) -> Variant:
    return simsync("sweep, two workers", streams.SWEPT, "sweeps.sweep_with_two_workers", speed=speed)


HEAD_ROOM = (
    Variant("bytes counted", streams.CONTROL, "byte_counts.count_slots"),
    Variant("bytes counted over TLS", streams.CONTROL, "byte_counts.count_slots", tls=True, needs=("trustme",)),
    Variant("bytes counted", streams.CONTROL_TENTH, "byte_counts.count_slots"),
    Variant("bytes counted, 1,024 sub-sessions", streams.MANY_SESSIONS, "byte_counts.count_slots"),
    Variant("bytes counted, 4,096 sub-sessions", streams.MOST_SESSIONS, "byte_counts.count_slots"),
    Variant("bytes counted", streams.TRANSACTIONS, "byte_counts.count_transactions"),
    Variant("bytes counted, zstd", streams.TRANSACTIONS, "byte_counts.count_packed_transactions", needs=("zstandard",)),
    Variant("prepared frames, bytes counted", streams.CLOSED_LOOP, "byte_counts.drive_with_prepared_frames"),
)
"""How fast each server can be, in the same unit as its readers."""
