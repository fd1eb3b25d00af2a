"""The example workflows, as a user runs them: on the embedded simulator that they start, and on a given one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LONGEST = 80
"""Lines that an example may have."""


def run(name: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code and output; nothing may come out as an error."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SIMULATOR_")}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def given() -> Iterator[dict[str, str]]:
    """Variables that name a simulator with slots 2,000 to 2,059 in one bundle."""
    ledger = Ledger.generate(
        seed=9, start_slot=2_000, slots=60, bundle_size=60, transactions_per_slot=20, tiny_program=True
    )
    with Simulator(ledger, batch_size=4) as simulator:
        yield {"SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < LONGEST


# feature: base example: continue loop, logs
def test_a_full_run_with_a_program_of_ones_own(given: dict[str, str], tmp_path: Path) -> None:
    code, output = run("full_run.py")
    assert code == 0
    assert "failed: {'InstructionError': [0, {'Custom': 7}]}" in output
    assert "custom program error: 0x7" in output
    assert output.endswith("coverage: complete\n")
    binary = tmp_path / "program.so"
    binary.write_bytes(tiny_program(result=5))
    code, output = run("full_run.py", "2000", "2059", str(TINY_PROGRAM), str(binary), **given)
    assert code == 0
    assert "custom program error: 0x5" in output


def test_a_full_run_without_one(given: dict[str, str]) -> None:
    code, output = run("full_run.py", "2000", "2059", str(TINY_PROGRAM), **given)
    assert code == 0
    assert "injected" not in output
    assert "transaction(s) succeeded" in output
    assert "failed:" not in output


# feature: pause before each match and quote
def test_pausing_before_each_match(given: dict[str, str]) -> None:
    code, output = run("pause_and_simulate.py")
    assert code == 0
    pauses = re.search(r"^(\d+) pauses, coverage: complete$", output, re.MULTILINE)
    assert pauses is not None
    assert output.count("succeed") == int(pauses.group(1)) > 10
    code, output = run("pause_and_simulate.py", "2000", "2019", str(TINY_PROGRAM), **given)
    assert code == 0
    assert "pauses, coverage: complete" in output


# feature: quote decay
def test_the_decay_of_quotes(given: dict[str, str]) -> None:
    for arguments, variables in (((), {}), (("2000", "2059"), given)):
        code, output = run("quote_decay.py", *arguments, **variables)
        assert code == 0
        shares = [int(share) for share in re.findall(r"after +\d+ slot\(s\): +(\d+)%", output)]
        assert len(shares) >= 6
        assert 0 < shares[-1] <= shares[0] < 100


def test_a_run_as_a_table_and_as_a_file() -> None:
    pytest.importorskip("pandas")
    code, output = run("collect.py")
    assert code == 0
    assert re.match(r"200 transactions, \d+ failed, \d+ lamports of fees\ncomplete\n", output)
    assert output.endswith("complete\n")
    assert sum(int(count) for count in re.findall(r"'n': (\d+)", output)) == 200


def test_scheduled_actions_on_each_generation(given: dict[str, str]) -> None:
    pytest.importorskip("zstandard")
    generations = ("0.13", "0.28")  # all of them with --thorough, for every example
    outputs = {run("scheduled_actions.py", "2000", "2059", SIMULATOR_GENERATION=one, **given) for one in generations}
    ((code, output),) = outputs
    assert code == 0
    assert output.endswith("coverage: complete\n")


# feature: liquidity and spread by scheduled actions
def test_a_sweep_of_spreads(given: dict[str, str]) -> None:
    for arguments, variables in (((), {}), (("2000", "2039"), given)):
        code, output = run("spread_sweep.py", *arguments, **variables)
        assert code == 0
        rows = re.findall(r"^ +([\d.]+) +(\d+) +(\d+) +([\d.]+|nan)$", output, re.MULTILINE)
        # Two fees of 5,000 lamports a round trip, on 0.01 SOL.
        assert rows[0] == ("0.01", "40", "0", "10.0000")
        assert rows[-1] == ("200", "0", "40", "nan")
        assert output.endswith("coverage: complete\n")


# feature: program upgrade
def test_an_upgrade_that_breaks_something(given: dict[str, str], tmp_path: Path) -> None:
    code, output = run("upgrade_regression.py")
    assert code == 1
    assert re.search(r"^regressions [1-9]\d*, improvements 0, other logs \d+, ", output, re.MULTILINE)
    harmless = tmp_path / "harmless.so"
    harmless.write_bytes(tiny_program())
    code, output = run("upgrade_regression.py", "2000", "2059", str(TINY_PROGRAM), str(harmless), **given)
    assert code == 0
    assert "regressions 0, improvements 0, other logs 0, units +0" in output


def test_one_strategy_over_many_ranges(given: dict[str, str]) -> None:
    code, own = run("sweep.py")
    assert code == 0
    ranges = re.findall(r"^slots (\d+) to (\d+): (\d+) failures$", own, re.MULTILINE)
    assert sorted((int(first), int(last)) for first, last, _ in ranges) == [
        (first, first + 19) for first in range(1_000, 1_100, 20)
    ]
    listed = [int(line.split()[0]) for line in own.splitlines() if not line.startswith("slots ")]
    assert sum(listed) == sum(int(failures) for *_, failures in ranges) > 0
    code, other = run("sweep.py", "--first-slot", "2000", "--last-slot", "2059", "--workers", "1", **given)
    assert code == 0
    assert other.startswith("slots 2000 to 2059: ")


def test_a_strategy_under_faults() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q"]
    environment = {**os.environ, "SIMSYNC_SEED": "2"}
    done = subprocess.run(
        [*command, EXAMPLES / "test_strategy.py"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
