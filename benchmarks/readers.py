"""A process that receives the whole stream once, in one of several ways, and says what that took.

In every way the caller does the same with an event: it checks that the slot is the one that comes next in its
sub-session, and counts. The clock runs from just before the continue to the last event; connecting and creating are
reported apart.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import websocket

from benchmarks import traffic

if TYPE_CHECKING:
    import simsync


@dataclass
class Run:
    """One reception. Times in seconds; ``peak_rss`` in bytes, of the whole process; ``problems`` is empty if every
    event came once and in order."""

    setup: float
    seconds: float
    cpu: float
    peak_rss: int
    problems: list[str] = field(default_factory=list)


class Stopwatch:
    """Started twice: at the beginning, and when the stream begins."""

    def __init__(self) -> None:
        self._made = time.perf_counter()

    def start(self) -> None:
        self._cpu = time.process_time()
        self._started = time.perf_counter()

    def stop(self, problems: list[str]) -> Run:
        stopped = time.perf_counter()
        cpu = time.process_time() - self._cpu
        return Run(self._started - self._made, stopped - self._started, cpu, peak_rss(), problems)


def peak_rss() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux that may still be the peak of the process that started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _problems(events: int, received: int, misplaced: int, unfinished: int) -> list[str]:
    problems = []
    if received != events:
        problems.append(f"{received} slot events instead of {events}")
    if misplaced:
        problems.append(f"{misplaced} slot events were not the next of their sub-session")
    if unfinished:
        problems.append(f"{unfinished} sub-sessions did not come to their last slot")
    return problems


# Without simsync.


class BareSession:
    """A session that was created with websocket-client and nothing else."""

    def __init__(self, url: str, events: int) -> None:
        self.ws = websocket.WebSocket(skip_utf8_validation=True)
        self.ws.connect(url, suppress_origin=True)  # type: ignore[no-untyped-call]
        params = {"startSlot": traffic.FIRST_SLOT, "endSlot": traffic.FIRST_SLOT + events - 1, "parallel": True}
        self.ws.send(traffic.message("createBacktestSession", params))
        while True:
            created = json.loads(self.ws.recv())
            if created["method"] == "sessionsCreatedV2":
                break
        self.ids: list[str] = created["params"]["session_ids"]
        self.start_slots: list[int] = created["params"]["start_slots"]
        self.end_slots: list[int] = created["params"]["end_slots"]
        for _ in self.ids:
            self.ws.recv()  # its first ready

    def continue_(self, events: int) -> None:
        session_id = self.ids[-1]
        params = {"session_id": session_id, "sessionId": session_id, "request": {"advanceCount": events}}
        self.ws.send(traffic.message("continueSessionV1", params))


def read_bare(url: str, events: int, _stream_bytes: int) -> Run:
    import orjson

    watch = Stopwatch()
    session = BareSession(url, events)
    last = {session_id: start - 1 for session_id, start in zip(session.ids, session.start_slots)}
    received = misplaced = 0
    open_sessions = len(session.ids)
    watch.start()
    session.continue_(events)
    recv_data = session.ws.recv_data
    loads = orjson.loads
    while open_sessions:
        params = loads(recv_data()[1])["params"]
        event = params["event"]
        if event["method"] == "slotNotification":
            slot = event["params"]
            session_id = params["session_id"]
            if slot != last[session_id] + 1:
                misplaced += 1
            last[session_id] = slot
            received += 1
        elif event["method"] == "completed":
            open_sessions -= 1
    unfinished = sum(last[session_id] != end for session_id, end in zip(session.ids, session.end_slots))
    run = watch.stop(_problems(events, received, misplaced, unfinished))
    session.ws.close()
    return run


def read_raw(url: str, events: int, stream_bytes: int) -> Run:
    watch = Stopwatch()
    session = BareSession(url, events)
    sock = session.ws.sock
    assert sock is not None
    watch.start()
    session.continue_(events)
    missing = stream_bytes
    buffer = bytearray(256 * 1024)
    while missing > 0:
        size = sock.recv_into(buffer)
        if not size:
            break
        missing -= size
    run = watch.stop([f"{missing} bytes are missing"] if missing else [])
    session.ws.close()
    return run


# With simsync.


def _simsync_session(url: str, events: int) -> simsync.ParallelSession:
    import simsync

    create = simsync.CreateSession(traffic.FIRST_SLOT, slot_count=events)
    return simsync.Client(url, "benchmark").parallel(create)


def _coverage_problems(session: simsync.ParallelSession) -> list[str]:
    return [
        f"{sub!r}: {coverage!r}"
        for sub, coverage in zip(session.sub_sessions, session.coverage)
        if not coverage.completed or coverage.sequence_gaps or coverage.replays_dropped
    ]


def read_in_one_loop(url: str, events: int, _stream_bytes: int) -> Run:
    from simsync import Slot

    watch = Stopwatch()
    with _simsync_session(url, events) as session:
        last = {sub: sub.start_slot - 1 for sub in session.sub_sessions}
        received = misplaced = 0
        watch.start()
        session.sub_sessions[-1].send_continue(advance_count=events)
        for sub, event in session.events():
            if type(event) is Slot:
                slot = event.slot
                if slot != last[sub] + 1:
                    misplaced += 1
                last[sub] = slot
                received += 1
        unfinished = sum(last[sub] != sub.end_slot for sub in session.sub_sessions)
        return watch.stop(_problems(events, received, misplaced, unfinished) + _coverage_problems(session))


def read_in_threads(url: str, events: int, _stream_bytes: int) -> Run:
    from simsync import Slot, SubSession

    watch = Stopwatch()
    with _simsync_session(url, events) as session:
        starter = session.sub_sessions[-1]  # whose thread is started last

        def read(sub: SubSession) -> tuple[int, int, int]:
            if sub is starter:
                sub.send_continue(advance_count=events)
            last = sub.start_slot - 1
            received = misplaced = 0
            for event in sub.events():
                if type(event) is Slot:
                    slot = event.slot
                    if slot != last + 1:
                        misplaced += 1
                    last = slot
                    received += 1
            return received, misplaced, last != sub.end_slot

        watch.start()
        results = [result.get() for result in session.map(read)]
        received, misplaced, unfinished = (sum(column) for column in zip(*results))
        return watch.stop(_problems(events, received, misplaced, unfinished) + _coverage_problems(session))


Reader = Callable[[str, int, int], Run]

READERS: dict[str, Reader] = {
    "raw": read_raw,
    "bare": read_bare,
    "loop": read_in_one_loop,
    "threads": read_in_threads,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("url")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--stream-bytes", type=int, default=0)
    parser.add_argument("--without-orjson", action="store_true")
    options = parser.parse_args()
    if options.without_orjson:
        modules: dict[str, Any] = sys.modules
        modules["orjson"] = None  # importing it fails from here on
    run = READERS[options.reader](options.url, options.events, options.stream_bytes)
    print(json.dumps(asdict(run)))


if __name__ == "__main__":
    main()
