"""simsync and its peers side by side: medians and ranges of ratios within a round, against what is to be reached.

    python -m benchmarks [--rounds 5] [--events 500000] [--only NAME ...] [--json FILE] [--check FILE] [--plot FILE]

Each variant runs in a fresh process, each server in one of its own with frames that were made before; each round runs
every variant once, in another order. Exit status 1 when a reader did not get every event once and in order; speed is
never judged.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from benchmarks.earlier import FELL, read_medians, what_fell
from benchmarks.measures import MEASURES, NAMES
from benchmarks.results import left_out, measure_all
from benchmarks.runs import WrongEvents


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each variant")
    parser.add_argument("--events", type=int, default=500_000, help="control events of one run; others get fewer")
    parser.add_argument("--sessions", type=int, default=64, help="sub-sessions")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=NAMES, help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure there")
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="name the rows that are worse than in this file of --json"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw there, as the suffix says (.png, .svg, .pdf)")
    options = parser.parse_args(arguments)
    if not 1 <= options.sessions <= options.events or options.rounds < 1:
        parser.error("at least one round, one sub-session, and one event for each sub-session")
    if options.plot is not None and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install 'simsync[bench]'")
    try:
        before = None if options.check is None else read_medians(options.check)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    chosen = [measure for measure in MEASURES if options.only is None or measure.name in options.only]
    absent = left_out(chosen)
    for measure, reason in absent.items():
        print(f"left out: {measure.label}: {reason}.")
    measures = [measure for measure in chosen if measure not in absent]
    if not measures:
        return 0
    try:
        results = measure_all(measures, options.events, options.sessions, options.rounds)
    except WrongEvents as wrong:
        print(f"wrong events: {wrong}", file=sys.stderr)
        return 1
    for text in (results.targets(), results.rates(), results.head_room()):
        print(f"\n{text}" if text else "")
    if before is not None:
        fell = what_fell(results, before)
        print(f"\nworse by more than {FELL:.0%} than in {options.check}:", *(fell or ["nothing"]), sep="\n")
    if options.json is not None:
        options.json.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    if options.plot is not None:
        from benchmarks import plot

        plot.write(results, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
