"""URLs: what the caller may give, and which address each service has."""

from __future__ import annotations

from typing import Any

import pytest

from simsync.errors import InvalidParams, ProtocolError
from simsync.wire import urls


# feature: address forms
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("simulator.termina.technology", "wss://simulator.termina.technology/backtest"),
        ("localhost:8900", "wss://localhost:8900/backtest"),
        ("localhost:8900/backtest", "wss://localhost:8900/backtest"),
        ("ws://localhost:8900", "ws://localhost:8900/backtest"),
        ("ws://localhost:8900/", "ws://localhost:8900/backtest"),
        ("ws://localhost:8900///", "ws://localhost:8900/backtest"),
        ("ws://localhost:8900/backtest", "ws://localhost:8900/backtest"),
        ("ws://localhost:8900/backtest/", "ws://localhost:8900/backtest"),
        ("ws://localhost:8900/backtest///", "ws://localhost:8900/backtest"),
        ("wss://sim.example", "wss://sim.example/backtest"),
        ("wss://sim.example/backtest", "wss://sim.example/backtest"),
        ("http://localhost:8900", "ws://localhost:8900/backtest"),
        ("https://sim.example/", "wss://sim.example/backtest"),
        ("https://sim.example:8443/backtest/", "wss://sim.example:8443/backtest"),
        ("HTTPS://Sim.Example", "wss://sim.example/backtest"),
        ("wss://sim.example/eu", "wss://sim.example/eu/backtest"),
        ("wss://sim.example/eu/backtest", "wss://sim.example/eu/backtest"),
        ("wss://sim.example/mybacktest", "wss://sim.example/mybacktest/backtest"),
        ("ws://127.0.0.1:1", "ws://127.0.0.1:1/backtest"),
        ("ws://127.0.0.1:65535", "ws://127.0.0.1:65535/backtest"),
        ("ws://[::1]:8900", "ws://[::1]:8900/backtest"),
        ("[::1]:8900", "wss://[::1]:8900/backtest"),
        ("http://[2001:db8::7]/", "ws://[2001:db8::7]/backtest"),
        ("  wss://sim.example  ", "wss://sim.example/backtest"),
    ],
)
def test_control_url(given: str, expected: str) -> None:
    assert urls.control_url(given) == expected


@pytest.mark.parametrize("given", ["", "   ", None, 7, b"ws://localhost", ["ws://localhost"]])
def test_an_address_is_needed(given: Any) -> None:
    with pytest.raises(InvalidParams, match="url=") as caught:
        urls.control_url(given)
    assert caught.value.argument == "url"


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("ftp://sim.example", "must begin with ws://"),
        ("file:///etc/passwd", "must begin with ws://"),
        ("grpc://sim.example", "must begin with ws://"),
        ("://sim.example", "must begin with ws://"),
        ("ws://", "has no host"),
        ("ws:///backtest", "has no host"),
        ("https://:8900", "has no host"),
        ("ws://sim.example:99999", "not a valid address"),
        ("ws://sim.example:port", "not a valid address"),
        ("ws://[::1", "not a valid address"),
        ("::1", "not a valid address"),
        ("ws://sim example", "white space"),
        ("ws://sim.example/a b", "white space"),
        ("ws://sim.example\r\nX-Evil: 1", "white space"),
        ("ws://sim.example/\x00", "white space"),
    ],
)
def test_addresses_that_are_refused_with_the_address_in_the_message(given: str, rule: str) -> None:
    with pytest.raises(InvalidParams, match=rule) as caught:
        urls.control_url(given)
    assert caught.value.value == given
    assert repr(given) in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "wss://user:hunter2@sim.example",
        "wss://hunter2@sim.example",
        "wss://:hunter2@sim.example",
        "user:hunter2@sim.example",
        "ftp://user:hunter2@sim.example",
        "wss://user:hunter2@sim.example:99999",
        "wss://user:hunter2@[::1",
        "wss://user:hunter2@",
        "wss://user:hunter2/@sim.example",
        "wss://user:hunter2@sim.example /",
        "wss://user:hunter2@sim\u2100.example",
        "wss://sim.example?api_key=hunter2",
        "ftp://sim.example/?api_key=hunter2",
        "wss://sim.example#hunter2",
        "sim.example/#api_key=hunter2",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        urls.control_url(given)
    error = caught.value
    assert error.argument == "url"
    assert "hunter2" not in f"{error} {error!r} {error.value!r} {error.__dict__}"
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize(
    ("control", "base"),
    [
        ("ws://localhost:8900/backtest", "http://localhost:8900"),
        ("wss://sim.example/backtest", "https://sim.example"),
        ("wss://sim.example/eu/backtest", "https://sim.example"),
        ("ws://[::1]:8900/backtest", "http://[::1]:8900"),
        ("https://sim.example/x", "https://sim.example"),
    ],
)
def test_http_base(control: str, base: str) -> None:
    assert urls.http_base(control) == base


