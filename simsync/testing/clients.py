"""Clients that do not wait for an embedded simulator as they would for one that is far away."""

from __future__ import annotations

from typing import Any

from simsync.client import Client
from simsync.local import Simulator
from simsync.options import Options

_QUICK: dict[str, Any] = {"backoff_initial": 0.01, "backoff_max": 0.5, "continue_grace": 0.2, "drain_idle": 20.0}
"""Seconds. They change how long a lost connection costs, not what comes of it."""


def client_of(simulator: Simulator, **options: Any) -> Client:
    """A client of that simulator which makes lost connections again within hundredths of a second.

    ``options`` are those of :class:`~simsync.Options`. A client with the defaults works as well, but a test with faults
    takes seconds more.
    """
    return Client(simulator.url, simulator.api_key, options=Options(**{**_QUICK, **options}))
