"""No thread or descriptor left: a lost attempt of a session that exists, else an error that names the limit."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import simsync
from simsync.local import Faults, Ledger, Simulator
from tests.security.listeners import tls_in_front_of
from tests.tls import serving

OPTIONS = simsync.Options(backoff_initial=0.01, continue_grace=0.05)
SLOTS = 40


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def client(faults: Faults) -> Iterator[simsync.Client]:
    ledger = Ledger.generate(seed=2, start_slot=1_000, slots=SLOTS, transactions_per_slot=1)
    with Simulator(ledger, faults=faults) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)


class Scarce:
    """Threads whose name is in ``names`` cannot be started, and sockets of wakers not be made, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, int] = {}
        self.sockets = 0
        start, socketpair = threading.Thread.start, socket.socketpair

        def start_or_fail(thread: threading.Thread) -> None:
            if self.names.get(thread.name, 0) > 0:
                self.names[thread.name] -= 1
                raise RuntimeError("can't start new thread")
            start(thread)

        def socketpair_or_fail(*arguments: Any) -> tuple[socket.socket, socket.socket]:
            if self.sockets > 0:
                self.sockets -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return socketpair(*arguments)

        monkeypatch.setattr(threading.Thread, "start", start_or_fail)
        monkeypatch.setattr(socket, "socketpair", socketpair_or_fail)

    @property
    def all_have_failed(self) -> bool:
        return not any(self.names.values()) and not self.sockets


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> Scarce:
    return Scarce(monkeypatch)


def slots_of(events: list[simsync.Event]) -> list[int]:
    return [event.slot for event in events if isinstance(event, simsync.Slot)]


@pytest.mark.parametrize("lacks", ["simsync-connect", "simsync-writer", "sockets"])
def test_a_reconnect_without_it_is_tried_again(client: simsync.Client, scarce: Scarce, lacks: str) -> None:
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        session.subscribe_transactions()
        seen: list[simsync.Event] = []
        for event in session.events(advance=5, timeout=20):
            seen.append(event)
            if len(seen) == 20:
                if lacks == "sockets":
                    scarce.sockets = 2
                else:
                    scarce.names = {lacks: 2}
                session.drop_connection()
    assert scarce.all_have_failed
    assert slots_of(seen) == list(range(1_000, 1_000 + SLOTS))
    assert session.coverage.complete


def test_a_data_connection_is_tried_again_too(client: simsync.Client, scarce: Scarce, faults: Faults) -> None:
    named = simsync.Client(client.url.replace("127.0.0.1", "localhost"), "local-dev-key", options=OPTIONS)
    with named.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        session.ensure_ready(20)
        scarce.names = {"simsync-connect": 2}
        session.subscribe_transactions()
        seen = list(session.events(advance=5, timeout=20))
    assert scarce.all_have_failed
    assert sum(isinstance(event, simsync.Transaction) for event in seen) == SLOTS


@pytest.mark.parametrize("lacks", ["simsync-reader", "simsync-connect", "simsync-writer", "sockets"])
def test_a_session_names_the_limit(client: simsync.Client, scarce: Scarce, lacks: str) -> None:
    if lacks == "sockets":
        scarce.sockets = 1
    else:
        scarce.names = {lacks: 1}
    before = threading.active_count()
    limit = "too many open files.*8 descriptors.*ulimit -n" if lacks == "sockets" else "3 threads.*ulimit -u"
    with pytest.raises(simsync.ConnectError, match=limit):
        client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20)
    assert threading.active_count() <= before
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        assert session.advance(timeout=20).slots


@pytest.mark.parametrize("lacks", ["simsync-subscriptions", "sockets"])
def test_a_subscription_names_the_limit_and_the_session_goes_on(
    client: simsync.Client, scarce: Scarce, lacks: str
) -> None:
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        session.ensure_ready(20)
        if lacks == "sockets":
            scarce.sockets = 1
        else:
            scarce.names = {lacks: 1}
        with pytest.raises(simsync.SimsyncError, match=r"(it subscribes|per subscription); raise"):
            session.subscribe_transactions()
        assert session.advance(2, timeout=20).slots
        session.subscribe_transactions()
        seen = list(session.events(advance=10, timeout=20))
    assert slots_of(seen) == list(range(1_000, 1_000 + SLOTS))


def test_without_a_thread_to_resolve_the_name_the_connecting_one_does(client: simsync.Client, scarce: Scarce) -> None:
    named = simsync.Client(client.url.replace("127.0.0.1", "localhost"), "local-dev-key", options=OPTIONS)
    for call in (
        named.available_ranges,
        named.try_connection,
        lambda: named.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20).close(),
    ):
        scarce.names = {"simsync-resolve": 1}
        call()
        assert scarce.all_have_failed


