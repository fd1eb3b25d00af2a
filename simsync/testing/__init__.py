"""For the tests of a strategy: a pytest plugin that brings embedded simulators, one of them with faults by a seed.

    # conftest.py
    pytest_plugins = ["simsync.testing"]

    # test_strategy.py
    def test_faults_change_nothing(simulator, chaotic_simulator):
        assert strategy(client_of(chaotic_simulator)) == strategy(client_of(simulator))

Fixtures: ``simulator``, ``chaotic_simulator``, and ``simsync_ledger`` and ``simsync_seed``, which may be overridden. It
needs pytest and ``pip install 'simsync[local]'``; without them the import raises MissingExtra, an ImportError.

PYTEST_DONT_REWRITE: it may be imported before pytest loads it.
"""

from __future__ import annotations

from simsync.errors import MissingExtra

try:
    import pytest as _pytest  # noqa: F401
except ImportError as error:
    raise MissingExtra("simsync.testing", "test") from error

from simsync.testing.clients import client_of
from simsync.testing.fixtures import chaotic_simulator, simsync_ledger, simulator
from simsync.testing.seed import pytest_addoption, simsync_seed

__all__ = ["chaotic_simulator", "client_of", "pytest_addoption", "simsync_ledger", "simsync_seed", "simulator"]
