"""Whether memory grows with the number of events, when the caller keeps up.

    python -m benchmarks.memory_growth [--events 100000 200000 400000 800000] [--sessions 64] [--rounds 3]

Exit status 1 when a reader did not get every event once and in order; the figures are never judged.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from benchmarks import streams, variants
from benchmarks.figures import rounded, spread, table
from benchmarks.runs import WrongEvents, read, serving

LOOP = variants.loop(True)


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the straight line that fits best."""
    middle = statistics.fmean(xs)
    across = sum((x - middle) ** 2 for x in xs)
    return sum((x - middle) * y for x, y in zip(xs, ys)) / across if across else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 200_000, 400_000, 800_000])
    parser.add_argument("--sessions", type=int, default=64, help="sub-sessions")
    parser.add_argument("--rounds", type=int, default=3, help="runs for each number of events")
    options = parser.parse_args()
    if not 1 <= options.sessions <= min(options.events) or options.rounds < 1:
        parser.error("at least one round, one sub-session, and one event for each sub-session")
    rows = []
    xs: list[float] = []
    ys: list[float] = []
    try:
        for events in options.events:
            with serving(streams.server(streams.CONTROL, events, options.sessions)) as stream:
                peaks = [read(LOOP, stream).peak_rss / 1e6 for _ in range(options.rounds)]
            rows.append([rounded(events), spread(peaks)])
            xs += [events / 1e6] * len(peaks)
            ys += peaks
    except WrongEvents as wrong:
        sys.exit(f"wrong events: {wrong}")
    print(table(["events", "peak RSS MB"], rows))
    print(f"slope: {slope(xs, ys):.2f} MB per million events")


if __name__ == "__main__":
    main()
