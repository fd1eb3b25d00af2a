"""The seed of a chaotic test: random for each test, shown if the test fails, and set to repeat its faults."""

from __future__ import annotations

import os
import random

import pytest

OPTION, VARIABLE = "--simsync-seed", "SIMSYNC_SEED"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--simsync-seed``. If a test module names the plugin, it is loaded too late for options: use the variable.

    Args:
        parser: The parser of pytest.
    """
    group = parser.getgroup("simsync")
    group.addoption(OPTION, type=int, metavar="SEED", help=f"seed of chaotic simulators (also {VARIABLE}=SEED)")


def chosen_seed(config: pytest.Config) -> int:
    """The seed from the option or the variable, else a random one. Raises UsageError if it is not an integer."""
    given = config.getoption(OPTION, default=None)
    if given is None:
        given = os.environ.get(VARIABLE)
    try:
        # SystemRandom, because tests and plugins seed the common generator: then every test would get the same faults.
        return random.SystemRandom().randrange(2**32) if given is None else int(given)
    except ValueError:
        raise pytest.UsageError(f"{VARIABLE}={given!r} is not an integer") from None


@pytest.fixture
def simsync_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the ``chaotic_simulator`` of this test. pytest shows it if the test fails.

    Returns:
        The seed.
    """
    seed = chosen_seed(request.config)
    # A section of the report is printed only for a test that fails.
    request.node.add_report_section("setup", "simsync", f"chaos: repeat with {VARIABLE}={seed} or {OPTION}={seed}\n")
    request.node.user_properties.append(("simsync_seed", seed))
    return seed
