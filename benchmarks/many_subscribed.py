"""Thousands of subscribed sub-sessions: threads, time until all are subscribed, control events/s, memory.

    python -m benchmarks.many_subscribed [--sessions 4096] [--events 500000] [--rounds 3]

Each round reads the stream in a fresh process, once without and once with a quiet subscription on each sub-session.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from benchmarks.readers.run import Run
from benchmarks.runs import ServerCommand, Variant, read, serving

PLAIN = Variant("one loop", "", "loops.read_in_one_loop")
SUBSCRIBED = Variant("one loop, all subscribed", "", "loops.read_while_subscribed")
MEBIBYTE = 1024 * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=4096)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    runs: dict[Variant, list[Run]] = {PLAIN: [], SUBSCRIBED: []}
    with serving(ServerCommand("flood", arguments.events, arguments.sessions)) as stream:
        for _round in range(arguments.rounds):
            for variant, made in runs.items():
                made.append(read(variant, stream))
    print(f"{arguments.sessions} sub-sessions, {arguments.events} events, medians of {arguments.rounds} rounds")
    print("| | threads | until subscribed, s | events/s | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- |")
    for variant, made in runs.items():
        threads, ready, rate, memory = (
            statistics.median(values)
            for values in (
                [run.figure("threads") for run in made],
                [run.figure("until_subscribed") for run in made],
                [run.figure("rate") for run in made],
                [run.peak_rss / MEBIBYTE for run in made],
            )
        )
        print(f"| {variant.label} | {threads:.0f} | {ready:.2f} | {rate:,.0f} | {memory:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
