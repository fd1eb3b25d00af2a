"""simsync: one loop over all sub-sessions, a thread for each, and what waits when nobody takes anything."""

from __future__ import annotations

import gc
import os
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.readers.run import Outcome, Run, Stopwatch, slot_problems
from benchmarks.stream import Stream
from benchmarks.traffic import FIRST_SLOT

if TYPE_CHECKING:
    from simsync import ParallelSession, SubSession


def open_session(stream: Stream, *, compression: bool = True) -> ParallelSession:
    import simsync

    context = ssl.create_default_context(cadata=stream.ca) if stream.is_tls else None
    options = simsync.Options(ssl_context=context, compression=compression)
    create = simsync.CreateSession(FIRST_SLOT, slot_count=stream.events)
    return simsync.Client(stream.url, "benchmark", options=options).parallel(create)


def start(session: ParallelSession, stream: Stream) -> None:
    session.sub_sessions[-1].send_continue(advance_count=stream.events)


def wait_until_subscribed(session: ParallelSession) -> None:
    for sub in session.sub_sessions:
        while not all(status.up for status in sub.queue.subscriptions):
            time.sleep(0.001)


def coverage_problems(session: ParallelSession) -> list[str]:
    return [
        f"{sub!r}: {coverage!r}"
        for sub, coverage in zip(session.sub_sessions, session.coverage)
        if not coverage.completed or coverage.sequence_gaps or coverage.replays_dropped
    ]


def take_all(session: ParallelSession) -> list[Outcome]:
    """The slots of all sub-sessions, in one loop."""
    from simsync import Slot

    last = {sub: sub.start_slot - 1 for sub in session.sub_sessions}
    received = misplaced = 0
    for sub, event in session.events():
        if type(event) is Slot:
            slot = event.slot
            if slot != last[sub] + 1:
                misplaced += 1
            last[sub] = slot
            received += 1
    return [(received, misplaced, False), *((0, 0, last[sub] != sub.end_slot) for sub in last)]


def read_in_one_loop(stream: Stream) -> Run:
    return _read_in_one_loop(stream, subscribed=False)


def read_while_subscribed(stream: Stream) -> Run:
    """In one loop, while every sub-session has a subscription to which nothing comes."""
    return _read_in_one_loop(stream, subscribed=True)


def _read_in_one_loop(stream: Stream, *, subscribed: bool) -> Run:
    watch = Stopwatch()
    with open_session(stream) as session:
        began = time.perf_counter()
        if subscribed:
            session.subscribe_transactions()
            wait_until_subscribed(session)
        figures = {"until_subscribed": time.perf_counter() - began, "threads": threading.active_count()}
        watch.start()
        start(session, stream)
        outcomes = take_all(session)
        problems = slot_problems(stream.events, outcomes) + coverage_problems(session)
        return watch.stop(stream.events, problems, figures)


def read_in_threads(stream: Stream) -> Run:
    from simsync import Slot

    watch = Stopwatch()
    with open_session(stream) as session:
        starter = session.sub_sessions[-1]  # whose thread is started last

        def read(sub: SubSession) -> Outcome:
            if sub is starter:
                start(session, stream)
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
        outcomes = [result.get() for result in session.map(read)]
        return watch.stop(stream.events, slot_problems(stream.events, outcomes) + coverage_problems(session))


def queue_all(stream: Stream) -> Run:
    """Let every event wait before the first is taken. ``bytes``: what the process grew by, for each event."""
    watch = Stopwatch()
    with open_session(stream) as session:
        gc.collect()
        before = _resident()
        watch.start()
        start(session, stream)
        for sub in session.sub_sessions:
            sub.ensure_ready()  # False: it is completed, and took no events
        grown = _resident() - before
        outcomes = take_all(session)
        problems = slot_problems(stream.events, outcomes) + coverage_problems(session)
        return watch.stop(stream.events, problems, {"bytes": grown / stream.events})


def _resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
