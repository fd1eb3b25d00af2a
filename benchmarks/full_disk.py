"""A disk that is full at any write: what do the commands say, and what do they leave?

    sudo python -m benchmarks.full_disk

Mounts a small tmpfs (which needs root, and Linux), and lets each command that writes write there, its temporary files
included, with more and more pages free until it succeeds. A command that fails must say so in one line on standard
error, with the documented exit code, leave older files as they were and nothing else behind. A run that failed must be
complete after ``--resume`` with room. Exits with 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import table
from benchmarks.killed_runs import content
from simsync.cli.app import run
from simsync.local import Ledger, Simulator
from simsync.run.completeness import check_complete

DISK = 512 * 1024 * 1024
FIRST, SLOTS = 1_000, 40
STEPS = (0, 1, 2, 3, 4, 6, 9, 14, 21, 32, 48, 72, 108, 162, 243, 365, 547, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
"""Free pages: the commands write in blocks of a few pages, and end with a large one."""
OLD = b"what was there before\n"
STRATEGY = """
def many(session):
    return {"slots": sum(1 for _ in session.events(advance=50)), "text": "x" * 20_000}
"""


@dataclass(frozen=True)
class Case:
    """A command that writes.

    Attributes:
        name: For the table.
        arguments: Its words; ``{disk}`` is the small disk, ``{data}`` a folder with room.
        old: Files that are there before, with :data:`OLD` in them.
        copied: Files of the other folder that are there before.
        aside: What a run may leave of its recording, and then names, because the old file is complete or holds more.
        run: Whether it is a run, whose file may be replaced by one with more in it.
        code: The exit code when the disk is full.
        standard_input: A file that is piped in.
    """

    name: str
    arguments: str
    old: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    aside: str = ""
    run: bool = False
    code: int = 1
    standard_input: str = ""


RUN = f"run --start-slot {FIRST} --end-slot {FIRST + SLOTS - 1} --parallel --advance 5 --output-file {{disk}}/"
TABLES = ("transactions", "balances", "diffs", "sessions", "others")
SORTED = (
    "select count(*) from (select repeat(i::varchar, 20) as x from range(1500000) t(i) order by x desc)"
    " where length(x) > 0"
)
CASES = (
    Case("run", RUN + "run.ndjson", run=True),
    Case("run, .gz", RUN + "run.ndjson.gz", run=True),
    Case("run, .zst", RUN + "run.ndjson.zst", run=True),
    Case("run --resume", RUN + "part.ndjson --resume", copied=("part.ndjson",), aside="part.new.ndjson", run=True),
    Case(
        "run --force over a complete one", RUN + "base.ndjson --force", copied=("base.ndjson",), aside="base.new.ndjson"
    ),
    Case("report", "report {data}/base.ndjson --output {disk}/page.html", old=("page.html",)),
    Case("report --history", "report --history {data}/nights --output {disk}/page.html", old=("page.html",)),
    Case("compare --html", "compare {data}/base.ndjson {data}/base.ndjson --html {disk}/page.html", old=("page.html",)),
    Case(
        "export, Parquet",
        "export {data}/base.ndjson {disk}/tables",
        old=tuple(f"tables/{name}.parquet" for name in TABLES),
    ),
    Case(
        "export, CSV",
        "export {data}/base.ndjson {disk}/tables --format csv",
        old=tuple(f"tables/{name}.csv" for name in TABLES),
    ),
    Case("export into a folder that is made", "export {data}/base.ndjson {disk}/made"),
    Case("summarize", "summarize {data}/base.ndjson"),
    Case("summarize, .gz that was cut", "summarize {data}/cut.ndjson.gz"),
    Case("summarize, from a pipe", "summarize -", standard_input="base.ndjson"),
    Case("show", "show {data}/base.ndjson --failed"),
    Case("sql that spills", f"sql {{data}}/base.ndjson --json --max-memory 320 '{SORTED}'"),
    Case("compare that spills", "compare {data}/large.ndjson {data}/large.ndjson --max-memory 320"),
    Case("ledger make", "ledger make {disk}/made.ledger --slots 20", old=("made.ledger",)),
    Case("ledger make, .zst", "ledger make {disk}/made.ledger.zst --slots 20", old=("made.ledger.zst",)),
    Case(
        "ledger import",
        "ledger import {data}/blocks --output {disk}/made.ledger",
        old=("made.ledger",),
    ),
    Case("doctor --capture", "doctor --capture {disk}/capture.ndjson", old=("capture.ndjson",)),
    Case("sweep", f"sweep strategy:many --ranges {FIRST}-{FIRST + 7},{FIRST + 8}-{FIRST + 15} --output {{disk}}/sweep"),
)


PROCESSES = multiprocessing.get_context("forkserver")
"""Every command has a new process, which has imported simsync already."""


def command(arguments: list[str], errors: str, folder: str, temporary: str, given: str | None) -> None:
    """Run a command line in this process, as the shell would."""
    os.environ["TMPDIR"] = tempfile.tempdir = temporary
    os.chdir(folder)
    sys.path.insert(0, folder)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with subprocess.Popen(["cat", given or os.devnull], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        os.dup2(cat.stdout.fileno(), 0)
        sys.stdin = os.fdopen(0)  # multiprocessing has put an empty one in its place
        code = run(arguments)
        cat.stdout.close()
        sys.stdin.close()
    sys.exit(code)


@dataclass
class Outcome:
    """What happened to one command."""

    full: int = 0
    succeeded_with: str = "–"
    lines: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    errors: str


class Bench:
    """The folder with room, and the small disk."""

    def __init__(self, simulator: Simulator, data: Path, disk: Path) -> None:
        self._simulator, self._data, self._disk = simulator, data, disk

    def words(self, case: Case) -> list[str]:
        return [one.format(disk=self._disk, data=self._data) for one in words(case.arguments)]

    def simsync(self, arguments: list[str], given: Path | None = None, folder: Path | None = None) -> Done:
        """Run a command in a process of its own; its temporary files are on the small disk."""
        where = ["-q", "--url", self._simulator.url, "--api-key", self._simulator.api_key]
        errors = self._data / "errors.txt"
        paths = str(errors), str(self._data), str(folder or self._disk), None if given is None else str(given)
        process = PROCESSES.Process(target=command, args=([*where, *arguments], *paths))
        process.start()
        process.join()
        assert process.exitcode is not None
        return Done(process.exitcode, errors.read_text(encoding="utf-8"))

    def try_case(self, case: Case) -> Outcome:
        outcome = Outcome()
        for pages in STEPS:
            if self._try_with(case, pages, outcome):
                outcome.succeeded_with = str(pages)
                break
        return outcome

    def _try_with(self, case: Case, pages: int, outcome: Outcome) -> bool:
        """Run the command with so many free pages; True if it succeeded."""
        with mounted(self._disk):
            before = self._prepared(case)
            resize(self._disk, pages)
            given = self._data / case.standard_input if case.standard_input else None
            done = self.simsync(self.words(case), given)
            resize(self._disk, None)
            if done.code == 0:
                return True
            outcome.full += 1
            self._judge(case, pages, done, before, outcome)
            return False

    def _prepared(self, case: Case) -> dict[str, bytes]:
        for name in case.copied:
            shutil.copyfile(self._data / name, self._disk / name)
        for name in case.old:
            (self._disk / name).parent.mkdir(exist_ok=True)
            (self._disk / name).write_bytes(OLD)
        return found(self._disk)

    def _judge(
        self,
        case: Case,
        pages: int,
        done: Done,
        before: dict[str, bytes],
        outcome: Outcome,
    ) -> None:
        lines = done.errors.splitlines()
        faults = []
        if done.code != case.code:
            faults.append(f"exit code {done.code}")
        if len(lines) != 1:
            faults.append(f"{len(lines)} lines: {done.errors[-1500:]}")
        outcome.lines.update(line.replace(str(self._disk), "DISK") for line in lines)
        after = found(self._disk)
        changed = [name for name, old in before.items() if after.get(name) != old]
        left = sorted(after.keys() - before.keys())
        if case.run:
            faults += self._resumed(case, left, done)
        elif case.name == "sweep":
            left = [name for name in left if not name.endswith("results.ndjson")]
        elif case.aside in left:
            left.remove(case.aside)
            faults += unnamed(case, done)
        if changed and not case.run:
            faults.append(f"changed: {changed}")
        if left and not case.run:
            faults.append(f"left: {left}")
        outcome.faults += [f"{case.name}, {pages} pages free: {fault}" for fault in faults]

    def _resumed(self, case: Case, left: list[str], failed: Done) -> list[str]:
        """Continue a failed run with room, as its message says; what is wrong then."""
        faults = []
        arguments = self.words(case)
        path = Path(next(one for one in arguments if one.startswith(f"{self._disk}/")))
        present = {path.name}
        if case.aside in left:
            faults += unnamed(case, failed)
            aside = path.with_name(case.aside)
            arguments = [str(aside) if one == str(path) else one for one in arguments]
            path = aside
            present.add(path.name)
        if any(name not in present for name in left):
            faults.append(f"left: {left}")
        more = [] if "--resume" in arguments else ["--resume"]
        done = self.simsync([*arguments, *more])
        if done.code or check_complete(path).reason is not None:
            faults.append(f"not complete after --resume: {done.errors}")
        elif content(path) != content(self._data / "base.ndjson"):
            faults.append("other transactions after --resume")
        if set(found(self._disk)) != present:
            faults.append(f"left after --resume: {sorted(found(self._disk))}")
        return faults


def unnamed(case: Case, done: Done) -> list[str]:
    """What is wrong with the message of a run that has left its recording aside."""
    return [] if f"{case.aside} --resume" in done.errors else [f"{case.aside} is left, and not named"]


def words(text: str) -> list[str]:
    """The words of a command line, of which one may be in quotes."""
    plain, *quoted = text.split("'")
    return [*plain.split(), *quoted[:1]]


def found(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def resize(disk: Path, pages: int | None) -> None:
    """Leave so many pages free; None for many."""
    now = os.statvfs(disk)
    size = DISK if pages is None else (now.f_blocks - now.f_bfree + pages) * now.f_frsize
    # A size of 0 would be no limit.
    subprocess.run(["mount", "-o", f"remount,size={max(size, now.f_frsize)}", str(disk)], check=True)


@contextlib.contextmanager
def mounted(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def prepare(bench: Bench, data: Path) -> None:
    """Write what the commands read."""
    whole = data / "base.ndjson"
    bench.simsync(words(RUN.format(disk=data) + "base.ndjson"), folder=data)
    bench.simsync(words(RUN.format(disk=data) + "whole.ndjson.gz"), folder=data)
    (data / "cut.ndjson.gz").write_bytes((data / "whole.ndjson.gz").read_bytes()[:-3_000])
    lines = whole.read_text(encoding="utf-8").splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines) if line.startswith('{"type":"session_completed"'))
    (data / "part.ndjson").write_text("".join(lines[: end + 1]), encoding="utf-8")
    (data / "nights").mkdir()
    for night in ("one", "two"):
        shutil.copyfile(whole, data / "nights" / f"{night}.ndjson")
    with (data / "large.ndjson").open("w", encoding="utf-8") as large:
        for number in range(60_000):
            logs = [f"Program log: {number * place:x}" for place in range(24)]
            content = {"slot": number, "signature": f"{number:088x}", "success": True, "error": None, "logs": logs}
            large.write(json.dumps({"type": "tx", "data": content}) + "\n")
    (data / "blocks").mkdir()
    for slot in range(FIRST, FIRST + 1_000):
        block = {"blockhash": "1" * 32, "previousBlockhash": "1" * 32, "parentSlot": slot - 1, "transactions": []}
        reply = {"result": {**block, "blockHeight": slot, "blockTime": slot}}
        (data / "blocks" / f"{slot}.json").write_text(json.dumps(reply), encoding="utf-8")
    (data / "strategy.py").write_text(STRATEGY, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", nargs="+", help="some of: " + "; ".join(one.name for one in CASES))
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("mounting a tmpfs needs root")
    PROCESSES.set_forkserver_preload(
        ["simsync.cli.app", "simsync.local", "simsync.run.report", "simsync.cli.probe", "duckdb"]
    )
    ledger = Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=20, bundle_size=8)
    rows, faults = [], []
    with Simulator(ledger) as simulator, tempfile.TemporaryDirectory() as folder:
        data, disk = Path(folder, "data"), Path(folder, "disk")
        data.mkdir()
        disk.mkdir()
        bench = Bench(simulator, data, disk)
        prepare(bench, data)
        for case in CASES:
            if arguments.only is None or case.name in arguments.only:
                outcome = bench.try_case(case)
                rows.append([case.name, str(outcome.full), outcome.succeeded_with, str(len(outcome.faults))])
                faults += outcome.faults
                print(f"{case.name}: {outcome.full} times full, succeeds with {outcome.succeeded_with} pages")
                for line in sorted(outcome.lines)[:6]:
                    print(f"    {line[:400]}")
    print()
    print(table(["command", "times full", "pages it needs", "wrong"], rows))
    for fault in faults:
        print(f"WRONG: {fault}", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
