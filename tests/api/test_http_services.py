"""The plain HTTP services, against a server with scripted replies, and against the embedded simulator."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Union

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.params.api_key import ApiKey
from simsync.ranges import filter_ranges, split_range
from simsync.reports import AvailableRange, BundleBuild, BundleListing, UsageReport
from simsync.runtime import http_retry

KEY = "s3cr3t-k3y-of-the-user"
DROP = "drop"
Answer = Union[bytes, int, object, Callable[[], bytes]]
BUILD = b'{"request_id":"req-1","start_slot":5,"end_slot":9,"status":"%s"}'
RUNNING, DONE = BUILD % b"in_progress", BUILD % b"completed"


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delays between attempts."""
    monkeypatch.setattr(http_retry, "READ_BACKOFF", 0.001)
    monkeypatch.setattr(http_retry, "WRITE_DELAY", 0.001)


class Host:
    """A control host with a list of replies: a body, a function that makes one, an HTTP status, or DROP."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def services(self, key: str = KEY, **options: Any) -> simsync.Client:
        options = {"backoff_initial": 0.001, "backoff_max": 0.01, "rpc_timeout": 20.0, **options}
        return simsync.Client(self.url, key, options=simsync.Options(**options))


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            host.requests.append(f"{self.command} {self.path}")
            host.headers.append(dict(self.headers))
            host.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            answer = host.answers.pop(0)
            if answer is DROP:
                return
            if callable(answer):
                answer = answer()
            # A server may well repeat what it was given.
            status, body = (answer, b"no: " + KEY.encode()) if isinstance(answer, int) else (200, answer)
            assert isinstance(body, bytes)
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.url = f"ws://127.0.0.1:{server.server_address[1]}/backtest"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield host
        server.shutdown()
        thread.join()


def test_ranges_can_be_split(host: Host) -> None:
    host.answers = [b'[{"bundleStartSlot":0,"maxBundleEndSlot":9},{"bundleStartSlot":10,"maxBundleEndSlot":19}]']
    services = host.services()
    ranges = services.available_ranges()
    assert ranges == [AvailableRange(0, 9), AvailableRange(10, 19)]
    assert split_range(ranges, 0, 15) == [(0, 9), (10, 15)]
    assert host.requests == ["GET /available-ranges"]
    assert host.headers[0]["X-API-Key"] == KEY
    assert host.headers[0]["User-Agent"].startswith("simsync/")


def test_without_a_key_none_is_sent(host: Host) -> None:
    host.answers = [b"[]"]
    services = host.services("")
    assert services.available_ranges() == []
    assert "X-API-Key" not in host.headers[0]


def test_entries_that_are_left_out_are_logged(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.answers = [b'[{"bundleStartSlot":0},{}]', b'{"builds":[{},{"request_id":"a","status":"failed"}]}']
    services = host.services()
    assert len(services.available_ranges()) == 1
    assert services.bundle_builds() == BundleListing((BundleBuild("a", "failed"),), None)
    noted = [record.getMessage() for record in caplog.records if record.name == "simsync.services"]
    assert [note.split(" that")[0] for note in noted] == [
        "/available-ranges: skipped 1 entries",
        "/build-bundle: skipped 1 entries",
    ]


@pytest.mark.parametrize(
    ("since", "until", "query"),
    [
        (None, None, ""),
        ("2026-07-01", None, "?since=2026-07-01T00%3A00%3A00Z"),
        (date(2026, 7, 1), None, "?since=2026-07-01T00%3A00%3A00Z"),
        (None, datetime(2026, 7, 1, 12), "?until=2026-07-01T12%3A00%3A00Z"),
        (
            datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=2))),
            "2026-07-01T00:00:00+01:00",
            "?since=2026-06-30T22%3A00%3A00Z&until=2026-06-30T23%3A00%3A00Z",
        ),
    ],
)
def test_usage(host: Host, since: Any, until: Any, query: str) -> None:
    host.answers = [b'{"api_key_name":"desk-1","sessions":{"started":9}}']
    services = host.services()
    assert services.usage(since, until) == UsageReport("desk-1", sessions_started=9)
    assert host.requests == [f"GET /usage{query}"]


def test_building_listing_and_deleting(host: Host) -> None:
    host.answers = [RUNNING, DONE, b'{"builds":[%s],"bundles":[]}' % DONE, b'{"deleted":1}']
    services = host.services()
    build = services.build_bundle(5, 9, bundle_size=2, kind="blocks", idempotency_key="june")
    assert (build.request_id, build.finished) == ("req-1", False)
    assert services.bundle_build(build.request_id).succeeded
    assert services.bundle_builds() == BundleListing((BundleBuild("req-1", "completed", 5, 9),), ())
    assert services.delete_bundle(5, 9) == {"deleted": 1}
    assert host.requests == [
        "POST /build-bundle",
        "GET /build-bundle/req-1",
        "GET /build-bundle",
        "DELETE /bundles?start_slot=5&end_slot=9&kind=blocks",
    ]
    assert json.loads(host.bodies[0]) == {
        "start_slot": 5,
        "end_slot": 9,
        "bundle_size": 2,
        "kind": "blocks",
        "idempotency_key": "june",
    }
    assert all(headers["X-API-Key"] == KEY for headers in host.headers)


@pytest.mark.parametrize("failure", [b"", DROP, 429, 502, 503, 504], ids=str)
def test_what_is_retried(host: Host, failure: Answer) -> None:
    services = host.services()
    host.answers = [failure] * 3 + [b"[]"]
    assert services.available_ranges() == []
    host.answers = [failure] * 4 + [RUNNING]
    assert services.build_bundle(5, 9, idempotency_key="june").request_id == "req-1"
    assert len(set(host.bodies[4:])) == 1
    host.requests.clear()
    host.answers = [failure] * 9
    with pytest.raises(simsync.SimsyncError):
        services.usage()
    assert len(host.requests) == 4


@pytest.mark.parametrize("failure", [b"", DROP, 429, 503], ids=str)
def test_what_is_never_retried(host: Host, failure: Answer) -> None:
    host.answers = [failure] * 9
    services = host.services()
    with pytest.raises(simsync.SimsyncError):
        services.build_bundle(5, 9)
    if failure != b"":  # an empty answer to a deletion is one
        with pytest.raises(simsync.SimsyncError):
            services.delete_bundle(5, 9)
        assert host.requests.pop().startswith("DELETE")
    assert host.requests == ["POST /build-bundle"]


@pytest.mark.parametrize("status", [400, 404, 500, 302, 307])
def test_an_error_that_will_not_pass_is_raised_at_once(host: Host, status: int) -> None:
    host.answers = [status, b"[]"]
    services = host.services()
    with pytest.raises(simsync.HttpStatusError) as caught:
        services.available_ranges()
    assert (caught.value.status, caught.value.body) == (status, "no: (hidden)")
    assert caught.value.url.endswith("/available-ranges")
    assert len(host.requests) == 1, "a redirect was followed"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_explained_and_not_shown(host: Host, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    host.answers = [status, status, 503, b"[]"]
    services = host.services()
    with pytest.raises(simsync.HttpStatusError, match="check that it is correct") as caught:
        services.usage()
    shown = [str(caught.value), repr(caught.value), caught.value.body, repr(services), repr(vars(caught.value))]
    with pytest.raises(simsync.HttpStatusError, match="SIMULATOR_API_KEY"):
        host.services("").usage()
    services.available_ranges()  # logs the retry
    mine = [record.getMessage() for record in caplog.records if record.name.startswith("simsync")]
    assert mine
    assert not [text for text in [*shown, *mine] if KEY in text]


def test_nobody_there() -> None:
    services = simsync.Client("ws://127.0.0.1:1", KEY)
    with pytest.raises(simsync.ConnectError) as caught:
        services.available_ranges()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("check", [simsync.Client.health, simsync.Client.ready])
def test_health_and_readiness(host: Host, check: Callable[[simsync.Client], bool]) -> None:
    host.answers = [b"ok", 503, 429, DROP, b"ok", 500]
    services = host.services()
    assert check(services) is True
    assert check(services) is False
    assert len(host.requests) == 2, "a 503 is an answer"
    assert check(services) is True
    with pytest.raises(simsync.HttpStatusError):
        check(services)


def test_a_page_of_something_else_is_no_health(host: Host) -> None:
    host.answers = [b"<html>please log in</html>"]
    services = host.services()
    assert services.health() is False


# Waiting for a build.


def join_requests() -> None:
    """Wait for the threads of requests that were given up. They end although the server has not replied."""
    for thread in threading.enumerate():
        if thread.name == "simsync-http":
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize("word", ["completed", "failed", "needs_investigation", "archived"])
def test_waiting_until_a_build_is_over(host: Host, word: str) -> None:
    host.answers = [RUNNING, RUNNING, RUNNING, BUILD % word.encode()]
    seen: list[str] = []
    services = host.services()
    build = services.build_bundle(5, 9)
    over = services.wait_for_bundle(build, poll_interval=0.01, on_progress=lambda now: seen.append(now.status))
    assert (over.status, over.start_slot, over.finished) == (word, 5, True)
    assert seen == ["in_progress", "in_progress", word]
    assert host.requests[1:] == ["GET /build-bundle/req-1"] * 3


def test_waiting_by_request_id_asks_at_least_once(host: Host) -> None:
    host.answers = [DONE, DONE]
    services = host.services()
    assert services.wait_for_bundle("req-1", timeout=20).succeeded
    assert services.wait_for_bundle(BundleBuild("req-1", "completed")).succeeded
    assert len(host.requests) == 2


def test_waiting_goes_on_after_an_outage(host: Host) -> None:
    host.answers = [RUNNING, *[503, DROP, b"", 502] * 4, DONE]
    services = host.services()
    assert services.wait_for_bundle("req-1", poll_interval=0.01).succeeded


def test_an_outage_that_does_not_end_ends_the_wait(host: Host) -> None:
    host.answers = [RUNNING, *[503] * 99]
    services = host.services(reconnect_attempts=5)
    with pytest.raises(simsync.HttpStatusError):
        services.wait_for_bundle("req-1", poll_interval=0.01)
    assert len(host.requests) == 7
    host.answers = [404]
    services = host.services()
    with pytest.raises(simsync.HttpStatusError, match="the id or the address is wrong"):
        services.wait_for_bundle("req-2")


def test_the_timeout_of_a_wait(host: Host) -> None:
    host.answers = [RUNNING] * 99
    services = host.services()
    with pytest.raises(simsync.EventTimeout, match=r"req-1.*last status: in_progress"):
        services.wait_for_bundle("req-1", timeout=1.0, poll_interval=60.0)
    assert len(host.requests) == 1


def test_the_timeout_holds_while_the_server_is_silent(host: Host) -> None:
    release = threading.Event()
    host.answers = [lambda: DONE if release.wait(20) else b""]
    services = host.services()
    began = time.monotonic()
    with pytest.raises(simsync.EventTimeout, match="last status: nothing"):
        services.wait_for_bundle("req-1", timeout=0.1)
    assert time.monotonic() - began < 10
    join_requests()
    release.set()


def test_cancelling_while_waiting_for_the_next_question(host: Host) -> None:
    host.answers = [RUNNING]
    token = simsync.CancelToken()
    services = host.services()
    with pytest.raises(simsync.Cancelled, match=r"req-1.*last status: in_progress"):
        services.wait_for_bundle(
            "req-1",
            poll_interval=600,
            cancel=token,
            on_progress=lambda _now: threading.Timer(0.05, token.cancel).start(),
        )
    with pytest.raises(simsync.Cancelled):
        services.wait_for_bundle("req-1", cancel=token)
    join_requests()
    assert len(host.requests) == 1, "a fired token asks nothing"


def test_cancelling_while_the_server_is_silent(host: Host) -> None:
    token, release = simsync.CancelToken(), threading.Event()

    def cancelled() -> bytes:
        token.cancel()
        release.wait(20)
        return DONE

    host.answers = [cancelled]
    services = host.services()
    began = time.monotonic()
    with pytest.raises(simsync.Cancelled):
        services.wait_for_bundle("req-1", cancel=token)
    assert time.monotonic() - began < 10
    join_requests()
    release.set()


def test_cancelling_while_the_name_of_the_host_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    token, release = simsync.CancelToken(), threading.Event()

    def getaddrinfo(*_arguments: object, **_keywords: object) -> list[Any]:
        token.cancel()
        release.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    client = simsync.Client("ws://slow.example", KEY)
    began = time.monotonic()
    with pytest.raises(simsync.Cancelled):
        client.wait_for_bundle("req-1", cancel=token)
    assert time.monotonic() - began < 10
    release.set()
    join_requests()


def test_a_mistake_of_the_caller_ends_the_wait(host: Host) -> None:
    host.answers = [RUNNING, RUNNING]
    services = host.services()
    with pytest.raises(ZeroDivisionError):
        services.wait_for_bundle("req-1", on_progress=lambda _now: 1 / 0)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda it: it.usage("yesterday"), "since"),
        (lambda it: it.usage(until=5), "until"),
        (lambda it: it.usage("2026-07-02", "2026-07-01"), "until"),
        (lambda it: it.build_bundle(-1, 5), "start_slot"),
        (lambda it: it.build_bundle(5, 4), "end_slot"),
        (lambda it: it.build_bundle(5, "9"), "end_slot"),
        (lambda it: it.build_bundle(5, 9, bundle_size=0), "bundle_size"),
        (lambda it: it.build_bundle(5, 9, kind=""), "kind"),
        (lambda it: it.build_bundle(5, 9, idempotency_key=7), "idempotency_key"),
        (lambda it: it.build_bundle(5, 9, idempotency_key="\ud800"), "idempotency_key"),
        (lambda it: it.bundle_build(""), "request_id"),
        (lambda it: it.bundle_build(".."), "request_id"),
        (lambda it: it.wait_for_bundle(None), "build"),
        (lambda it: it.wait_for_bundle("r", timeout=-1), "timeout"),
        (lambda it: it.wait_for_bundle("r", poll_interval=0), "poll_interval"),
        (lambda it: it.wait_for_bundle("r", cancel=threading.Event()), "cancel"),
        (lambda it: it.delete_bundle(9, 5), "end_slot"),
        (lambda it: it.delete_bundle(5, 9, None), "kind"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(host: Host, call: Any, argument: str) -> None:
    services = host.services()
    with pytest.raises(simsync.InvalidParams, match=f"^{argument}="):
        call(services)
    assert host.requests == []


@pytest.mark.parametrize("key", [None, "a\nb", " a", "ü", 7])
def test_a_bad_key_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"^api_key='\(hidden\)'"):
        ApiKey(key)
    if key is not None:  # a client reads it from the environment then
        with pytest.raises(simsync.InvalidParams, match=r"^api_key='\(hidden\)'"):
            simsync.Client("ws://127.0.0.1:1", key)


# On the embedded simulator, which was written apart from the client.


def on(simulator: Simulator, key: str | None = None) -> simsync.Client:
    return simsync.Client(simulator.ws_url, simulator.api_key if key is None else key)


def test_ranges_of_the_embedded_simulator(simulator: Simulator) -> None:
    services = on(simulator)
    ranges = services.available_ranges()
    assert split_range(ranges, 1000, 1013) == [(1000, 1005), (1006, 1011), (1012, 1013)]
    assert filter_ranges(ranges, after=1006, before=1017, size=6) == ranges[1:]
    assert ranges[1].start_time is not None
    assert filter_ranges(ranges, after=ranges[1].start_time) == ranges[1:]
    services = on(simulator, "")
    assert services.available_ranges() == ranges


# feature: usage of the key
def test_usage_of_the_embedded_simulator(simulator: Simulator, create: simsync.CreateSession) -> None:
    services = on(simulator)
    before = services.usage()
    assert (before.sessions_started, before.executed_slot_count) == (0, 0)
    with simsync.Client(simulator.url, simulator.api_key).parallel(create) as session:
        for _sub, _event in session.events(advance=10, timeout=20):
            pass
    report = services.usage(since=date.today() - timedelta(days=1))
    assert (report.sessions_started, report.sessions_completed, report.sessions_failed) == (3, 3, 0)
    assert report.executed_slot_count == 18
    assert report.bundle_builds_requested == 0
    assert report.since is not None and report.until is not None
    assert (report.since.hour, report.since.minute, report.since.tzinfo) == (0, 0, timezone.utc)
    assert services.usage("2020-01-01", "2020-01-02").sessions_started == 0
    services = on(simulator, "wrong")
    with pytest.raises(simsync.HttpStatusError, match="check that it is") as caught:
        services.usage()
    assert caught.value.status in (401, 403)


# feature: build, query, list and delete bundles
def test_bundles_of_the_embedded_simulator(ledger: Ledger) -> None:
    with Simulator(ledger, build_delay=0.2) as simulator:
        services = on(simulator)
        build = services.build_bundle(1000, 1009, bundle_size=5, idempotency_key="mine")
        assert (build.status, build.start_slot, build.end_slot, build.bundle_size) == ("in_progress", 1000, 1009, 5)
        assert services.build_bundle(1000, 1009, bundle_size=5, idempotency_key="mine").request_id == build.request_id
        over = services.wait_for_bundle(build, timeout=20, poll_interval=0.02)
        assert over.succeeded
        assert over.created_at == build.created_at
        failing = services.wait_for_bundle(services.build_bundle(1, 2), timeout=20, poll_interval=0.02)
        assert failing.status == "failed"
        listing = services.bundle_builds()
        assert [found.request_id for found in listing.builds] == [failing.request_id, build.request_id]
        assert listing.bundles is not None
        assert [(bundle.start_slot, bundle.end_slot, bundle.kind) for bundle in listing.bundles] == [
            (1000, 1004, "blocks"),
            (1005, 1009, "blocks"),
        ]
        services.delete_bundle(1000, 1004)
        with pytest.raises(simsync.HttpStatusError) as caught:
            services.delete_bundle(1000, 1004)
        assert caught.value.status == 404
        left = services.bundle_builds().bundles
        assert left is not None
        assert [bundle.start_slot for bundle in left] == [1005]
        with pytest.raises(simsync.HttpStatusError):
            services.bundle_build("of somebody else/..")


def test_a_lost_answer_does_not_build_twice(ledger: Ledger) -> None:
    faults = Faults().drop_http(2, "/build-bundle", taken=True)
    with Simulator(ledger, faults=faults) as simulator:
        services = on(simulator)
        build = services.build_bundle(1000, 1009, idempotency_key="mine")
        assert [found.request_id for found in services.bundle_builds().builds] == [build.request_id]
        faults.drop_http(1, "/build-bundle", taken=True)
        with pytest.raises(simsync.ConnectError):
            services.build_bundle(1000, 1009)
        assert len(services.bundle_builds().builds) == 2


def test_draining_and_trouble_of_the_embedded_simulator(ledger: Ledger) -> None:
    faults = Faults()
    with Simulator(ledger, faults=faults) as simulator:
        services = on(simulator)
        assert services.health()
        assert services.ready()
        simulator.draining = True
        assert not services.ready()
        assert services.health()
        faults.refuse_http(429, 2, "/available-ranges").drop_http(1, "/available-ranges")
        assert len(services.available_ranges()) == 3


def test_rpc_through_trouble_of_the_embedded_simulator(ledger: Ledger, create: simsync.CreateSession) -> None:
    faults = Faults()
    address = "So11111111111111111111111111111111111111112"
    with Simulator(ledger, faults=faults) as simulator:
        with simsync.Client(simulator.url, simulator.api_key).parallel(create) as session:
            rpc = session.sub_sessions[0].rpc
            faults.empty_rpc(4)
            rpc.modify_accounts({address: simsync.AccountData(5)})
            faults.refuse_http(503, 1, "/backtest/").drop_http(2, "/backtest/")
            assert rpc.get_balance(address) == 5
