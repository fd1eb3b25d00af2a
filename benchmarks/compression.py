"""What compression saves on the data plane, and that it changes nothing.

    python -m benchmarks.compression

Runs the same range of the embedded simulator with compression on and off, compares every event, and prints the bytes
that came over the sockets of the subscriptions. Exits with 1 when the events differ.
"""

from __future__ import annotations

import sys

import simsync
from simsync.local import Ledger, Simulator

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


def run(simulator: Simulator, compression: bool) -> tuple[list[object], int]:
    """The content of every data event in order, and the bytes received."""
    options = simsync.Options(compression=compression)
    with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(
        simsync.CreateSession(1_000, slot_count=100)
    ) as session:
        (sub,) = session.sub_sessions
        sub.subscribe_transactions()
        readers = list(sub._readers)
        contents: list[object] = [
            event.raw for event in sub.events(advance=100, timeout=60) if isinstance(event, simsync.Transaction)
        ]
    return contents, sum(reader.bytes_received for reader in readers)


def main() -> int:
    with Simulator(Ledger.generate(slots=100, transactions_per_slot=50, bundle_size=100)) as simulator:
        plain, plain_bytes = run(simulator, compression=False)
        packed, packed_bytes = run(simulator, compression=True)
    saving = 1 - packed_bytes / plain_bytes
    print(f"{len(plain)} transactions: {plain_bytes:,} bytes plain, {packed_bytes:,} compressed, {saving:.0%} saved")
    print("the events are equal" if plain == packed else "THE EVENTS DIFFER")
    return int(plain != packed)


if __name__ == "__main__":
    sys.exit(main())
