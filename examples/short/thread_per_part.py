"""One function for each part of a range, each in a thread of its own: ParallelSession.map."""

from __future__ import annotations

import simsync

WALLET = "9DjGTJfJRmgsYL8427pw2Vu46e5pHaENViFJUbUXMqEc"


def lowest(sub: simsync.SubSession) -> tuple[int, int]:
    """The lowest balance of the wallet, and the slot after which it had it."""
    return min((sub.rpc.get_balance(WALLET), slot) for slot in sub.steps())


with simsync.Client().parallel(simsync.CreateSession(1_000, 1_079)) as session:
    for result in session.map(lowest):
        sub = result.sub_session
        if result.error is not None:
            print(f"slots {sub.start_slot} to {sub.end_slot}: {result.error}")
        else:
            lamports, slot = result.get()
            print(f"slots {sub.start_slot} to {sub.end_slot}: {lamports:,} lamports after slot {slot}")
