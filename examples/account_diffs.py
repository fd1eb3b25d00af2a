"""Follow a token account through a run: every change of its balance, with the transaction that caused it, as a table.

As it is, it starts the embedded simulator and follows the busiest token account of its ledger. For another one set
SIMULATOR_URL and SIMULATOR_API_KEY and give the first slot, the last slot and the address as arguments.
"""

from __future__ import annotations

import contextlib
import os
import sys

import simsync
from simsync.local import Ledger, Simulator

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
START, END = (int(slot) for slot in (sys.argv[1:3] or (1_000, 1_199)))


def amount(state: simsync.AccountState | None) -> int:
    """The balance of an SPL token account: eight bytes from offset 64, little-endian, in the token's smallest unit."""
    return 0 if state is None or len(state.data) < 72 else int.from_bytes(state.data[64:72], "little")


with contextlib.ExitStack() as stack:
    client = simsync.Client() if os.environ.get("SIMULATOR_URL") else None
    if client is None:
        ledger = Ledger.generate(seed=1, start_slot=START, slots=END - START + 1, transactions_per_slot=20)
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key)
    session = stack.enter_context(client.parallel(simsync.CreateSession(START, END)))
    followed = sys.argv[3:]
    for sub in session.sub_sessions:
        if followed:
            sub.subscribe_account_diffs(accounts=followed)
        else:
            sub.subscribe_account_diffs([TOKEN_PROGRAM])
    changes: dict[str, list[simsync.AccountDiff]] = {}
    for _sub, event in session.events(advance=25, timeout=300):
        if isinstance(event, simsync.AccountDiff) and amount(event.before) != amount(event.after):
            changes.setdefault(event.account or "", []).append(event)
    if not changes:
        sys.exit("no token account changed")

    address, diffs = max(changes.items(), key=lambda item: len(item[1]))
    print(f"{address}: {len(diffs)} changes in the slots {START} to {END}")
    print(f"{'slot':>10} {'before':>16} {'after':>16} {'change':>16}  transaction")
    for diff in sorted(diffs, key=lambda diff: diff.slot):
        before, after = amount(diff.before), amount(diff.after)
        cause = (diff.signature or "override")[:20]
        print(f"{diff.slot:>10} {before:>16,} {after:>16,} {after - before:>+16,}  {cause}")
    complete = all(coverage.complete for coverage in session.coverage)
    print(f"coverage: {'complete' if complete else 'INCOMPLETE'}")
