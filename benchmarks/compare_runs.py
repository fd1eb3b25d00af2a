"""Memory and time of comparing two recorded runs, by their size.

    python -m benchmarks.compare_runs [--transactions 2000000]

Writes two files of made-up transactions with real shapes into a temporary folder (about 0.8 GB each at the default),
compares them in a process of its own, and prints that process's peak memory. Exit status 1 when the comparison is
wrong.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REGRESSES_EVERY = 1_000


def write_run(path: Path, transactions: int, *, experiment: bool) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type":"metadata","data":{"start_slot":0,"end_slot":1}}\n')
        for number in range(transactions):
            failed = experiment and number % REGRESSES_EVERY == 0
            data = {
                "slot": number // 500,
                "signature": f"{number:088x}",
                "success": not failed,
                "error": "custom program error: 0x7" if failed else None,
                "logs": ["Program 11111111111111111111111111111111 invoke [1]", f"Program log: {number}"],
                "sol_changes": [{"account": f"{number % 5_000:044x}", "pre": 10**9, "post": 10**9 - number}],
                "compute_units": 450,
            }
            file.write(json.dumps({"type": "tx", "data": data}, separators=(",", ":")) + "\n")


def compare(base: str, experiment: str) -> None:
    from simsync.run import Comparison

    began = time.perf_counter()
    with Comparison(base, experiment) as comparison:
        totals = comparison.totals()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"regressions": totals.regressions, "matched": totals.matched, "s": seconds, "peak_mb": peak}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=2_000_000, help="in each of the two runs")
    parser.add_argument("--compare", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compare:
        compare(*arguments.compare)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        base, experiment = Path(folder, "base.ndjson"), Path(folder, "experiment.ndjson")
        write_run(base, arguments.transactions, experiment=False)
        write_run(experiment, arguments.transactions, experiment=True)
        size = base.stat().st_size / 1e6
        command = [sys.executable, "-m", "benchmarks.compare_runs", "--compare", str(base), str(experiment)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"2 × {arguments.transactions:,} transactions, 2 × {size:,.0f} MB", end=": ")
    print(f"{found['s']:.0f} s, peak {found['peak_mb']} MB")
    right = found["matched"] == arguments.transactions
    return 0 if right and found["regressions"] == -(-arguments.transactions // REGRESSES_EVERY) else 1


if __name__ == "__main__":
    sys.exit(main())
