"""The pytest plugin, in a separate pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import simsync
from simsync.local import Simulator
from simsync.testing import client_of
from simsync.testing.seed import chosen_seed

pytest_plugins = ["pytester"]

STRATEGY = """
    import simsync
    from simsync.testing import client_of

    def slots(simulator):
        with client_of(simulator).parallel(simsync.CreateSession(1_000, slot_count=20), timeout=30) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
            events = [event for _sub, event in session.events(advance=5, timeout=30)]
        return sorted(event.slot for event in events if isinstance(event, simsync.Transaction))

    def test_faults_change_nothing(simulator, chaotic_simulator):
        assert slots(chaotic_simulator) == slots(simulator) != []
        assert chaotic_simulator.faults.fired
        assert not simulator.faults.fired

    def test_that_fails(chaotic_simulator):
        assert chaotic_simulator.faults.seed == -1

    def test_that_fails_too(simulator):
        assert simulator.closed

    def test_another_seed(simsync_seed, chaotic_simulator):
        assert chaotic_simulator.faults.seed == simsync_seed
"""
QUIET = ["-p", "no:cacheprovider", "-p", "no:timeout", "-p", "no:hypothesispytest", "-W", "error"]


def test_as_a_user_installs_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('import simsync.testing\npytest_plugins = ["simsync.testing"]\n')
    pytester.makepyfile(STRATEGY)
    result = pytester.runpytest_subprocess(*QUIET)
    result.assert_outcomes(passed=2, failed=2)
    text = result.stdout.str()
    (seed,) = re.findall(r"chaos: repeat with SIMSYNC_SEED=(\d+) or --simsync-seed=\1", text)  # of what fails only
    again = pytester.runpytest_subprocess(*QUIET, f"--simsync-seed={seed}", "-k", "that_fails")
    assert f"SIMSYNC_SEED={seed}" in again.stdout.str()


def test_named_in_a_test_module_the_variable_sets_the_seed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from simsync.local import Ledger

        pytest_plugins = ["simsync.testing"]

        @pytest.fixture(scope="session")
        def simsync_ledger():
            return Ledger.generate(slots=4, transactions_per_slot=1)

        def test_it(simulator, chaotic_simulator):
            assert simulator.ledger.end_slot == chaotic_simulator.ledger.end_slot == 1_003
            assert chaotic_simulator.faults.seed == 77
        """
    )
    monkeypatch.setenv("SIMSYNC_SEED", "77")
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=1)


def test_an_invalid_seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMSYNC_SEED", "many")
    with pytest.raises(pytest.UsageError, match="SIMSYNC_SEED='many' is not an integer"):
        chosen_seed(request.config)
    monkeypatch.setenv("SIMSYNC_SEED", "-5")
    assert chosen_seed(request.config) == -5
    monkeypatch.delenv("SIMSYNC_SEED")
    assert chosen_seed(request.config) != chosen_seed(request.config)


def test_without_pytest_or_an_extra_it_says_what_to_install(tmp_path: Path) -> None:
    for missing, extra in (("pytest", "test"), ("solders", "local"), ("aiohttp", "local")):
        program = f"import sys; sys.modules[{missing!r}] = None; import simsync; import simsync.testing"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
        )
        assert done.returncode == 1
        assert (
            f"MissingExtra: simsync.{'testing' if missing == 'pytest' else 'local'} needs optional packages: pip"
            in (done.stderr)
        )
        assert f"'simsync[{extra}]'" in done.stderr


def test_nothing_else_loads_pytest(tmp_path: Path) -> None:
    program = "import sys, simsync, simsync.local, simsync.run, simsync.cli.app; sys.exit('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0


def test_a_client_of_a_simulator_takes_options() -> None:
    from simsync.local import Ledger

    with Simulator(Ledger.generate(slots=4, transactions_per_slot=1)) as simulator:
        client = client_of(simulator, rpc_timeout=3.0, backoff_max=2.0)
        assert (client.options.rpc_timeout, client.options.backoff_max) == (3.0, 2.0)
        assert client.options.backoff_initial < simsync.Options().backoff_initial
        assert client.available_ranges()
