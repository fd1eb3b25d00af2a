"""The embedded simulator serves this machine only, unless it is told to serve others."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

import simsync
from simsync.cli.app import run as run_command
from simsync.errors import InvalidParams
from simsync.local import Ledger, Simulator, command

ANOTHER = "127.0.0.2"
"""Stands for an address that other machines use; only Linux has it by default."""


def reachable(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return connection.recv(4_096).startswith(b"HTTP/1.1 200")
    except ConnectionRefusedError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second address of this machine")
def test_by_default_it_listens_on_the_loopback_address_alone(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    with Simulator(ledger) as simulator:
        assert simulator.host == "127.0.0.1"
        assert reachable("127.0.0.1", simulator.port)
        assert not reachable(ANOTHER, simulator.port)
    assert "other machines" not in caplog.text
    with Simulator(ledger, host="0.0.0.0", allow_remote=True, api_key="a key of its own") as simulator:
        assert reachable(ANOTHER, simulator.port)
    assert "serves other machines, and the traffic is not encrypted" in caplog.text


@pytest.mark.parametrize("key", ["", "local-dev-key"])
def test_the_warning_says_that_the_key_is_none(key: str, ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    with Simulator(ledger, host="0.0.0.0", allow_remote=True, api_key=key):
        pass
    assert "without a secret API key" in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "simulator.example", "127.0.0.1.example"])
def test_another_host_is_refused_before_anything_is_bound(host: str, ledger: Ledger) -> None:
    with pytest.raises(InvalidParams, match="allow_remote"):
        Simulator(ledger, host=host)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, ledger: Ledger, tmp_path: object) -> Iterator[list[Simulator]]:
    """What ``simsync local`` would serve; it ends at once."""
    served: list[Simulator] = []

    def ready_at_once(
        _ledger: Ledger, host: str, _port: int, api_key: str, *, on_ready: object, **switches: object
    ) -> None:
        with Simulator(ledger, host=host, api_key=api_key, **switches) as simulator:  # type: ignore[arg-type]
            served.append(simulator)
            assert callable(on_ready)
            on_ready(simulator)

    monkeypatch.setattr(command, "serve", ready_at_once)
    monkeypatch.setattr(Ledger, "generate", lambda *_arguments, **_options: ledger)
    yield served


def test_on_the_command_line(served: list[Simulator], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["local"]) == 0
    assert served[0].host == "127.0.0.1"
    assert "WARNING" not in capsys.readouterr().err
    assert run_command(["local", "--host", "0.0.0.0"]) == 0
    assert served[1].host == "0.0.0.0"
    assert "WARNING simsync.local: the simulator on 0.0.0.0:" in capsys.readouterr().err


def test_another_key_and_no_key_are_refused(ledger: Ledger) -> None:
    with Simulator(ledger, api_key="mine") as simulator:
        for key in ("", "yours", "min", "mine2", "MINE"):
            with pytest.raises(simsync.HttpStatusError) as caught:
                simsync.Client(simulator.url, key).parallel(simsync.CreateSession(1_000, slot_count=6))
            assert caught.value.status == 401
