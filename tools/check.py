"""Run what CI runs, on what has changed since the last commit of origin/main.

    python -m tools.check [--since COMMIT]

Lint and format of the changed files, types, import contracts, the rules of the house and the generated pages, two at a
time; then the tests of the rooms that have changed, without those that take long. Ends with 1 when something fails. For
the whole, run ``.ci/run``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.markers import ROOT

ROOMS = {
    "simsync/params": ["tests/params"],
    "simsync/wire": ["tests/wire"],
    "simsync/events": ["tests/wire/test_wire_events.py", "tests/api/test_rows.py"],
    "simsync/protocol": ["tests/protocol", "tests/runtime/test_turn.py"],
    "simsync/runtime": ["tests/runtime"],
    "simsync/sessions": ["tests/api/test_for_loop.py", "tests/api/test_stepping.py", "tests/api/test_collect.py"],
    "simsync/local": ["tests/local"],
    "simsync/run": ["tests/run"],
    "simsync/cli": ["tests/cli/test_output.py", "tests/cli/test_cli_page.py"],
    "simsync/doctor": ["tests/doctor"],
    "simsync/testing": ["tests/testing"],
    "tools": ["tests/test_tools.py", "tests/test_pages.py"],
    "docs": ["tests/test_pages.py"],
    "benchmarks": ["tests/benchmarks"],
}
"""The tests that show first whether a room still works. A changed test file is run as well."""

EVERYWHERE = "tests/api/test_for_loop.py"
"""Run whatever has changed."""


def changed_since(commit: str) -> list[str]:
    """The files that differ from a commit, and those that git does not know."""
    tracked = _lines("git", "diff", "--name-only", "--diff-filter=d", commit)
    return sorted({*tracked, *_lines("git", "ls-files", "--others", "--exclude-standard")})


def chosen_tests(files: list[str]) -> list[str]:
    """The tests of the rooms of these files, and the changed tests themselves."""
    chosen = [EVERYWHERE]
    for file in files:
        if file.startswith("tests/") and Path(file).name.startswith("test_"):
            chosen.append(file)
        for room, tests in ROOMS.items():
            if file.startswith(f"{room}/"):
                chosen += tests
    return [test for test in dict.fromkeys(chosen) if (ROOT / test).exists()]


def checks(files: list[str]) -> list[list[str]]:
    """What is run before the tests."""
    python = [sys.executable, "-m"]
    sources = [file for file in files if file.endswith(".py")]
    lint = [["ruff", "check", *sources], ["ruff", "format", "--check", *sources]] if sources else []
    return [
        *lint,
        ["mypy"],
        ["lint-imports", "--no-logo"],
        [*python, "tools.house", "--check"],
        [*python, "tools.pages", "--check"],
    ]


def pytest_command(files: list[str]) -> list[str]:
    """The command that runs the tests."""
    chosen = chosen_tests(files)
    # Starting two processes of pytest-xdist takes longer than a few files of tests.
    whole_rooms = any((ROOT / test).is_dir() for test in chosen)
    return [sys.executable, "-m", "pytest", "-q", "-x", *(["-n", "2"] if whole_rooms else []), *chosen]


def _passed(done: subprocess.CompletedProcess[str]) -> bool:
    """Print whether a command has passed, and what it says if not."""
    name = " ".join(done.args[1:4] if done.args[0] == sys.executable else done.args[:2])
    print(f"{'FAILED' if done.returncode else 'ok':6} {name}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr)
    return not done.returncode


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--since", default="origin/main", metavar="COMMIT", help="default origin/main")
    since = parser.parse_args().since
    try:
        files = changed_since(since)
    except subprocess.CalledProcessError:
        print(f"git does not know the commit {since!r}; name one that is here: --since HEAD~1", file=sys.stderr)
        return 2
    # The tools stand beside this Python, whether its environment is activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path}
    began = time.monotonic()

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)

    with ThreadPoolExecutor(2) as two:
        passed = [_passed(done) for done in two.map(run, checks(files))]
    if not all(passed) or not _passed(run(pytest_command(files))):
        return 1
    print(f"{len(files)} changed files, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
