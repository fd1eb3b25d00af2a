from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from simsync.errors import InvalidParams, MissingExtra, SimsyncError
from simsync.local import Behaviour, Ledger, Simulator

from .bare import TIMEOUT, Control, Data, Dropped, Socket, get

Start = Callable[..., Simulator]


def test_it_serves_from_construction_until_close(ledger: Ledger) -> None:
    before = set(threading.enumerate())
    simulator = Simulator(ledger)
    (thread,) = set(threading.enumerate()) - before
    assert thread.name == f"simsync-local-{simulator.port}"
    assert thread.daemon
    assert simulator.url == f"http://127.0.0.1:{simulator.port}"
    assert simulator.ws_url == f"ws://127.0.0.1:{simulator.port}/backtest"
    assert simulator.api_key == "local-dev-key"
    assert "serving" in repr(simulator)
    assert get(simulator, "/health").text == "ok"
    simulator.close()
    simulator.close()
    assert "closed" in repr(simulator)
    assert set(threading.enumerate()) == before
    with pytest.raises(requests.ConnectionError):
        get(simulator, "/health")


def test_close_ends_what_is_open(simulate: Start) -> None:
    simulator = simulate()
    with Control(simulator) as control:
        session = control.create(1000, 1009, disconnectTimeoutSecs=60)
        with Data(simulator, session) as data:
            data.subscribe()
            data.recv()
            simulator.close()
            data.rest()
            with pytest.raises(Dropped):
                control.recv()


def test_the_port_can_be_used_again_and_is_not_shared(simulate: Start, ledger: Ledger) -> None:
    first = simulate()
    with pytest.raises(SimsyncError, match="use another port") as caught:
        Simulator(ledger, port=first.port)
    assert isinstance(caught.value.__cause__, OSError)
    first.close()
    with Simulator(ledger, port=first.port) as second:
        assert get(second, "/ready").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_only_this_machine_is_served(ledger: Ledger, host: str) -> None:
    with pytest.raises(InvalidParams, match="loopback"):
        Simulator(ledger, host=host)


def test_other_machines_may_be_served_on_request(ledger: Ledger) -> None:
    with Simulator(ledger, host="0.0.0.0", allow_remote=True) as simulator:
        assert requests.get(f"http://127.0.0.1:{simulator.port}/health", timeout=5).text == "ok"


def test_ipv6(ledger: Ledger) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with Simulator(ledger, host="::1") as simulator:
        assert simulator.url == f"http://[::1]:{simulator.port}"
        assert get(simulator, "/health").text == "ok"


def test_switches_are_checked(ledger: Ledger) -> None:
    with pytest.raises(InvalidParams, match="unknown switch"):
        Simulator(ledger, statusses=True)
    with pytest.raises(InvalidParams, match="end_of_stream"):
        Behaviour(end_of_stream="d")
    with pytest.raises(InvalidParams, match="batch_size"):
        Behaviour(batch_size=0)
    with pytest.raises(InvalidParams, match="slot_delay"):
        Behaviour(slot_delay=-1)
    with pytest.raises(InvalidParams, match="build_delay"):
        Behaviour(build_delay=-1)


