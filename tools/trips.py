"""Count the functions and files of simsync that everyday trips pass, per thread.

    python -m tools.trips [--list TRIP] [--turns 15]

The trips are made with one sub-session against the embedded simulator, which runs in another process. Each call of a
Python function of simsync counts, and each time a generator is resumed. A trip is made several times in the steady
state; of each thread the median one is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Callable, NamedTuple

import simsync

FIRST_SLOT = 1_000
QUIET = 0.03
"""Seconds without a call after which all threads count as waiting."""
WARM_UP = 3
"""The first turns are not counted."""
CALLER = "caller"
ROLES = {"simsync-subscriptions": "data reader"}
"""Column names of threads; any other thread ``simsync-<name>`` is shown as ``<name>``."""

_PACKAGE = Path(simsync.__file__).resolve().parent
_OTHER_SIDE = _PACKAGE / "local"


class Call(NamedTuple):
    """``file`` is relative to the package."""

    role: str
    file: str
    function: str


class Recorder:
    """Records the calls of simsync functions in this thread and in every thread that starts meanwhile."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._files: dict[str, str | None] = {}
        self._caller = threading.get_ident()

    def __enter__(self) -> Recorder:
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def take(self) -> list[Call]:
        """The calls since the last time."""
        taken, self._calls = self._calls, []
        return taken

    def settle(self) -> list[Call]:
        """Like :meth:`take`, after waiting until every thread is idle."""
        before = -1
        while len(self._calls) != before:
            before = len(self._calls)
            time.sleep(QUIET)
        return self.take()

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name.endswith(("comp>", "<module>")):  # comprehensions are calls until 3.11 only
            return
        file = self._file(code.co_filename)
        if file is not None:
            self._calls.append(Call(self._role(), file, getattr(code, "co_qualname", code.co_name)))

    def _file(self, name: str) -> str | None:
        if name not in self._files:
            path = Path(name)
            own = _PACKAGE in path.parents and _OTHER_SIDE not in path.parents
            self._files[name] = path.relative_to(_PACKAGE).as_posix() if own else None
        return self._files[name]

    def _role(self) -> str:
        if threading.get_ident() == self._caller:
            return CALLER
        name = threading.current_thread().name
        return ROLES.get(name, name[len("simsync-") :] if name.startswith("simsync-") else name)


def continues(client: simsync.Client, recorder: Recorder, turns: int) -> Iterator[list[Call]]:
    with one_sub_session(client, turns) as (_session, sub):
        for _turn in range(turns):
            while not isinstance(sub.next_event(), simsync.ReadyForContinue):
                pass
            recorder.settle()
            sub.send_continue()
            trip = recorder.take()
            yield trip + [call for call in recorder.settle() if call.role != CALLER]


def turns_of_a_loop(client: simsync.Client, recorder: Recorder, turns: int) -> Iterator[list[Call]]:
    with one_sub_session(client, turns) as (_session, sub):
        yield from _turns(sub.events(advance=1), recorder, turns)


def turns_of_the_merged_loop(client: simsync.Client, recorder: Recorder, turns: int) -> Iterator[list[Call]]:
    with one_sub_session(client, turns) as (session, _sub):
        yield from _turns((event for _sub, event in session.events(advance=1)), recorder, turns)


def loops_of_one_turn(client: simsync.Client, recorder: Recorder, turns: int) -> Iterator[list[Call]]:
    with one_sub_session(client, turns) as (_session, sub):
        for _turn in range(turns):
            yield from _turns(sub.events(advance=1), recorder, 1)


def transactions(client: simsync.Client, recorder: Recorder, turns: int) -> Iterator[list[Call]]:
    with one_sub_session(client, turns) as (_session, sub):
        sub.subscribe_transactions()
        yield from _turns(sub.events(advance=1), recorder, turns)


def _turns(events: Iterable[simsync.Event], recorder: Recorder, turns: int) -> Iterator[list[Call]]:
    for event in events:
        if isinstance(event, simsync.ReadyForContinue):
            yield recorder.settle()
            turns -= 1
        if not turns:
            return


def closings(client: simsync.Client, recorder: Recorder, turns: int) -> Iterator[list[Call]]:
    for _turn in range(turns):
        with one_sub_session(client, turns) as (session, _sub):
            recorder.settle()
            session.close()
            yield recorder.settle()


