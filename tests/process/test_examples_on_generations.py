"""Each example against an embedded simulator of each generation: what it prints does not depend on the generation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from simsync.local import TINY_PROGRAM, Ledger, Simulator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GENERATIONS = ("0.13", "0.14", "0.23", "0.28")
FIRST, LAST = "2000", "2039"
PROGRAM = str(TINY_PROGRAM)
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
COMMANDS: dict[str, Sequence[str]] = {
    "account_diffs.py": (FIRST, LAST),
    "collect.py": (FIRST, LAST),
    "cron_job.py": ("--first", FIRST, "--last", LAST),
    "for_loop.py": (FIRST, LAST),
    "full_run.py": (FIRST, LAST, PROGRAM),
    "inject_and_read.py": (FIRST, "2009"),
    "pause_and_simulate.py": (FIRST, "2019", TOKEN_PROGRAM),
    "quote_decay.py": (FIRST, LAST, TOKEN_PROGRAM),
    "scheduled_actions.py": (FIRST, LAST),
    "spread_sweep.py": (FIRST, LAST),
    "sweep.py": ("--first-slot", FIRST, "--last-slot", LAST, "--workers", "1"),
    "upgrade_regression.py": (FIRST, LAST, PROGRAM),
}
FINDS_SOMETHING = {"upgrade_regression.py": 1}
"""Exit codes other than 0: this example breaks a program, finds that, and says so with its code."""
CHANGES_EACH_TIME = re.compile(r"backtest_[\w-]+|^\d{4}-\d\d-\d\d [\d:,]+", re.MULTILINE)
"""Session ids, and times of log lines."""
NEEDS = {"collect.py": "pandas", "scheduled_actions.py": "zstandard", "spread_sweep.py": "zstandard"}


@pytest.fixture(scope="module")
def simulators() -> Iterator[dict[str, Simulator]]:
    ledger = Ledger.generate(
        seed=9, start_slot=2_000, slots=40, bundle_size=40, transactions_per_slot=20, tiny_program=True
    )
    with ExitStack() as stack:
        yield {one: stack.enter_context(Simulator(ledger, batch_size=4, generation=one)) for one in GENERATIONS}


def output_of(name: str, simulator: Simulator, generation: str) -> str:
    environment = {
        **os.environ,
        "SIMULATOR_URL": simulator.url,
        "SIMULATOR_API_KEY": simulator.api_key,
        "SIMULATOR_GENERATION": generation,
    }
    command = [sys.executable, str(EXAMPLES / name), *COMMANDS[name]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == FINDS_SOMETHING.get(name, 0), done.stdout + done.stderr
    return CHANGES_EACH_TIME.sub("", done.stdout + done.stderr)


def test_each_example_is_tried() -> None:
    assert set(COMMANDS) == {path.name for path in EXAMPLES.glob("*.py")} - {"test_strategy.py"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_example_on_each_generation(name: str, simulators: dict[str, Simulator], thorough: bool) -> None:
    if not thorough:
        pytest.skip("the generations are tried with --thorough")
    pytest.importorskip(NEEDS.get(name, "simsync"))
    outputs = {generation: output_of(name, simulators[generation], generation) for generation in GENERATIONS}
    assert set(outputs.values()) == {outputs["0.28"]}
    assert outputs["0.28"].strip()
