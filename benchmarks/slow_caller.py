"""A caller that takes one event a second while tens of thousands wait: how much memory, and does the connection hold?

    python -m benchmarks.slow_caller --transactions 50000 --seconds 30

The embedded simulator runs in a process of its own. After the slow phase the caller takes everything as fast as it can,
and every transaction must arrive. Printed: peak memory before, in the slow phase and in all, and what the bound allows.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import simsync

MEBIBYTE = 1024 * 1024


def peak() -> float:
    """Peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(url: str, transactions: int, seconds: int, options: simsync.Options) -> int:
    slots = transactions // 100
    client = simsync.Client(url, "local-dev-key", options=options)
    before = peak()
    with client.parallel(simsync.CreateSession(1_000, slot_count=slots), timeout=60) as session:
        (sub,) = session.sub_sessions
        sub.subscribe_transactions()
        sub.send_continue(advance_count=slots, timeout=60)
        events = iter(sub.events(timeout=120))
        taken = received = 0
        while taken < seconds:
            received += isinstance(next(events), simsync.Transaction)
            taken += 1
            time.sleep(1)
        slow = peak()
        held = sum(reader._buffer.waiting[1] for reader in sub._readers) / MEBIBYTE
        began = time.monotonic()
        for event in events:
            received += isinstance(event, simsync.Transaction)
        took = time.monotonic() - began
        reconnects = session.reconnects + sum(reader.reconnects for reader in sub._readers)
    print(f"one event a second for {seconds} s")
    print(f"peak memory: {before:.0f} MiB before, {slow:.0f} MiB after that, {peak():.0f} MiB in all")
    print(f"waiting for the caller then: {held:.1f} MiB (bound {options.buffer_bytes / MEBIBYTE:.0f} MiB and one read)")
    print(f"{received} of {transactions} transactions arrived, the rest in {took:.1f} s; {reconnects} lost connections")
    print(f"coverage: {sub.coverage.reason}")
    return int(received != transactions or reconnects > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=50_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--buffer-mib", type=int, default=8)
    arguments = parser.parse_args()
    options = simsync.Options(
        buffer_bytes=arguments.buffer_mib * MEBIBYTE, ping_interval=1.0, dead_after=3.0, compression=False
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        slots = arguments.transactions // 100
        shape = ["--slots", str(slots), "--transactions-per-slot", "100", "--bundle-size", str(slots)]
        subprocess.run([sys.executable, "-m", "simsync", "ledger", "make", str(path), *shape], check=True)
        command = [sys.executable, "-m", "simsync", "local", "--ledger", str(path), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = None
            while url is None:
                url = re.search(r"serving on (\S+);", server.stdout.readline())
            try:
                return run(url.group(1), arguments.transactions, arguments.seconds, options)
            finally:
                server.terminate()


if __name__ == "__main__":
    sys.exit(main())
