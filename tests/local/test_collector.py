"""The garbage collector of a process that serves."""

from __future__ import annotations

import gc
import signal

from simsync.local import Ledger, Simulator
from simsync.local.command import serve


def test_a_served_ledger_is_kept_from_the_collector_until_the_end() -> None:
    ledger = Ledger.generate(slots=1, transactions_per_slot=1)
    thresholds = gc.get_threshold()
    seen: list[tuple[int, int]] = []

    def stop(_simulator: Simulator) -> None:
        seen.append((gc.get_freeze_count(), gc.get_threshold()[0]))
        signal.raise_signal(signal.SIGTERM)

    serve(ledger, port=0, on_ready=stop)
    ((frozen, threshold),) = seen
    assert frozen > ledger.transaction_count
    assert threshold > thresholds[0]
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, thresholds)
