"""A backtest as a cron job: no output but one log line per event worth it, a deadline, and an exit code.

Exit codes: 0 complete, 1 incomplete or failed, 2 wrong usage. As it is, it starts the embedded simulator; for another
one set SIMULATOR_URL and SIMULATOR_API_KEY.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import threading

import simsync
from simsync.local import Ledger, Simulator

log = logging.getLogger("cron_job")


def run(client: simsync.Client, create: simsync.CreateSession, deadline: float) -> bool:
    """Count failed transactions over the range; True when every slot was seen. ``deadline`` in seconds."""
    token = simsync.CancelToken()
    timer = threading.Timer(deadline, token.cancel)
    timer.daemon = True
    timer.start()
    failed = 0
    try:
        with client.parallel(create, cancel=token) as session:
            log.info("%d sub-sessions", len(session.sub_sessions))
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
            for sub, event in session.events(advance=50):
                if isinstance(event, simsync.Transaction):
                    failed += event.error is not None
                elif isinstance(event, simsync.SessionError):
                    log.warning("slots %d-%d: %s", sub.start_slot, sub.end_slot, event.error)
                elif isinstance(event, simsync.Completed):
                    log.info("slots %d-%d: %s", sub.start_slot, sub.end_slot, event.summary)
            log.info("%d failed transactions, %d reconnects", failed, session.reconnects)
            return all(coverage.complete for coverage in session.coverage)
    finally:
        timer.cancel()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1_000, help="first slot")
    parser.add_argument("--last", type=int, default=1_199, help="last slot")
    parser.add_argument("--deadline", type=float, default=3_600.0, help="seconds after which the run is given up")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("simsync").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stack:
        try:
            create = simsync.CreateSession(arguments.first, arguments.last, send_summary=True)
            if os.environ.get("SIMULATOR_URL"):
                client = simsync.Client()
            else:
                slots = arguments.last - arguments.first + 1
                simulator = stack.enter_context(Simulator(Ledger.generate(start_slot=arguments.first, slots=slots)))
                client = simsync.Client(simulator.url, simulator.api_key)
            complete = run(client, create, arguments.deadline)
        except simsync.InvalidParams as error:
            log.error("%s", error)
            return 2
        except simsync.SimsyncError as error:
            log.error("%s: %s", type(error).__name__, error)
            return 1
    log.info("complete") if complete else log.error("incomplete")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
