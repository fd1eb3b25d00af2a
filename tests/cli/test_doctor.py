"""``simsync doctor``: what it finds, and what it advises."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate

import pytest
import trustme

import simsync
from simsync.cli.app import run
from simsync.doctor import checkup
from simsync.doctor.checkup import FAILED, OK, WARNING, CheckResult, check_up
from simsync.local import Ledger, Simulator
from tests import tls


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1)) as running:
        yield running


def findings(client: simsync.Client | None) -> dict[str, CheckResult]:
    return {finding.check: finding for finding in check_up(client)}


def test_all_is_well(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", simulator.url, "--api-key", simulator.api_key, "doctor"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for words in (
        "accepted, its name is 'local'",
        "1, from slot 1000",
        "the server accepts sessions",
        "agrees with the server's",
    ):
        assert words in captured.out
    assert "\x1b" not in captured.out


def test_as_json(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", simulator.url, "--api-key", "wrong", "doctor", "--json"]) == 1
    found = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["key"]["result"] == FAILED
    assert found["key"]["advice"] == "check --api-key or SIMULATOR_API_KEY"
    assert found["ranges"]["result"] == OK


def test_without_an_address(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("SIMULATOR_URL", raising=False)
    assert run(["doctor"]) == 1
    assert "pass --url, or set SIMULATOR_URL" in capsys.readouterr().out


def test_nobody_there_and_no_such_host() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        found = findings(simsync.Client(f"ws://127.0.0.1:{nobody.getsockname()[1]}", "key"))
    assert found["connection"].result == FAILED
    assert "cannot be reached" in found["connection"].detail
    assert "health" not in found
    found = findings(simsync.Client("ws://no-such-host.invalid", "key"))
    assert found["name"].result == FAILED
    assert "connection" not in found


def test_a_simulator_that_drains(simulator: Simulator) -> None:
    simulator.draining = True
    found = findings(simsync.Client(simulator.url, simulator.api_key))
    assert (found["health"].result, found["ready"].result) == (OK, WARNING)


def test_something_else_that_listens(simulator: Simulator) -> None:
    simulator.faults.refuse_http(404, times=99)
    found = findings(simsync.Client(simulator.url, simulator.api_key))
    assert found["services"].result == FAILED
    assert "key" not in found


@pytest.mark.parametrize(("ahead", "words"), [(300, "s ahead of"), (-300, "s behind")])
def test_a_clock_that_is_wrong(ahead: float, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def tell_the_time() -> None:
            connection, _address = listener.accept()
            with connection:
                connection.recv(65_536)
                date = formatdate(time.time() - ahead, usegmt=True)
                connection.sendall(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\n\r\nok".encode())

        serving = threading.Thread(target=tell_the_time)
        serving.start()
        found = checkup.check_clock(simsync.Client(f"ws://127.0.0.1:{listener.getsockname()[1]}", "key"))
        serving.join(10)
    assert found.result == WARNING
    assert words in found.detail


def test_an_extra_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "EXTRAS", {"speed": ("orjson", "no-such-package")})
    found = findings(None)
    assert found["extra [speed]"].result == WARNING
    assert found["extra [speed]"].detail == "missing: no-such-package"
    assert found["packages"].result == OK


def test_a_certificate_that_is_not_trusted_and_one_that_is() -> None:
    authority = trustme.CA()
    server = tls.serving(authority.issue_cert("localhost"))
    trusting = tls.trusting(authority)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            for _ in range(2):
                plain, _address = listener.accept()
                with plain:
                    try:
                        with server.wrap_socket(plain, server_side=True) as secure:
                            secure.recv(1)
                    except OSError:
                        continue

        serving = threading.Thread(target=shake_hands)
        serving.start()
        url = f"wss://localhost:{listener.getsockname()[1]}"
        untrusted = findings(simsync.Client(url, "key"))["TLS"]
        options = replace(simsync.Options(), ssl_context=trusting)
        connection = checkup.check_connection(simsync.Client(url, "key", options=options))
        serving.join(10)
    assert untrusted.result == FAILED
    assert "certificate was rejected" in untrusted.detail
    assert connection.result == OK
    assert "certificate valid until" in connection.detail
