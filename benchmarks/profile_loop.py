"""Where the time of a reader goes: samples of every thread's stack, and the processor time of each thread.

    python -m benchmarks.profile_loop [loops.read_in_one_loop] [--events 500000] [--without-speed] [--lines 15]

A thread that waits for the interpreter counts as being where it waits, so the shares of a thread that rarely has the
interpreter say where it hands it over. Compare the processor times first: they say which thread to look at.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import FrameType

from benchmarks import streams
from benchmarks.figures import rounded, table
from benchmarks.measures import MEASURES
from benchmarks.readers.__main__ import reader
from benchmarks.results import variants_of
from benchmarks.runs import serving
from benchmarks.without import SPEED, forbid

INTERVAL = 0.001
"""Seconds between two samples, and how long a thread may keep the interpreter from the sampler."""

_STREAMS = {one.reader: one.stream for one in reversed(variants_of(MEASURES)) if one.stream != streams.NOTHING}
"""Which one each reader is for."""

_TICKS = os.sysconf("SC_CLK_TCK")
_OWN = Path(__file__).resolve().parent.parent


class Sampler:
    """Looks at all other threads, from a thread of its own."""

    def __init__(self) -> None:
        self.lines: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.processor: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")

    def __enter__(self) -> Sampler:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(INTERVAL)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        self._thread.join()
        sys.setswitchinterval(self._interval)

    def _run(self) -> None:
        own = threading.get_ident()
        while not self._stopping.wait(INTERVAL):
            threads = {thread.ident: thread for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != own:
                    name = threads[ident].name if ident in threads else "?"
                    self.lines[_kind(name)][_place(frame)] += 1
            self._note_processor_times()

    def _note_processor_times(self) -> None:
        """Of the threads that are alive now; a thread that ends is remembered as it was last seen."""
        tasks = Path("/proc/self/task")
        if not tasks.is_dir():
            return
        for thread in threading.enumerate():
            try:
                fields = (tasks / str(thread.native_id) / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            self.processor[f"{thread.name} {thread.native_id}"] = (int(fields[11]) + int(fields[12])) / _TICKS


def _kind(thread: str) -> str:
    """Threads that do the same are counted together."""
    return thread.rstrip("0123456789").rstrip("-_ ")


def _place(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    short = path.relative_to(_OWN) if path.is_relative_to(_OWN) else Path(path.name)
    return f"{short}:{frame.f_lineno} {frame.f_code.co_name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", nargs="?", default="loops.read_in_one_loop", choices=sorted(_STREAMS))
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--sessions", type=int, default=64)
    parser.add_argument("--without-speed", action="store_true")
    parser.add_argument("--lines", type=int, default=15, help="how many of each thread")
    options = parser.parse_args()
    if options.without_speed:
        forbid(SPEED)
    importlib.import_module("simsync")  # before the first sample
    server = streams.server(_STREAMS[options.reader], options.events, options.sessions)
    with serving(server) as stream:
        read = reader(options.reader)
        began = time.process_time()
        with Sampler() as sampler:
            run = read(stream)
        used = time.process_time() - began
    print(f"{rounded(run.figure('rate'))}/s with the sampler; {used:.2f} s of processor time in all")
    kinds: defaultdict[str, float] = defaultdict(float)
    for thread, seconds in sampler.processor.items():
        kinds[_kind(thread.rpartition(" ")[0])] += seconds
    print(table(["thread", "processor s"], [[kind, f"{seconds:.2f}"] for kind, seconds in sorted(kinds.items())]))
    for kind, lines in sorted(sampler.lines.items()):
        total = sum(lines.values())
        rows = [[f"{count / total:.1%}", place] for place, count in lines.most_common(options.lines)]
        print(f"\n{kind}, {total} samples\n{table(['share', 'line'], rows)}")


if __name__ == "__main__":
    main()
