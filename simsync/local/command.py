"""Serves a ledger until a signal arrives, and describes a ledger; for the command line."""

from __future__ import annotations

import gc
import signal
from collections import Counter
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from solders.transaction import VersionedTransaction

from simsync.interruptible import take
from simsync.local.backtest.engines import spare_the_collector
from simsync.local.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simsync.local.ledger.ledger import Ledger

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TOP_PROGRAMS = 10


def serve(
    ledger: Ledger,
    host: str = "127.0.0.1",
    port: int = 8900,
    api_key: str = "local-dev-key",
    *,
    on_ready: Callable[[Simulator], None] | None = None,
    **switches: Any,
) -> None:
    """Serve a ledger until SIGINT or SIGTERM, then close and return. Must be called in the main thread.

    Args:
        ledger: What the sessions replay.
        host: The address to listen on.
        port: The port; 0 takes any free one.
        api_key: The key that clients must send. If it is empty, none is required.
        on_ready: Called once with the running simulator.
        **switches: The other arguments of :class:`~simsync.local.Simulator`.

    Raises:
        InvalidParams: As :class:`~simsync.local.Simulator` does.
        SimsyncError: As :class:`~simsync.local.Simulator` does.
    """
    # A signal handler runs between two instructions of the main thread. If these were in Event.wait, the set() of the
    # handler would wait for ever for a lock that the main thread holds. SimpleQueue.put may be called from a handler.
    stop: SimpleQueue[int] = SimpleQueue()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.put(number)

    before = {number: signal.signal(number, ask_to_stop) for number in _SIGNALS}
    thresholds = gc.get_threshold()
    spare_the_collector()
    try:
        with Simulator(ledger, host=host, port=port, api_key=api_key, **switches) as simulator:
            if on_ready is not None:
                on_ready(simulator)
            take(stop)
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        for number, handler in before.items():
            signal.signal(number, handler)


def describe(ledger: Ledger) -> str:
    """Return a few lines about a ledger: slots, bundles, transactions, accounts and programs.

    Args:
        ledger: The ledger.

    Returns:
        The lines as one string.
    """
    programs: Counter[str] = Counter()
    failed = versioned = recorded = 0
    for block in ledger.blocks:
        recorded += len(block.recorded)
        for item in block.transactions:
            message = VersionedTransaction.from_bytes(item.wire).message
            keys = message.account_keys
            used = {one.program_id_index for one in message.instructions}
            programs.update(str(keys[index]) for index in used)
            failed += item.error is not None
            versioned += hasattr(message, "address_table_lookups")
    total = ledger.transaction_count
    slots = ledger.end_slot - ledger.start_slot + 1
    lines = [
        f"slots         {ledger.start_slot} to {ledger.end_slot} ({slots}, {len(ledger.blocks)} with a block)",
        f"bundles       {len(ledger.bundles)}, starting at {_starts(ledger)}",
        f"transactions  {total}",
    ]
    if ledger.origin:
        lines.insert(0, f"origin        {ledger.origin}")
    if recorded:
        lines.append(f"recorded      {recorded}, served unchanged, nothing is executed")
    else:
        lines[-1] += f" ({failed} failed, {versioned} of version 0)"
        lines.append(f"accounts      {len(ledger.accounts)} at the start")
    lines.extend(f"program       {name} in {count}" for name, count in programs.most_common(_TOP_PROGRAMS))
    return "\n".join(lines)


def _starts(ledger: Ledger) -> str:
    starts = [str(bundle.start_slot) for bundle in ledger.bundles]
    return ", ".join(starts if len(starts) <= 6 else [*starts[:3], "…", starts[-1]])
