"""The seed of a chaotic test: drawn for each test, shown when it fails, and set to see the same faults again."""

from __future__ import annotations

import os
import random

import pytest

OPTION, VARIABLE = "--simsync-seed", "SIMSYNC_SEED"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--simsync-seed``. A plugin that is named in a test module comes too late for it: use the variable there."""
    group = parser.getgroup("simsync")
    group.addoption(OPTION, type=int, metavar="SEED", help=f"seed of chaotic simulators (also {VARIABLE}=SEED)")


def chosen_seed(config: pytest.Config) -> int:
    """That of the option or the variable, else another one each time."""
    given = config.getoption(OPTION, default=None)
    if given is None:
        given = os.environ.get(VARIABLE)
    try:
        return random.SystemRandom().randrange(2**32) if given is None else int(given)
    except ValueError:
        raise pytest.UsageError(f"{VARIABLE}={given!r} is no whole number") from None


@pytest.fixture
def simsync_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test's ``chaotic_simulator``. It is shown when the test fails."""
    seed = chosen_seed(request.config)
    # pytest shows this with a test that fails, and only then.
    request.node.add_report_section("setup", "simsync", f"chaos: repeat with {VARIABLE}={seed} or {OPTION}={seed}\n")
    request.node.user_properties.append(("simsync_seed", seed))
    return seed
