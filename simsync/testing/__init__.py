"""A pytest plugin for the tests of a strategy: embedded simulators, one of them with faults chosen by a seed.

    # conftest.py
    pytest_plugins = ["simsync.testing"]

    # test_strategy.py
    def test_faults_change_nothing(simulator, chaotic_simulator):
        assert strategy(client_of(chaotic_simulator)) == strategy(client_of(simulator))

The fixtures are ``simulator`` and ``chaotic_simulator``, and ``simsync_ledger`` and ``simsync_seed``, which tests may
override. The plugin needs pytest and ``pip install 'simsync[local]'``; without them the import raises
:class:`simsync.MissingExtra`, an ImportError.

PYTEST_DONT_REWRITE: pytest would warn if this module was imported before it loads the plugin.
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