@contextlib.contextmanager
def one_sub_session(client: simsync.Client, turns: int) -> Iterator[tuple[simsync.ParallelSession, simsync.SubSession]]:
    create = simsync.CreateSession(start_slot=FIRST_SLOT, slot_count=turns + 2)
    with client.parallel(create) as session:
        (sub,) = session.sub_sessions
        yield session, sub


@dataclass(frozen=True)
class Trip:
    """``others``: threads that are not counted, because they do unrelated work meanwhile."""

    name: str
    label: str
    make: Callable[[simsync.Client, Recorder, int], Iterator[list[Call]]]
    others: tuple[str, ...] = ()
    warm_up: int = WARM_UP


TRIPS = [
    Trip("continue", "`send_continue`", continues, others=("reader",)),
    Trip("turn", "one turn of `events(advance=1)`", turns_of_a_loop),
    Trip("merged", "one turn of the merged loop", turns_of_the_merged_loop),
    Trip("loop", "calling `events(advance=1)` for one turn", loops_of_one_turn),
    Trip("transaction", "a transaction of the data plane", transactions, others=(CALLER, "reader", "writer")),
    Trip("close", "closing a parallel session", closings, warm_up=1),
]

Passed = dict[str, list[Call]]
"""The median trip of each thread."""


def measure(trips: list[Trip], turns: int) -> dict[str, Passed]:
    """By the name of the trip."""
    with simulator(turns) as (url, key):
        client = simsync.Client(url, key, options=simsync.Options(ping_interval=600.0, dead_after=3600.0))
        with Recorder() as recorder:
            return {
                trip.name: _median(list(trip.make(client, recorder, turns + trip.warm_up))[trip.warm_up :], trip.others)
                for trip in trips
            }


def _median(samples: list[list[Call]], others: tuple[str, ...]) -> Passed:
    by_role: defaultdict[str, list[list[Call]]] = defaultdict(list)
    for role in {call.role for sample in samples for call in sample} - set(others):
        by_role[role] = [[call for call in sample if call.role == role] for sample in samples]
    medians = {role: sorted(ones, key=len)[(len(ones) - 1) // 2] for role, ones in by_role.items()}
    return {role: calls for role, calls in medians.items() if calls}


@contextlib.contextmanager
def simulator(turns: int) -> Iterator[tuple[str, str]]:
    """Address and key of a simulator in another process, with one transaction a slot."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, turns + 10), daemon=True)
    process.start()
    there.close()
    try:
        yield here.recv()
    finally:
        here.close()
        process.join()


def _serve(pipe: Connection, slots: int) -> None:
    from simsync.local import Ledger, Simulator

    ledger = Ledger.generate(start_slot=FIRST_SLOT, slots=slots, transactions_per_slot=1, bundle_size=slots)
    with Simulator(ledger) as served:
        pipe.send((served.ws_url, served.api_key))
        with contextlib.suppress(EOFError):
            pipe.recv()  # ends when the other process closes the pipe, or is gone


def table(measured: dict[str, Passed]) -> str:
    """Calls and distinct files."""
    known = [CALLER, "reader", "writer", "data reader"]
    roles = known + sorted({role for passed in measured.values() for role in passed} - set(known))
    lines = [f"| calls, files | {' | '.join(roles)} |", "| --- " * (len(roles) + 1) + "|"]
    for trip in TRIPS:
        if trip.name in measured:
            passed = measured[trip.name]
            counts = [f"{len(passed[role])}, {len(_files(passed[role]))}" if role in passed else "–" for role in roles]
            lines.append(f"| {trip.label} | {' | '.join(counts)} |")
    return "\n".join(lines)


def listing(passed: Passed) -> str:
    """Files and functions of a trip, in order."""
    lines = []
    for role, calls in sorted(passed.items()):
        lines.append(f"{role}: {len(calls)} calls, {len(_files(calls))} files ({', '.join(_files(calls))})")
        lines.extend(f"  {call.file}:{call.function}" for call in calls)
    return "\n".join(lines)


def _files(calls: list[Call]) -> list[str]:
    return list(dict.fromkeys(call.file for call in calls))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", choices=[trip.name for trip in TRIPS], help="print what this trip passes, in order")
    parser.add_argument("--turns", type=int, default=15, help="how often each trip is made; default 15")
    options = parser.parse_args()
    measured = measure(TRIPS, options.turns)
    print(table(measured))
    if options.list:
        print()
        print(listing(measured[options.list]))


if __name__ == "__main__":
    main()