@pytest.mark.parametrize(
    ("endpoint", "control", "expected"),
    [
        ("/backtest/backtest_a1", "ws://localhost:8900/backtest", "http://localhost:8900/backtest/backtest_a1"),
        ("/backtest/backtest_a1", "wss://sim.example/backtest", "https://sim.example/backtest/backtest_a1"),
        ("/backtest/backtest_a1", "wss://sim.example/eu/backtest", "https://sim.example/backtest/backtest_a1"),
        ("backtest/backtest_a1", "wss://sim.example/backtest", "https://sim.example/backtest/backtest_a1"),
        ("/backtest/a", "ws://[::1]:8900/backtest", "http://[::1]:8900/backtest/a"),
        ("https://data.example/backtest/a", "wss://sim.example/backtest", "https://data.example/backtest/a"),
        ("http://data.example:81/backtest/a", "wss://sim.example/backtest", "http://data.example:81/backtest/a"),
        ("wss://data.example/backtest/a", "wss://sim.example/backtest", "https://data.example/backtest/a"),
        ("WS://data.example/backtest/a", "wss://sim.example/backtest", "http://data.example/backtest/a"),
        ("//other.example/a", "wss://sim.example/backtest", "https://sim.example//other.example/a"),
    ],
)
def test_rpc_url(endpoint: str, control: str, expected: str) -> None:
    assert urls.rpc_url(endpoint, control) == expected


@pytest.mark.parametrize(
    "endpoint", ["ftp://data.example/a", "file:///etc/passwd", "/x?u=http://y", "no address", "http://", "http://h:x"]
)
def test_an_endpoint_that_makes_no_sense_is_the_fault_of_the_server(endpoint: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        urls.rpc_url(endpoint, "wss://sim.example/backtest")
    assert caught.value.raw == endpoint
    assert repr(endpoint) in str(caught.value)


@pytest.mark.parametrize(
    ("rpc", "expected"),
    [
        ("http://localhost:8900/backtest/a", "ws://localhost:8900/backtest/a"),
        ("https://sim.example/backtest/a", "wss://sim.example/backtest/a"),
        ("https://[::1]:1/backtest/a", "wss://[::1]:1/backtest/a"),
    ],
)
def test_pubsub_url(rpc: str, expected: str) -> None:
    assert urls.pubsub_url(rpc) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://localhost:8900/backtest", True),
        ("ws://127.0.0.1:8900", True),
        ("http://127.9.9.9/x", True),
        ("wss://[::1]:8900/backtest", True),
        ("ws://sim.localhost", True),
        ("wss://sim.example/backtest", False),
        ("ws://localhost.example", False),
        ("ws://10.0.0.1", False),
        ("ws://[2001:db8::7]", False),
    ],
)
def test_is_loopback(url: str, expected: bool) -> None:
    assert urls.is_loopback(url) is expected
