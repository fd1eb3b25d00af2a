"""A parallel backtest in a for loop: real transactions, own ones among them, and a table of what happened.

As it is, it starts the embedded simulator. For another one set SIMULATOR_URL and SIMULATOR_API_KEY and give the first
and the last slot as arguments.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync
from simsync.local import Ledger, Simulator

SOL = 1_000_000_000  # lamports
START, END = (int(slot) for slot in (sys.argv[1:] or (1_000, 1_439)))
ME, FRIEND = Keypair.from_seed(bytes(32)), Pubkey.from_bytes(bytes([1] * 32))
PAYMENT = transfer(TransferParams(from_pubkey=ME.pubkey(), to_pubkey=FRIEND, lamports=SOL))
MINE = Transaction([ME], Message([PAYMENT], ME.pubkey()), Hash.default())
RICH = {str(ME.pubkey()): simsync.AccountData(lamports=10 * SOL)}

with contextlib.ExitStack() as stack:
    client = simsync.Client() if os.environ.get("SIMULATOR_URL") else None
    if client is None:
        ledger = Ledger.generate(
            seed=1, start_slot=START, slots=END - START + 1, transactions_per_slot=50, bundle_size=55, skip_every=50
        )
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key)
    session = stack.enter_context(client.parallel(simsync.CreateSession(START, END)))
    counts: dict[simsync.SubSession, Counter[str]] = {sub: Counter() for sub in session.sub_sessions}
    for sub in session.sub_sessions:
        sub.subscribe_transactions()
    for sub, event in session.events(timeout=300):
        if isinstance(event, simsync.ReadyForContinue):
            sub.send_continue(advance_count=20, transactions=[MINE], modify_accounts=RICH)
        elif isinstance(event, simsync.Transaction):
            moved = sum(max(0, after - before) for before, after in zip(event.pre_balances, event.post_balances))
            own = event.signature == str(MINE.signatures[0])
            counts[sub].update(transactions=1, failed=event.error is not None, own=own, lamports=moved)

    print(f"{'slots':>11} {'executed':>9} {'transactions':>13} {'failed':>7} {'own':>4} {'lamports moved':>18}")
    for sub, count in counts.items():
        print(f"{sub.start_slot:>5}-{sub.end_slot:<5} {sub.coverage.slots_seen:>9} {count['transactions']:>13}", end="")
        print(f" {count['failed']:>7} {count['own']:>4} {count['lamports']:>18,}")
    missing = [coverage.reason for coverage in session.coverage if not coverage.complete]
    print(f"{sum(count['transactions'] for count in counts.values()):,} transactions executed")
    print(f"coverage: {missing or 'complete'}")
    sys.exit(bool(missing))
