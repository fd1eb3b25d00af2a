"""simsync: drivers in a closed loop, each a plain ``for`` loop that sends the next continue after each ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.readers.loops import open_session
from benchmarks.readers.run import Run, Stopwatch, percentiles, trip_problems, warm
from benchmarks.stream import Stream

if TYPE_CHECKING:
    from simsync import SubSession


def drive_in_threads(stream: Stream) -> Run:
    """A thread for each sub-session."""
    watch = Stopwatch()
    with open_session(stream) as session:
        watch.start()
        drivers = [result.get() for result in session.map(lambda sub: _drive(sub, stream.advance))]
        figures = percentiles([trip for trips in drivers for trip in warm(trips)])
        return watch.stop(stream.trips, trip_problems(stream.trips, drivers), figures)


def drive_one(stream: Stream) -> Run:
    """The only sub-session, in the main thread."""
    watch = Stopwatch()
    with open_session(stream) as session:
        (sub,) = session.sub_sessions
        watch.start()
        trips = _drive(sub, stream.advance)
        return watch.stop(stream.trips, trip_problems(stream.trips, [trips]), percentiles(warm(trips)))


def _drive(sub: SubSession, advance: int) -> list[float]:
    """How long each trip took: from asking for the event after a ready, which sends the continue, to the next stop."""
    from simsync import Completed, ReadyForContinue

    clock = time.perf_counter
    trips = []
    began = clock()
    for event in sub.events(advance=advance):
        if type(event) is ReadyForContinue or type(event) is Completed:
            now = clock()
            trips.append(now - began)
            began = now
    return trips[1:]  # the first ready was there before


def drive_in_one_loop(stream: Stream) -> Run:
    """All sub-sessions from one ``session.events(advance=…)``."""
    from simsync import Completed, ReadyForContinue

    watch = Stopwatch()
    clock = time.perf_counter
    with open_session(stream) as session:
        began = dict.fromkeys(session.sub_sessions, 0.0)
        trips = []
        watch.start()
        for sub, event in session.events(advance=stream.advance):
            if type(event) is ReadyForContinue or type(event) is Completed:
                now = clock()
                trips.append(now - began[sub])
                began[sub] = now
        del trips[: len(began)]
        return watch.stop(stream.trips, trip_problems(stream.trips, [trips]), percentiles(warm(trips)))
