"""How many control events a second reach the caller: simsync against websocket-client with a JSON decoder.

    python benchmarks/control_events.py [--events 200000] [--sessions 64] [--rounds 5] [--json FILE]

Exit status 1 when a reader did not get every event once and in order; speed is never judged.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import random
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.readers import Run
from benchmarks.runs import Server, Variant, WrongEvents, serving, spread, table

BASE = Variant("websocket-client recv_data + orjson, one loop (base)", "bare")
HEAD_ROOM = Variant("server's head-room: bytes counted, nothing decoded", "raw")
VARIANTS = (
    BASE,
    Variant("simsync, one loop over all sub-sessions", "loop"),
    Variant("simsync, a thread per sub-session", "threads"),
    Variant("simsync without orjson, one loop", "loop", orjson=False),
    Variant("simsync without orjson, a thread per sub-session", "threads", orjson=False),
    HEAD_ROOM,
)

Rounds = list[dict[Variant, Run]]


def measure(server: Server, rounds: int) -> Rounds:
    """Every variant once a round, in an order that differs from round to round."""
    results = []
    for number in range(rounds):
        order = random.Random(number).sample(VARIANTS, len(VARIANTS))
        results.append({variant: server.read(variant) for variant in order})
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return results


def rates(rounds: Rounds, variant: Variant, events: int) -> list[float]:
    return [events / results[variant].seconds for results in rounds]


def ratios(rounds: Rounds, variant: Variant) -> list[float]:
    """To the base of the same round."""
    return [results[BASE].seconds / results[variant].seconds for results in rounds]


def row(rounds: Rounds, variant: Variant, events: int) -> list[str]:
    runs = [results[variant] for results in rounds]
    return [
        variant.label,
        spread(rates(rounds, variant, events)),
        spread(ratios(rounds, variant)),
        spread([run.cpu / events * 1e6 for run in runs]),
        f"{statistics.median(run.peak_rss for run in runs) / 1e6:.0f}",
        f"{statistics.median(run.setup for run in runs) * 1e3:.0f}",
    ]


def report(rounds: Rounds, events: int, sessions: int) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "events": events,
        "sessions": sessions,
        "variants": [
            {
                **asdict(variant),
                "events_per_second": rates(rounds, variant, events),
                "ratio_to_base": ratios(rounds, variant),
                "runs": [asdict(results[variant]) for results in rounds],
            }
            for variant in VARIANTS
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="slot events of one run")
    parser.add_argument("--sessions", type=int, default=64, help="sub-sessions")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each variant")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure there")
    options = parser.parse_args()
    if not 1 <= options.sessions <= options.events or options.rounds < 1:
        parser.error("at least one round, one sub-session, and one event for each sub-session")
    if importlib.util.find_spec("orjson") is None:
        parser.error("orjson is not installed")
    try:
        with serving(options.events, options.sessions) as server:
            rounds = measure(server, options.rounds)
    except WrongEvents as wrong:
        sys.exit(f"wrong events: {wrong}")
    header = ["variant", "events/s", "× base", "CPU µs/event", "peak RSS MB", "setup ms"]
    print(table(header, [row(rounds, variant, options.events) for variant in VARIANTS]))
    if options.json is not None:
        text = json.dumps(report(rounds, options.events, options.sessions), indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
