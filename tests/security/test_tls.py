"""TLS is verified on every kind of connection, unless the caller's context says otherwise."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme

import simsync
from simsync.doctor.checkup import FAILED, OK, check_up
from simsync.local import Simulator
from tests.runtime.scripted_control import Talk, scripted
from tests.security.conftest import FIRST, SLOTS
from tests.security.listeners import tls_in_front_of
from tests.tls import serving, trusting

CREATE = simsync.CreateSession(FIRST, slot_count=SLOTS)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def client(port: int, simulator: Simulator, context: ssl.SSLContext | None) -> simsync.Client:
    options = simsync.Options(ssl_context=context, backoff_initial=0.01, reconnect_attempts=3)
    return simsync.Client(f"wss://127.0.0.1:{port}", simulator.api_key, options=options)


Ask = Callable[[simsync.Client], object]


def rpc_of(asking: simsync.Client) -> simsync.Rpc:
    return simsync.Rpc(asking.url.replace("wss:", "https:") + "/some-session", asking.options)


ASKING: dict[str, Ask] = {
    "control": lambda asking: asking.parallel(CREATE),
    "ranges": lambda asking: asking.available_ranges(),
    "usage": lambda asking: asking.usage(),
    "time": lambda asking: asking.server_time(),
    "RPC": lambda asking: rpc_of(asking).get_slot(),
}


@pytest.fixture(params=["unknown authority", "another host"])
def wrong_port(request: pytest.FixtureRequest, simulator: Simulator, authority: trustme.CA) -> Iterator[int]:
    """The simulator behind a certificate that a client that trusts ``authority`` must not accept."""
    if request.param == "another host":
        context = serving(authority.issue_cert("elsewhere.example"))
    else:
        context = serving(trustme.CA().issue_cert("127.0.0.1"))
    with tls_in_front_of(simulator.port, context) as port:
        yield port


@pytest.mark.parametrize("what", ASKING)
def test_a_wrong_certificate_is_refused(
    what: str, wrong_port: int, simulator: Simulator, authority: trustme.CA
) -> None:
    for context in (None, trusting(authority)):
        with pytest.raises(simsync.ConnectError, match=r"certificate was not accepted.*ssl_context"):
            ASKING[what](client(wrong_port, simulator, context))
    assert simulator.faults.http_requests_received == 0


def test_the_data_plane_and_rpc_of_an_endpoint_elsewhere_are_verified_too(
    wrong_port: int, authority: trustme.CA
) -> None:
    def elsewhere(talk: Talk) -> None:
        talk.create(endpoint=f"https://127.0.0.1:{wrong_port}/backtest/a")
        talk.goodbye()

    with scripted(elsewhere, context=serving(authority.issue_cert("127.0.0.1"))) as url:
        options = simsync.Options(ssl_context=trusting(authority), backoff_initial=0.01)
        with simsync.Client(url, "key", options=options).parallel(CREATE, timeout=20) as session:
            (sub,) = session.sub_sessions
            with pytest.raises(simsync.ConnectError, match="certificate was not accepted"):
                sub.rpc.get_slot()
            sub.subscribe_transactions()
            with pytest.raises(simsync.SubscriptionFailed, match="certificate was not accepted"):
                list(sub.events(timeout=20))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_run_with_an_authority_and_a_client_certificate_of_ones_own(
    simulator: Simulator, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    """Control, data, RPC, services and the checks of ``simsync doctor``, with a server that requires a certificate."""
    demanding = serving(authority.issue_cert("127.0.0.1"))
    authority.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    mine = trusting(authority)
    authority.issue_cert("somebody@example.org").configure_cert(mine)
    mine.maximum_version = version
    with tls_in_front_of(simulator.port, demanding) as port:
        asking = client(port, simulator, mine)
        with asking.parallel(CREATE, timeout=20) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
                assert sub.rpc.get_slot() == sub.start_slot
            events = [event for _sub, event in session.events(advance=4, timeout=20)]
        assert sum(isinstance(event, simsync.Completed) for event in events) == 2
        assert sum(isinstance(event, simsync.Transaction) for event in events) == 3 * SLOTS
        assert {finding.check: finding.result for finding in check_up(asking)}["clock"] == OK
        assert asking.usage().api_key_name
        stranger = client(port, simulator, trusting(authority))
        with pytest.raises(simsync.ConnectError):
            stranger.available_ranges()
        with pytest.raises(simsync.ConnectError):
            stranger.parallel(CREATE, timeout=20)


def test_the_checks_ask_for_the_time_with_the_context_of_the_client(
    simulator: Simulator, authority: trustme.CA
) -> None:
    """Every check uses the context: with it none fails, without it the certificate fails."""
    with tls_in_front_of(simulator.port, serving(authority.issue_cert("127.0.0.1"))) as port:
        found = {finding.check: finding for finding in check_up(client(port, simulator, trusting(authority)))}
        assert found["TLS"].detail.startswith("TLSv1.")
        assert (found["ranges"].result, found["key"].result, found["clock"].result) == (OK, OK, OK)
        refused = {finding.check: finding.result for finding in check_up(client(port, simulator, None))}
        assert refused["TLS"] == FAILED
