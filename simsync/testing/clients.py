"""Clients with short delays, for simulators on the same machine."""

from __future__ import annotations

from typing import Any

from simsync.client import Client
from simsync.local import Simulator
from simsync.options import Options

_SHORT_DELAYS: dict[str, Any] = {
    "backoff_initial": 0.01,
    "backoff_max": 0.5,
    "continue_grace": 0.2,
    "drain_idle": 20.0,
}
"""Seconds. They change how long a lost connection takes to recover, and not what is delivered."""


def client_of(simulator: Simulator, **options: Any) -> Client:
    """Make a client that reconnects to an embedded simulator within hundredths of a second.

    A client with the default options delivers the same events, but a test with faults takes seconds longer.

    Args:
        simulator: The simulator to talk to.
        **options: Fields of :class:`~simsync.Options`, which take precedence over the short delays.

    Returns:
        The client.

    Raises:
        InvalidParams: An option is not valid.
    """
    return Client(simulator.url, simulator.api_key, options=Options(**{**_SHORT_DELAYS, **options}))
