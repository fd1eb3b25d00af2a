"""Faults of plain HTTP requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from simsync.errors import InvalidParams
from simsync.local import Faults, Simulator

from .bare import TIMEOUT, Control, Data, Rpc, get

Start = Callable[..., Simulator]
BUILD = {"start_slot": 1000, "end_slot": 1009}


def post_build(simulator: Simulator) -> requests.Response:
    headers = {"X-API-Key": simulator.api_key}
    with requests.post(f"{simulator.url}/build-bundle", json=BUILD, headers=headers, timeout=TIMEOUT) as reply:
        return reply


def count_builds(simulator: Simulator) -> int:
    headers = {"X-API-Key": simulator.api_key}
    with requests.get(f"{simulator.url}/build-bundle", headers=headers, timeout=TIMEOUT) as reply:
        return len(reply.json()["builds"])


def call_slot(rpc: Rpc) -> requests.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": []}
    with requests.post(rpc.url, json=body, timeout=TIMEOUT) as reply:
        return reply


def test_requests_are_refused_the_given_number_of_times(simulate: Start) -> None:
    faults = Faults().refuse_http(503, times=2).refuse_http(429)
    simulator = simulate(faults=faults)
    statuses = [get(simulator, path).status_code for path in ("/health", "/nowhere", "/available-ranges", "/health")]
    assert statuses == [503, 503, 429, 200]
    assert faults.fired == ("refuse_http",) * 3
    assert faults.rules_left == 0
    assert faults.http_requests_received == 4
    assert faults.reset().http_requests_received == 0


def test_only_paths_with_the_prefix_are_affected(simulate: Start) -> None:
    faults = Faults().refuse_http(502, path="/build-bundle")
    simulator = simulate(faults=faults)
    assert get(simulator, "/health").status_code == 200
    assert post_build(simulator).status_code == 502
    # It was not carried out.
    assert count_builds(simulator) == 0
    faults.refuse_http(502, path="/build-bundle")
    assert get(simulator, "/build-bundle/x?a=b").status_code == 502


def test_rpc_is_refused_and_upgrades_are_not(simulate: Start) -> None:
    faults = Faults()
    simulator = simulate(faults=faults)
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        faults.refuse_http(503, path="/backtest/")
        with Control(simulator), Data(simulator, rpc.url.rsplit("/", 1)[1]) as data:
            data.subscribe()
        assert get(simulator, "/health").status_code == 200
        assert faults.rules_left == 1
        assert call_slot(rpc).status_code == 503
        assert call_slot(rpc).json()["result"] == 1000


@pytest.mark.parametrize("taken", [False, True])
def test_connections_are_dropped_before_or_after_the_request_is_carried_out(simulate: Start, taken: bool) -> None:
    faults = Faults().drop_http(2, "/build-bundle", taken=taken)
    simulator = simulate(faults=faults)
    assert get(simulator, "/health").status_code == 200
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            post_build(simulator)
    assert faults.fired == ("drop_http",) * 2
    assert count_builds(simulator) == (2 if taken else 0)


def test_a_connection_that_is_kept_alive_is_dropped_too(simulate: Start) -> None:
    faults = Faults()
    simulator = simulate(faults=faults)
    with requests.Session() as session:
        assert session.get(f"{simulator.url}/health", timeout=TIMEOUT).status_code == 200
        faults.drop_http()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{simulator.url}/health", timeout=TIMEOUT)
        assert session.get(f"{simulator.url}/health", timeout=TIMEOUT).status_code == 200


def test_drops_leave_no_error_in_the_log(simulate: Start, caplog: pytest.LogCaptureFixture) -> None:
    simulator = simulate(faults=Faults().drop_http().drop_http(taken=True))
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            get(simulator, "/health")
    simulator.close()
    assert not caplog.records


def test_empty_replies_of_rpc(simulate: Start) -> None:
    faults = Faults().empty_rpc(2)
    simulator = simulate(faults=faults)
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        # Only RPC is affected.
        assert get(simulator, "/health").text == "ok"
        for _ in range(2):
            reply = call_slot(rpc)
            assert (reply.status_code, reply.content) == (200, b"")
        assert call_slot(rpc).json()["result"] == 1000
    assert faults.fired == ("empty_rpc",) * 2


def test_rules_are_checked() -> None:
    with pytest.raises(InvalidParams, match="begin with /"):
        Faults().refuse_http(503, path="health")
    with pytest.raises(InvalidParams, match="begin with /"):
        Faults().drop_http(path="")
    with pytest.raises(InvalidParams):
        Faults().empty_rpc(0)
