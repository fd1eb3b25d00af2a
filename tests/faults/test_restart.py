"""A server that goes away and comes back: without its sessions, or with them after a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from simsync.local import Ledger, Simulator

from .proxy import CONTROL, DATA, DOWN, UP, Plan, Proxy, Relay, in_front_of
from .small_run import OPTIONS, Bench
from .tally import Tally


class Server:
    """A simulator that can be replaced by another one, which knows nothing of the sessions of the first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.simulators = [Simulator(ledger)]

    def restart(self, proxy: Proxy) -> None:
        self.simulators.append(Simulator(self._ledger))
        proxy.server_port = self.simulators[-1].port
        proxy.drop_all()

    def close(self) -> None:
        for simulator in self.simulators:
            simulator.close()


@pytest.fixture
def server(ledger: Ledger) -> Iterator[Server]:
    server = Server(ledger)
    yield server
    server.close()


@pytest.fixture
def restart_bench(server: Server, tally: Tally) -> Iterator[Bench]:
    with in_front_of(server.simulators[0].port) as proxy:
        yield Bench(proxy, tally)


@pytest.mark.parametrize("plane, direction", [(CONTROL, DOWN), (CONTROL, UP), (DATA, DOWN)])
def test_a_restart_without_the_sessions(
    restart_bench: Bench, server: Server, plane: str, direction: str, thorough: bool
) -> None:
    """Before the create is through it is created again; afterwards the run fails with the words of the server."""

    def restart(relay: Relay, _direction: str, _unit: bytes) -> None:
        server.restart(restart_bench.proxy)
        relay.cut()

    for unit in list(restart_bench.places(plane, direction))[:: 1 if thorough else 7]:
        restart_bench.case("server restart", Plan(restart, plane, direction, unit), replace(OPTIONS, drain_idle=1.0))


@pytest.mark.parametrize("plane, direction", [(CONTROL, DOWN), (DATA, DOWN)])
def test_an_outage(restart_bench: Bench, plane: str, direction: str, thorough: bool) -> None:
    """For a few attempts nobody answers; then the same server does."""
    proxy = restart_bench.proxy
    again = threading.Event()

    def refuse(relay: Relay, _direction: str, _unit: bytes) -> None:
        proxy.refuse(attempts=4)
        again.set()
        relay.reset()

    for unit in list(restart_bench.places(plane, direction))[:: 1 if thorough else 7]:
        restart_bench.case("outage", Plan(refuse, plane, direction, unit), must_equal=True)
    assert again.is_set()


@pytest.mark.parametrize("plane, direction", [(CONTROL, DOWN), (CONTROL, UP), (DATA, DOWN)])
def test_a_server_that_does_not_come_back(restart_bench: Bench, plane: str, direction: str, thorough: bool) -> None:
    options = replace(OPTIONS, reconnect_attempts=2)
    proxy = restart_bench.proxy

    def refuse(relay: Relay, _direction: str, _unit: bytes) -> None:
        proxy.refuse(attempts=1_000)
        relay.reset()

    for unit in list(restart_bench.places(plane, direction))[:: 1 if thorough else 7]:
        restart_bench.case("server that does not come back", Plan(refuse, plane, direction, unit), options)
        proxy.refuse(attempts=0)
