"""Parts of a range in several processes, with the multiprocessing of the standard library."""

from __future__ import annotations

import multiprocessing

import simsync


def failed(part: simsync.SlotRange) -> int:
    """Runs in a worker; each makes a client and a session of its own."""
    with simsync.Client().session(simsync.CreateSession(part.start_slot, part.end_slot)) as session:
        session.subscribe_transactions()
        return len(session.collect().failures)


if __name__ == "__main__":
    parts = simsync.split_range(simsync.Client().available_ranges(), 1_000, 1_079)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for part, count in zip(parts, pool.imap(failed, parts)):
            print(f"slots {part.start_slot} to {part.end_slot}: {count} failed")
