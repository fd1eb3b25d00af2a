"""Does a new version of a program break anything? The same slots with the old and the new binary, and what differs.

As it is, it starts the embedded simulator, whose ledger calls a tiny program, and the new version fails with the custom
error 7. For another simulator set SIMULATOR_URL and SIMULATOR_API_KEY and give the range, the program and its binary:
upgrade_regression.py FIRST LAST PROGRAM_ID new.so
The exit code is 1 if there are regressions.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import simsync
from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program

FIRST, LAST = (int(slot) for slot in (sys.argv[1:3] or (1_000, 1_059)))
PROGRAM = sys.argv[3] if len(sys.argv) > 3 else str(TINY_PROGRAM)
NEW = Path(sys.argv[4]).read_bytes() if len(sys.argv) > 4 else tiny_program(result=7)


def outcomes(client: simsync.Client, binary: bytes | None) -> dict[str, simsync.Transaction]:
    """Every transaction that calls the program, by signature."""
    with client.parallel(simsync.CreateSession(FIRST, LAST)) as session:
        for sub in session.sub_sessions:
            sub.subscribe_transactions([PROGRAM])
            if binary is not None:
                sub.ensure_ready(timeout=600)
                sub.modify_program(PROGRAM, binary)
        found = {
            event.signature: event
            for _sub, event in session.events(advance=20, timeout=300)
            if isinstance(event, simsync.Transaction)
        }
        if not session.run_summary.complete:
            sys.exit(f"incomplete: {session.run_summary.reasons}")
        return found


with contextlib.ExitStack() as stack:
    if os.environ.get("SIMULATOR_URL"):
        client = simsync.Client()
    else:
        ledger = Ledger.generate(start_slot=FIRST, slots=LAST - FIRST + 1, bundle_size=20, tiny_program=True)
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key)
    old, new = outcomes(client, None), outcomes(client, NEW)

regressions = [event for key, event in new.items() if event.error is not None and old[key].error is None]
improvements = [event for key, event in new.items() if event.error is None and old[key].error is not None]
logs = sum(new[key].logs != old[key].logs for key in new)
before, after = (sum(event.compute_units or 0 for event in run.values()) for run in (old, new))
print(f"{len(old)} transactions call {PROGRAM}")
print(f"regressions {len(regressions)}, improvements {len(improvements)}, other logs {logs}, units {after - before:+,}")
for event in regressions[:5]:
    print(f"slot {event.slot} {event.signature[:16]}… {event.error}")
sys.exit(bool(regressions))
