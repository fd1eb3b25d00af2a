"""How long does a quote live? Transactions of a program are captured, then tried again on the state of later slots.

As it is, it starts the embedded simulator and captures what calls the token program; much of that can be done only
once, so it fails as soon as the original has been executed. For another simulator set SIMULATOR_URL and
SIMULATOR_API_KEY and give the range and the program: quote_decay.py FIRST LAST PROGRAM_ID
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter

import simsync
from simsync.local import Ledger, Simulator

FIRST, LAST = (int(slot) for slot in (sys.argv[1:3] or (1_000, 1_079)))
PROGRAM = sys.argv[3] if len(sys.argv) > 3 else "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
WINDOW = 50  # slots
CAPTURED = 40  # transactions

with contextlib.ExitStack() as stack:
    if os.environ.get("SIMULATOR_URL"):
        client = simsync.Client()
    else:
        slots = LAST - FIRST + 1
        ledger = Ledger.generate(start_slot=FIRST, slots=slots, bundle_size=slots, transactions_per_slot=20)
        simulator = stack.enter_context(Simulator(ledger, batch_size=4))
        client = simsync.Client(simulator.url, simulator.api_key)
    create = simsync.CreateSession(FIRST, LAST, discoveries=[simsync.ProgramExecuted(PROGRAM)])
    session = stack.enter_context(client.session(create))
    quotes: list[str] = []
    for pause in session.discoveries(timeout=600):
        for captured in pause.discovery.transactions:
            quote = simsync.EncodedBinary(**captured).data
            if session.rpc.simulate_transaction(quote).error is None:
                quotes.append(quote)
        if len(quotes) >= CAPTURED:
            print(f"{len(quotes)} transactions that would succeed, captured up to slot {pause.discovery.slot}")
            break
    alive: Counter[int] = Counter()
    reasons: Counter[str] = Counter()
    for age in range(1, WINDOW + 1):
        if not session.ensure_ready(timeout=120) or session.advance(timeout=120).completed:
            break
        for quote in quotes:
            simulated = session.rpc.simulate_transaction(quote)
            alive[age] += simulated.error is None
            reasons[str(simulated.error)] += simulated.error is not None
    for age in (1, 2, 5, 10, 20, 30, 40, 50):
        if age in alive:
            print(f"after {age:>2} slot(s): {alive[age] / len(quotes):>4.0%} {'#' * (40 * alive[age] // len(quotes))}")
    for reason, count in reasons.most_common(3):
        print(f"failed {count} times with {reason}")
