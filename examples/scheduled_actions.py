"""A quote sweep: after every slot the server simulates payments of several sizes and reports what each would do.

Nothing of it is committed: each action sees scratch state only. As it is, it starts the embedded simulator. For
another one set SIMULATOR_URL and SIMULATOR_API_KEY and give the first and the last slot as arguments.
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
from simsync.local import Ledger, Simulator, action_blob

SOL = 1_000_000_000  # lamports
# The protocol version of the simulator. How actions are sent depends on it.
GENERATION = os.environ.get("SIMULATOR_GENERATION", "0.13")
OPTIONS = simsync.Options(dialect=simsync.Dialect.for_generation(GENERATION, action_blob=action_blob))
START, END = (int(slot) for slot in (sys.argv[1:] or (1_000, 1_039)))
ME, MARKET = Keypair.from_seed(bytes(32)), Pubkey.from_bytes(bytes([1] * 32))
PURSE = {str(ME.pubkey()): simsync.AccountData(lamports=5 * SOL)}


def quote(size: int) -> simsync.ScheduledAction:
    """What would a payment of ``size`` lamports do, at the end of every slot?"""
    payment = transfer(TransferParams(from_pubkey=ME.pubkey(), to_pubkey=MARKET, lamports=size))
    return simsync.ScheduledAction(
        anchor=simsync.Anchor("after_every_slot", every=1),
        transactions=[Transaction([ME], Message([payment], ME.pubkey()), Hash.default())],
        account_overrides=PURSE,
        return_accounts=[str(MARKET)],
        label=f"{size / SOL:g} SOL",
    )


with contextlib.ExitStack() as stack:
    client = simsync.Client(options=OPTIONS) if os.environ.get("SIMULATOR_URL") else None
    if client is None:
        slots = END - START + 1
        ledger = Ledger.generate(seed=1, start_slot=START, slots=slots, transactions_per_slot=5, bundle_size=10)
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
    create = simsync.CreateSession(START, END, actions=[quote(size) for size in (SOL // 10, SOL, 4 * SOL, 6 * SOL)])
    session = stack.enter_context(client.parallel(create))
    for sub in session.sub_sessions:
        sub.subscribe_actions()
    results: dict[str, Counter[str]] = {}
    for _sub, event in session.events(advance=10, timeout=300):
        if isinstance(event, simsync.ActionResult):
            (outcome,) = event.outcomes
            (market,) = event.accounts
            count = results.setdefault(event.label or "", Counter())
            count.update(quotes=1, failed=outcome.error is not None, received=market.lamports if market else 0)

    print(f"{'size':>8} {'quotes':>7} {'failed':>7} {'the market would have':>22}")
    for label, count in results.items():
        average = count["received"] / count["quotes"] / SOL
        print(f"{label:>8} {count['quotes']:>7} {count['failed']:>7} {average:>18.3f} SOL")
    complete = all(coverage.complete for coverage in session.coverage)
    print(f"coverage: {'complete' if complete else 'INCOMPLETE'}")
