"""Time and memory of the analysis of recorded runs, by their size; are its numbers right?

    python -m benchmarks.sizes --transactions 100000
    python -m benchmarks.sizes                          # 2,000,000: 2 x 2.2 GB in the temporary folder, some 10 minutes

Writes two recordings of made-up transactions with real shapes, 1.1 KB each, runs commands on them, each in a process of
its own, and prints their time and peak memory. The numbers are compared with those that plain Python finds in the same
files. Exits with 1 when a number is wrong; speed is never judged.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import table

RECORD = (
    '{"type":"tx","data":{"slot":%(slot)d,"timestamp":%(time)d,"signature":"%(signature)s","success":%(success)s,'
    '"error":%(error)s,"compute_units":%(units)d,"fee":5000,"logs":["Program %(program)s invoke [1]",'
    '"Program log: Instruction: Swap","Program TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA invoke [2]",'
    '"Program TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA success",'
    '"Program log: in %(number)d, out %(out)d, fee 30, route 1 of 1",'
    '"Program %(program)s consumed %(units)d of 200000 compute units","Program %(program)s %(end)s"],'
    '"sol_changes":[{"account":"%(payer)s","pre":%(before)d,"post":%(after)d}],"token_changes":['
    '{"account":"%(payer)s","owner":"%(payer)s","mint":"%(mint)s","pre":"%(before)d","post":"%(gained)d"}],'
    '"account_diffs":[],"session_id":"%(session)s"}}\n'
)
SESSION = "5c7a3c1e-0d3a-4f7b-9d35-6f3a2b1c0d9e"
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
PROGRAMS = [f"{number:x}".rjust(44, "P") for number in range(40)]
PER_SLOT, ACCOUNTS = 500, 5_000
WINDOW = 1_000
"""Transactions within which the second recording has another order, as that of parallel sessions is."""


def write_run(path: Path, transactions: int, *, experiment: bool) -> None:
    """Write a recording. In the experiment some outcomes, logs, units and transactions are others."""
    slots = -(-transactions // PER_SLOT)
    counts: Counter[str] = Counter()
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        file.write(line("metadata", {"start_slot": 0, "end_slot": slots - 1, "program_ids": [], "program_so": []}))
        for number in _order(transactions, experiment=experiment):
            error = _error(number, experiment=experiment)
            failed = error != "null"
            counts["failed"] += failed
            counts["total_transactions"] += 1
            missing = number % 400_000 == 77
            file.write(
                RECORD
                % {
                    "slot": number // PER_SLOT,
                    "time": 1_761_000_000 + number // PER_SLOT // 3,
                    "signature": f"{number + (10**9 if missing and experiment else 0):x}".rjust(87, "S"),
                    "success": "false" if failed else "true",
                    "error": error,
                    "units": 20_000 + number % 997 + (number % 50 == 0) * experiment * 100,
                    "program": PROGRAMS[number % 7919 % 40],
                    "number": number,
                    "out": number * 31 + (number % 333 == 0) * experiment,
                    "end": "failed: custom program error" if failed else "success",
                    "payer": f"{number % ACCOUNTS:x}".rjust(44, "A"),
                    "before": 10**9 + number,
                    "after": 10**9 - 5_000 + (number % 250 == 0) * experiment,
                    "gained": 10**9 + number + number % 7,
                    "mint": MINT,
                    "session": SESSION,
                }
            )
        file.write(line("summary", {**counts, "succeeded": counts["total_transactions"] - counts["failed"]}))


def line(kind: str, data: dict[str, Any]) -> str:
    return json.dumps({"type": kind, "data": data}, separators=(",", ":")) + "\n"


def _order(transactions: int, *, experiment: bool) -> Iterator[int]:
    for first in range(0, transactions, WINDOW):
        numbers = range(first, min(first + WINDOW, transactions))
        yield from (numbers[::-1] if experiment else numbers)


def _error(number: int, *, experiment: bool) -> str:
    """Of 100,000 transactions 100 regress, 50 improve and 50 fail in another way."""
    kind = number % 2_000
    if kind in (3, 1_003):
        return '"custom program error: 0x7"' if experiment else "null"
    if kind == 5:
        return "null" if experiment else '"custom program error: 0x1"'
    if kind == 7:
        return '"out of compute units"' if experiment else '{"InstructionError":[0,{"Custom":6001}]}'
    return "null"


def plain_numbers(base: Path, experiment: Path) -> dict[str, Any]:
    """What the commands must find, by reading the files line by line."""
    first: dict[str, tuple[Any, int, int]] = {}
    errors: Counter[str] = Counter()
    programs: Counter[str] = Counter()
    gains: list[defaultdict[str, int]] = [defaultdict(int), defaultdict(int)]
    found: Counter[str] = Counter()
    for one in _transactions(base):
        first[one["signature"]] = (one["error"], one["compute_units"], hash(tuple(one["logs"])))
        found["base_failed"] += one["error"] is not None
        found["base_units"] += one["compute_units"]
        if one["error"] is not None:
            errors[_text(one["error"])] += 1
        programs.update({word[1] for word in map(str.split, one["logs"]) if word[2:3] == ["invoke"]})
        _add_gains(gains[0], one)
    found["base"] = len(first)
    for one in _transactions(experiment):
        found["experiment"] += 1
        failed = one["error"] is not None
        found["experiment_failed"] += failed
        _add_gains(gains[1], one)
        if one["signature"] not in first:
            found["only_experiment"] += 1
            continue
        error, units, logs = first.pop(one["signature"])
        found["matched"] += 1
        found["regressions"] += failed and error is None
        found["improvements"] += not failed and error is not None
        found["other_errors"] += failed and error is not None and error != one["error"]
        found["logs"] += logs != hash(tuple(one["logs"]))
        found["units"] += one["compute_units"] - units
    found["only_base"] = len(first)
    differ = {name: gains[1][name] - gains[0][name] for name in {*gains[0], *gains[1]}}
    return {
        "totals": dict(found),
        "errors": dict(errors),
        "programs": dict(programs),
        "balances": sorted(difference for difference in differ.values() if difference),
    }


def _text(error: object) -> str:
    return error if isinstance(error, str) else json.dumps(error, separators=(",", ":"))


def _add_gains(gains: defaultdict[str, int], transaction: dict[str, Any]) -> None:
    for row in (*transaction["sol_changes"], *transaction["token_changes"]):
        gains[f"{row['account']} {row.get('mint')}"] += int(row["post"]) - int(row["pre"])


def _transactions(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            record = json.loads(text)
            if record["type"] == "tx":
                yield record["data"]


class Measured:
    """Commands that were run, with their time and memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: list[list[str]] = []
        self.wrong: list[str] = []

    def run(self, name: str, *arguments: str, code: int = 0) -> Any:
        """Run a command in a process; returns what it prints as JSON."""
        output = self._folder / "output.json"
        command = [sys.executable, "-m", "simsync", *arguments, "--json"]
        began = time.monotonic()
        with output.open("wb") as file:
            # wait4 has the peak of this child and of those that it waited for; the parent is smaller than any of them.
            process = subprocess.Popen(command, stdout=file, cwd=self._folder)
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        processor = usage.ru_utime + usage.ru_stime
        self.rows.append([name, f"{seconds:.1f}", f"{usage.ru_maxrss / 1024:.0f}", f"{processor:.1f}"])
        print(f"{name}: {seconds:.1f} s, load average {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
        self.check(name, "exit code", process.returncode, code)
        return json.loads(output.read_bytes() or b"null")

    def check(self, name: str, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{name}: {what}: found {str(found)[:300]}, expected {str(expected)[:300]}")


def measure(folder: Path, transactions: int) -> Measured:
    expected = json.loads((folder / "expected.json").read_bytes())
    totals = expected["totals"]
    measured = Measured(folder)
    compared = measured.run(
        "compare", "compare", "base.ndjson", "experiment.ndjson", "--fail-on", "regressions>0", code=1
    )
    for name, value in totals.items():
        if name != "base_units":
            measured.check("compare", name, compared["totals"].get(name), value)
    shown = [row["difference"] for row in compared["balances"]]
    largest = sorted(expected["balances"], key=abs, reverse=True)[: len(shown)]
    measured.check("compare", "balances", sorted(map(abs, shown)), sorted(map(abs, largest)))
    page = measured.run(
        "compare --html", "compare", "base.ndjson", "experiment.ndjson", "all", "--html", "comparison.html"
    )
    measured.check("compare --html", "totals", page["totals"], compared["totals"])
    summary = measured.run("summarize", "summarize", "base.ndjson")
    measured.check("summarize", "transactions", summary["transactions"], transactions)
    measured.check("summarize", "failed", summary["failed"], totals["base_failed"])
    measured.check("summarize", "compute_units", summary["compute_units"], totals["base_units"])
    measured.check("summarize", "errors", summary["errors"], expected["errors"])
    programs = {name: one["transactions"] for name, one in summary["programs"].items()}
    measured.check("summarize", "programs", programs, expected["programs"])
    measured.check(
        "report", "transactions", measured.run("report", "report", "base.ndjson")["transactions"], transactions
    )
    exported = measured.run("export, Parquet", "export", "base.ndjson", "tables")
    measured.check("export", "rows", exported["rows"]["transactions"], transactions)
    measured.check("export", "rows of balances", exported["rows"]["balances"], 2 * transactions)
    _check_parquet(measured, folder / "tables", totals)
    return measured


def _check_parquet(measured: Measured, folder: Path, totals: dict[str, int]) -> None:
    import duckdb

    found = duckdb.execute(
        f"SELECT count(*), count(error), sum(compute_units)::BIGINT FROM '{folder}/transactions.parquet'"
    ).fetchone()
    measured.check("export", "sums", found, (totals["base"], totals["base_failed"], totals["base_units"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=2_000_000, help="in each of the two recordings")
    parser.add_argument("--expect", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.expect:
        print(json.dumps(plain_numbers(*arguments.expect)))
        return 0
    needed = arguments.transactions * 1_150 * 3
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        parser.error(f"{tempfile.gettempdir()} has less than {needed / 1e9:.1f} GB free; TMPDIR chooses another folder")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = folder / "base.ndjson", folder / "experiment.ndjson"
        for path in paths:
            write_run(path, arguments.transactions, experiment=path is paths[1])
        size = paths[0].stat().st_size
        # In a process of its own, because it needs much memory.
        command = [sys.executable, "-m", "benchmarks.sizes", "--expect", *map(str, paths)]
        with (folder / "expected.json").open("wb") as file:
            subprocess.run(command, stdout=file, check=True)
        load = os.getloadavg()[0]
        measured = measure(folder, arguments.transactions)
    print(f"2 x {arguments.transactions:,} transactions, 2 x {size / 1e6:,.0f} MB,", end=" ")
    print(
        f"{size / arguments.transactions:,.0f} bytes a record; load average {load:.1f}, then {os.getloadavg()[0]:.1f}\n"
    )
    print(table(["command", "seconds", "peak MB", "processor seconds"], measured.rows))
    for wrong in measured.wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return int(bool(measured.wrong))


if __name__ == "__main__":
    sys.exit(main())