def test_it_cannot_be_closed_from_its_own_thread(simulate: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = simulate()
    problems: list[str] = []
    time_of = simulator.ledger.time_of

    def closing(slot: int) -> int:  # called while a request is answered
        try:
            simulator.close()
        except SimsyncError as error:
            problems.append(str(error))
        return time_of(slot)

    monkeypatch.setattr(simulator.ledger, "time_of", closing)
    assert get(simulator, "/available-ranges").status_code == 200
    assert "own thread" in problems[0]


def test_available_ranges(simulator: Simulator) -> None:
    ranges = get(simulator, "/available-ranges").json()
    assert [one["bundleStartSlot"] for one in ranges] == [1000, 1010, 1020, 1030]
    assert ranges[1] == {
        "bundleStartSlot": 1010,
        "bundleStartSlotUtc": "2025-10-20T22:40:04Z",
        "maxBundleEndSlot": 1019,
        "maxBundleEndSlotUtc": "2025-10-20T22:40:07Z",
        "maxBundleSize": 10,
        "kind": "blocks",
        "scope": "global",
    }


def test_a_draining_simulator_reports_it_and_keeps_working(simulator: Simulator) -> None:
    assert not simulator.draining
    simulator.draining = True
    reply = get(simulator, "/ready")
    assert (reply.status_code, reply.text) == (503, "draining")
    assert get(simulator, "/health").status_code == 200
    with Control(simulator) as control:
        control.create(1000, 1009)
        simulator.draining = False
        assert get(simulator, "/ready").status_code == 200


def test_unknown_paths_are_not_found(simulator: Simulator) -> None:
    assert get(simulator, "/elsewhere").status_code == 404


SERVE = """
import sys
from simsync.local import Ledger
from simsync.local.command import serve
serve(Ledger.load(sys.argv[1]), port=0, on_ready=lambda simulator: print(simulator.url, flush=True), statuses=True)
print("closed")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal(ledger: Ledger, tmp_path: Path, number: int) -> None:
    ledger.save(tmp_path / "ledger")
    command = [sys.executable, "-W", "error", "-c", SERVE, str(tmp_path / "ledger")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(f"{url}/health", timeout=5).text == "ok"
        os.kill(process.pid, number)
        out, problems = process.communicate(timeout=10)
    assert (process.returncode, out, problems) == (0, "closed\n", "")


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
try:
    import simsync.local
except ImportError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("package", ["aiohttp", "solders.litesvm"])
def test_without_its_packages_the_import_names_the_extra(package: str) -> None:
    out = subprocess.run([sys.executable, "-c", WITHOUT, package], capture_output=True, text=True, check=True).stdout
    assert out.startswith(MissingExtra.__name__)
    assert "pip install 'simsync[local]'" in out


def connect_often(port: int, sockets: contextlib.ExitStack, connected: threading.Event) -> None:
    with contextlib.suppress(OSError):
        for _ in range(6):
            sockets.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            connected.set()


def test_connections_that_arrive_while_it_closes_leave_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: left.append(unraisable.exc_value))
    ledger = Ledger.generate(slots=4, transactions_per_slot=0, bundle_size=4)
    for _ in range(8):
        with contextlib.ExitStack() as sockets, Simulator(ledger) as simulator:
            connected = threading.Event()
            thread = threading.Thread(target=connect_often, args=(simulator.port, sockets, connected))
            thread.start()
            assert connected.wait(10)
            simulator.close()
            thread.join()
        gc.collect()
    assert not left


def test_the_next_port_serves_the_same_if_it_is_free(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    with Simulator(ledger) as simulator:
        with Control(simulator) as control:
            session = control.create(1000, 1009)
            socket = Socket(f"ws://127.0.0.1:{simulator.port + 1}/backtest/{session}")
            socket.send({"jsonrpc": "2.0", "id": 1, "method": "slotSubscribe", "params": []})
            assert socket.recv()["id"] == 1
            socket.raw.shutdown()
        port = simulator.port
    with Simulator(ledger, port=port + 1, serve_next_port=False):
        with Simulator(ledger, port=port) as simulator:
            assert get(simulator, "/health").text == "ok"
        assert [record.getMessage() for record in caplog.records if record.name == "simsync.local"] == [
            f"port {port + 1} is taken; web3.js looks for the WebSocket there, so pass it wsEndpoint, "
            "the address of the RPC with ws:"
        ]


def test_a_pair_of_free_ports_is_found_although_most_neighbours_are_taken(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_server = socket.create_server
    refused: list[int] = []

    def crowded(address: tuple[str, int], **options: Any) -> socket.socket:
        if address[1] and len(refused) < 50:
            refused.append(address[1])
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return create_server(address, **options)

    monkeypatch.setattr(socket, "create_server", crowded)
    with Simulator(ledger) as simulator:
        assert simulator.port + 1 not in refused
        with socket.create_connection(("127.0.0.1", simulator.port + 1), timeout=TIMEOUT):
            pass
    assert len(refused) == 50
