"""A full run over one range: the logs of one program, with a binary of your own in its place if you give one.

As it is, it starts the embedded simulator, whose ledger calls a tiny program now and then. For another simulator set
SIMULATOR_URL and SIMULATOR_API_KEY and give the range and the program:
full_run.py FIRST LAST PROGRAM_ID [program.so]
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from pathlib import Path

import simsync
from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program

FIRST, LAST = (int(slot) for slot in (sys.argv[1:3] or (1_000, 1_099)))
PROGRAM = sys.argv[3] if len(sys.argv) > 3 else str(TINY_PROGRAM)
BINARY = Path(sys.argv[4]).read_bytes() if len(sys.argv) > 4 else None

with contextlib.ExitStack() as stack:
    if os.environ.get("SIMULATOR_URL"):
        client = simsync.Client()
    else:
        slots = LAST - FIRST + 1
        ledger = Ledger.generate(start_slot=FIRST, slots=slots, bundle_size=slots, tiny_program=True)
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key)
        BINARY = BINARY or tiny_program(result=7)  # fails with the custom error 7
    create = simsync.CreateSession(FIRST, LAST, send_summary=True, capacity_wait_timeout=900)
    session = stack.enter_context(client.session(create, on_progress=print))
    session.subscribe_transactions([PROGRAM])
    if BINARY is not None:
        session.ensure_ready(timeout=600)
        for address, account in session.modify_program(PROGRAM, BINARY).items():
            print(f"injected {account.space:,} bytes at {address}")
    outcomes: Counter[str] = Counter()
    last_logs: dict[str, list[str]] = {}
    for event in session.events(advance=LAST - FIRST + 1):
        if isinstance(event, simsync.Transaction):
            outcome = "succeeded" if event.error is None else f"failed: {event.error}"
            outcomes[outcome] += 1
            last_logs[outcome] = list(event.logs)
        elif isinstance(event, simsync.Completed):
            print(f"summary: {event.summary}")
    for outcome, count in outcomes.most_common():
        print(f"\n{count} transaction(s) {outcome}; the logs of the last one:")
        for line in last_logs[outcome]:
            print(f"    {line}")
    print(f"\ncoverage: {session.coverage.reason}")
    sys.exit(not session.coverage.complete)
