"""What does a round trip cost, by size, after every slot? Scheduled actions run it there and back on the server.

Each action simulates two transactions on the state of that moment, the second one on what the first has left, and
nothing of it is committed. Here they are payments, so the cost is their fees; put in the two legs of a swap for a real
spread. As it is, it starts the embedded simulator; for another one set SIMULATOR_URL and SIMULATOR_API_KEY and give the
first and the last slot as arguments.
"""

from __future__ import annotations

import contextlib
import os
import sys

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync
from simsync.local import Ledger, Simulator, action_blob

SOL = 1_000_000_000  # lamports
# The protocol version of the simulator. How actions are sent depends on it.
GENERATION = os.environ.get("SIMULATOR_GENERATION", "0.13")
OPTIONS = simsync.Options(dialect=simsync.Dialect.for_generation(GENERATION, action_blob=action_blob))
START, END = (int(slot) for slot in (sys.argv[1:] or (1_000, 1_039)))
ME, MARKET = Keypair.from_seed(bytes([2] * 32)), Keypair.from_seed(bytes([3] * 32))
PURSE = 100 * SOL
SIZES = (SOL // 100, SOL // 10, SOL, 10 * SOL, 200 * SOL)


def leg(payer: Keypair, receiver: Keypair, lamports: int) -> Transaction:
    params = TransferParams(from_pubkey=payer.pubkey(), to_pubkey=receiver.pubkey(), lamports=lamports)
    return Transaction([payer], Message([transfer(params)], payer.pubkey()), Hash.default())


def round_trip(size: int) -> simsync.ScheduledAction:
    both = {str(key.pubkey()): simsync.accounts.system_account(PURSE) for key in (ME, MARKET)}
    return simsync.ScheduledAction(
        anchor=simsync.Anchor("after_every_slot", every=1),
        transactions=[leg(ME, MARKET, size), leg(MARKET, ME, size)],
        account_overrides=both,
        return_accounts=[str(ME.pubkey()), str(MARKET.pubkey())],
        label=str(size),
    )


with contextlib.ExitStack() as stack:
    client = simsync.Client(options=OPTIONS) if os.environ.get("SIMULATOR_URL") else None
    if client is None:
        ledger = Ledger.generate(start_slot=START, slots=END - START + 1, transactions_per_slot=5, bundle_size=10)
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
    create = simsync.CreateSession(START, END, actions=[round_trip(size) for size in SIZES])
    session = stack.enter_context(client.parallel(create))
    for sub in session.sub_sessions:
        sub.subscribe_actions()
    costs: dict[int, list[int]] = {size: [] for size in SIZES}
    failures: dict[int, int] = dict.fromkeys(SIZES, 0)
    for _sub, event in session.events(advance=10, timeout=300):
        if isinstance(event, simsync.ActionResult):
            size = int(event.label or 0)
            if any(outcome.error is not None for outcome in event.outcomes):
                failures[size] += 1
            else:
                left = sum(account.lamports for account in event.accounts if account is not None)
                costs[size].append(2 * PURSE - left)
    print(f"{'size in SOL':>12} {'trips':>6} {'failed':>7} {'basis points':>13}")
    for size in SIZES:
        points = 10_000 * sum(costs[size]) / len(costs[size]) / size if costs[size] else float("nan")
        print(f"{size / SOL:>12g} {len(costs[size]):>6} {failures[size]:>7} {points:>13.4f}")
    print(f"coverage: {'complete' if session.run_summary.complete else session.run_summary.reasons}")
