"""The same over TLS, with a throw-away authority: bad certificates, and a connection that breaks below the TLS."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from dataclasses import replace

import pytest
import trustme

import simsync
from simsync.local import Ledger, Simulator
from tests import tls

from .faults import BREAKS, Cut, Delay, Spoil, Stall, Trickle
from .proxy import CONTROL, DATA, DOWN, RAW, UP, Fault, Plan, Proxy, in_front_of
from .small_run import ALERT, OPTIONS, Bench, left_threads, run
from .tally import HONEST, Tally

PLANES = [(CONTROL, DOWN), (CONTROL, UP), (DATA, DOWN), (DATA, UP)]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    return tls.trusting(authority)


@pytest.fixture(scope="module")
def simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger) as running:
        yield running


@pytest.fixture(scope="module")
def secure(simulator: Simulator, authority: trustme.CA) -> Iterator[Proxy]:
    with in_front_of(simulator.port, tls.serving(authority.issue_cert("127.0.0.1"))) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def tls_bench(secure: Proxy, trusting: ssl.SSLContext, tally: Tally) -> Bench:
    """The faults are inside the TLS: at its messages."""
    return Bench(secure, tally, ssl_context=trusting)


@pytest.fixture(scope="module")
def below_bench(secure: Proxy, trusting: ssl.SSLContext, tally: Tally) -> Iterator[Bench]:
    """The faults are below the TLS: at its bytes, of the connections in the order in which they are made."""
    with in_front_of(secure.port, raw=True) as proxy:
        yield Bench(proxy, tally, ssl_context=trusting, scheme="wss")


@pytest.mark.parametrize("plane, direction", PLANES)
@pytest.mark.parametrize("kind", BREAKS)
def test_a_connection_that_breaks(tls_bench: Bench, kind: str, plane: str, direction: str, thorough: bool) -> None:
    places = list(tls_bench.places(plane, direction))
    for unit in places if thorough else places[len(kind) % 13 :: 13]:
        tls_bench.case("TLS: broken connection", Plan(BREAKS[kind], plane, direction, unit), must_equal=True)


BELOW: dict[str, Fault] = {"cut": Cut(), "reset": Cut(reset=True), "spoiled byte": Spoil(), "delay": Delay(0.005)}


@pytest.mark.parametrize("direction", [DOWN, UP])
@pytest.mark.parametrize("kind", BELOW)
def test_a_connection_that_breaks_below(below_bench: Bench, kind: str, direction: str, thorough: bool) -> None:
    """At bytes of the handshake and of what comes behind it. A spoiled byte in a handshake is a failed handshake."""
    size = sum(below_bench.sizes[RAW, direction])
    for byte in range(3 if thorough else 100 + len(kind), size, 89 if thorough else 2503):
        plan = Plan(BELOW[kind], RAW, direction, byte)
        below_bench.case(f"below TLS: {kind}", plan, ALERT, must_equal=kind != "spoiled byte")


@pytest.mark.parametrize("direction", [DOWN, UP])
def test_a_connection_that_falls_silent_below(below_bench: Bench, direction: str, thorough: bool) -> None:
    size = sum(below_bench.sizes[RAW, direction])
    for byte in range(1, size, 307 if thorough else 4001):
        below_bench.case("below TLS: stall", Plan(Stall(), RAW, direction, byte), ALERT, must_equal=True)


def test_byte_by_byte_below(below_bench: Bench) -> None:
    plan = Plan(Trickle(), RAW, DOWN, None, times=4_000)
    below_bench.case("below TLS: byte by byte", plan, must_equal=True)


# Certificates.


def refused(proxy: Proxy, options: simsync.Options, tally: Tally, words: str, key: str = "key") -> None:
    before = proxy.accepted
    with pytest.raises(simsync.ConnectError, match=words):
        run(proxy.url, options, key=key)
    assert proxy.accepted == before + 1, "trying again is pointless"
    assert not left_threads()
    tally.add("TLS: certificate refused", CONTROL, HONEST)


def test_an_expired_certificate(
    simulator: Simulator, authority: trustme.CA, trusting: ssl.SSLContext, tally: Tally
) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    with in_front_of(simulator.port, tls.serving(authority.issue_cert("127.0.0.1", not_after=past))) as proxy:
        refused(proxy, replace(OPTIONS, ssl_context=trusting), tally, "expired")
        assert proxy.plan.sizes == {}, "something was sent to a server that was not trusted"


def test_a_certificate_of_another_host(
    simulator: Simulator, authority: trustme.CA, trusting: ssl.SSLContext, tally: Tally
) -> None:
    with in_front_of(simulator.port, tls.serving(authority.issue_cert("elsewhere.example"))) as proxy:
        refused(proxy, replace(OPTIONS, ssl_context=trusting), tally, "certificate was not accepted")
        assert proxy.plan.sizes == {}


def test_a_certificate_of_an_unknown_authority(secure: Proxy, tally: Tally) -> None:
    plan = secure.use(Plan())
    refused(secure, OPTIONS, tally, "ssl_context")
    assert plan.sizes == {}


def test_a_server_that_speaks_no_tls(simulator: Simulator, tally: Tally) -> None:
    with pytest.raises(simsync.ConnectError, match="does not speak TLS"):
        run(f"wss://127.0.0.1:{simulator.port}", replace(OPTIONS, reconnect_attempts=1))
    assert not left_threads()
    tally.add("TLS: certificate refused", CONTROL, HONEST)


def test_a_server_that_speaks_only_tls(secure: Proxy, tally: Tally) -> None:
    secure.use(Plan())
    insecure = secure.url.replace("wss:", "ws:")
    with pytest.raises(simsync.ConnectError):
        run(insecure, replace(OPTIONS, reconnect_attempts=1))
    assert not left_threads()
    tally.add("TLS: certificate refused", CONTROL, HONEST)


def test_a_certificate_that_goes_bad_while_the_run_goes_on(
    simulator: Simulator, authority: trustme.CA, trusting: ssl.SSLContext, tally: Tally
) -> None:
    """The re-attach meets a server that is not trusted: the run ends at once, with the reason."""
    good = tls.serving(authority.issue_cert("127.0.0.1"))
    with in_front_of(simulator.port, good) as proxy:

        def break_and_change(relay, _direction, _unit):  # type: ignore[no-untyped-def]
            proxy.context = tls.serving(authority.issue_cert("elsewhere.example"))
            relay.cut()

        proxy.use(Plan(break_and_change, CONTROL, DOWN, 8))
        with pytest.raises(simsync.SimsyncError, match="certificate was not accepted"):
            run(proxy.url, replace(OPTIONS, ssl_context=trusting))
    assert not left_threads()
    tally.add("TLS: certificate refused", CONTROL, HONEST)
