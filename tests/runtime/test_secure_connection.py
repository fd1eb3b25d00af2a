"""Control connections over TLS, with a throw-away authority."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

import simsync

from ..tls import serving, trusting
from .scripted_control import SESSION, Talk, scripted


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def client_options(authority: trustme.CA, **changes: float) -> simsync.Options:
    return simsync.Options(ssl_context=trusting(authority), backoff_initial=0.001, **changes)  # type: ignore[arg-type]


def test_a_run_over_tls_with_a_lost_connection(authority: trustme.CA) -> None:
    slots = 3_000

    def losing(talk: Talk) -> None:
        talk.create(end=slots)
        talk.expect("continueSessionV1")
        for slot in range(2, 1_000):
            talk.event(slot + 1, "slotNotification", slot)
        talk.drop()

    def working(talk: Talk) -> None:
        cursor = talk.attach()["last_sequences"][SESSION]
        for slot in range(cursor, slots + 1):
            talk.event(slot + 1, "slotNotification", slot)
        talk.event(slots + 2, "completed", {"summary": None})
        talk.goodbye()

    context = serving(authority.issue_cert("127.0.0.1"))
    with scripted(losing, working, context=context) as url:
        client = simsync.Client(url, "key", options=client_options(authority))
        with client.parallel(simsync.CreateSession(1, slots), timeout=20) as session:
            (sub,) = session.sub_sessions
            events = list(sub.events(advance=slots, timeout=20))
            assert session.reconnects == 1
    assert [event.slot for event in events if isinstance(event, simsync.Slot)] == list(range(1, slots + 1))


def unwelcome(_talk: Talk) -> None:
    pytest.fail("the client has connected")


@contextlib.contextmanager
def never_connected(context: ssl.SSLContext) -> Iterator[str]:
    """A server that sees the client turn away during the TLS handshake."""
    with pytest.raises((ssl.SSLError, ConnectionError)), scripted(unwelcome, context=context) as url:
        yield url


def test_a_certificate_of_an_unknown_authority_is_refused_at_once(authority: trustme.CA) -> None:
    with never_connected(serving(authority.issue_cert("127.0.0.1"))) as url:
        with pytest.raises(simsync.ConnectError, match="ssl_context"):
            simsync.Client(url, "key").parallel(simsync.CreateSession(1, 9))


def test_a_certificate_of_another_host_is_refused_at_once(authority: trustme.CA) -> None:
    with never_connected(serving(authority.issue_cert("elsewhere.example"))) as url:
        with pytest.raises(simsync.ConnectError, match="certificate was not accepted"):
            simsync.Client(url, "key", options=client_options(authority)).parallel(simsync.CreateSession(1, 9))


def test_a_tls_handshake_that_never_answers_can_be_cancelled(authority: trustme.CA) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"wss://127.0.0.1:{deaf.getsockname()[1]}"
        token = simsync.CancelToken()
        timer = threading.Timer(0.1, token.cancel)
        timer.start()
        with pytest.raises(simsync.Cancelled):
            simsync.Client(url, "key", options=client_options(authority)).parallel(
                simsync.CreateSession(1, 9), cancel=token
            )
        timer.join()
