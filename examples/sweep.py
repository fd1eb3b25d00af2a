"""One strategy over many ranges, in worker processes: which programs fail most, and where.

    python examples/sweep.py [--workers 2] [--first-slot 1000] [--last-slot 1099]

Talks to SIMULATOR_URL with SIMULATOR_API_KEY; without them it starts an embedded simulator of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import simsync


def failures(session: simsync.BacktestSession) -> Counter[str]:
    """The errors of a range; runs in a worker."""
    session.subscribe_transactions()
    found: Counter[str] = Counter()
    for event in session.events(advance=10):
        if isinstance(event, simsync.Transaction) and event.error is not None:
            found[str(event.error)] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--first-slot", type=int, default=1_000)
    parser.add_argument("--last-slot", type=int, default=1_099)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if "SIMULATOR_URL" not in os.environ:
            from simsync.local import Ledger, Simulator

            simulator = stack.enter_context(Simulator(Ledger.generate(slots=100, bundle_size=20)))
            os.environ.update(SIMULATOR_URL=simulator.url, SIMULATOR_API_KEY=simulator.api_key)
        pool = ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn"))
        sweep = simsync.sweep(failures, (options.first_slot, options.last_slot), stack.enter_context(pool))
        total: Counter[str] = Counter()
        for result in stack.enter_context(sweep):
            found = result.get()
            total += found
            print(f"slots {result.start_slot} to {result.end_slot}: {sum(found.values())} failures")
        for error, count in total.most_common():
            print(f"{count:6} {error}")


if __name__ == "__main__":
    main()