PLACES = {
    "session": "client.session(create, timeout=20)",
    "parallel": "client.parallel(create, timeout=20)",
    "attach": "client.attach(lost, timeout=20)",
    "ranges": "client.available_ranges()",
    "trial": "client.try_connection()",
    "rpc": "simsync.Rpc(f'{http}/{lost}', options).get_slot()",
    "rpc of a session": "session.rpc.get_slot()",
}
TRY_WITH_MORE_AND_MORE = """
import fcntl, itertools, os, resource, sys
import simsync
http = os.environ["SIMULATOR_URL"].replace("ws:", "http:")
options = simsync.Options(backoff_initial=0.01, rpc_timeout=5, continue_grace=0.05)
client = simsync.Client(options=options)
create = simsync.CreateSession(1000, 1039)
place, lost, prepare = sys.argv[1:]
if prepare == "imports":
    import ssl, encodings.idna, requests, tenacity, urllib.request, simsync.runtime.http
elif prepare:
    session = client.session(create, timeout=20)
usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)

def is_free(descriptor):
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError:
        return True

def bound(free):
    unused = (number for number in itertools.count() if is_free(number))
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(unused, free, None)), most))

for free in range(12):
    bound(free)
    try:
        eval(place)
        outcome = "done"
    except BaseException as error:
        outcome = f"{type(error).__mro__[1].__name__}: {error}"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
    print(free, outcome, flush=True)
    if outcome == "done":
        break
os._exit(0)
"""


def tried(url: str, key: str, place: str, lost: str = "", prepare: str = "", **environment: str) -> list[str]:
    """What a new process says with no, one, two... free descriptors, until it gets what it asks for."""
    settings = {**os.environ, "SIMULATOR_URL": url, "SIMULATOR_API_KEY": key, **environment}
    words = [sys.executable, "-c", TRY_WITH_MORE_AND_MORE, place, lost, prepare]
    done = subprocess.run(words, env=settings, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()


needs_limits = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs limits as Linux has them")


@needs_limits
@pytest.mark.parametrize(
    ("place", "host"),
    [
        *((place, "127.0.0.1") for place in PLACES),
        ("session", "localhost"),
        ("rpc", "localhost"),
        *(
            pytest.param(place, "localhost", marks=pytest.mark.thorough)
            for place in PLACES
            if place not in ("session", "rpc")
        ),
    ],
)
def test_every_call_names_the_limit(client: simsync.Client, place: str, host: str) -> None:
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        prepare = "session" if place == "rpc of a session" else ""
        url = client.url.replace("127.0.0.1", host)
        *failures, last = tried(url, "local-dev-key", PLACES[place], session.session_id, prepare)
    assert last.endswith(" done") or place == "attach", last  # the session belongs to this process
    assert failures
    for line in failures:
        assert " ConnectError: " in line, line
        assert "too many open files" in line.lower(), line
        assert "raise `ulimit -n`" in line, line


@needs_limits
@pytest.mark.parametrize("place", ["session", "ranges", pytest.param("trial", marks=pytest.mark.thorough)])
def test_with_a_ca_bundle_too(client: simsync.Client, place: str, tmp_path: Path) -> None:
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with tls_in_front_of(
        int(client.url.split(":")[2].split("/")[0]), serving(authority.issue_cert("127.0.0.1"))
    ) as port:
        url = f"wss://127.0.0.1:{port}"
        failures = tried(url, "local-dev-key", PLACES[place], prepare="imports", REQUESTS_CA_BUNDLE=str(bundle))
        last = failures.pop()
    assert last.endswith(" done"), last
    assert failures
    for line in failures:
        assert " ConnectError: " in line, line
        assert "raise `ulimit -n`" in line, line


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_token_takes_effect_without_a_thread(client: simsync.Client, scarce: Scarce) -> None:
    token = simsync.CancelToken()
    with client.session(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20, cancel=token) as session:
        session.ensure_ready(20)
        scarce.names = {"simsync-cancel": 1}
        token.cancel()
        with pytest.raises(simsync.Cancelled, match="the cancel token was fired"):
            list(session.events(timeout=20))
    assert scarce.all_have_failed


def test_a_session_needs_no_more_than_the_page_says() -> None:
    """The figures of docs/explanation/threads.md, which the errors repeat."""
    program = """
import os, threading
import simsync
files = lambda: len(os.listdir("/proc/self/fd"))
before = files(), threading.active_count()
with simsync.Client().session(simsync.CreateSession(1000, slot_count=40), timeout=20) as session:
    session.ensure_ready(20)
    session.rpc.get_slot()
    print(files() - before[0], threading.active_count() - before[1])
    for _ in range(4):
        session.subscribe_transactions()
    session.advance(2, timeout=20)
    print(files() - before[0], threading.active_count() - before[1])
"""
    with Simulator(Ledger.generate(slots=SLOTS, transactions_per_slot=1)) as simulator:
        environment = {**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    (files, threads), (more_files, more_threads) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert files <= 8
    assert threads <= 3
    assert more_files <= 8 + 4 * 5
    assert more_threads <= 3 + 4 * 2
