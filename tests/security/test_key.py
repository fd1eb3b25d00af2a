"""The API key goes to the control host, in a header, and nowhere else: no log, no error, no repr, no other host."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import simsync
from simsync.cli.app import run as run_command
from simsync.cli.settings import Settings
from simsync.local import Faults, Ledger, Simulator, command
from simsync.params.api_key import ApiKey
from simsync.runtime.http import HttpClient
from tests.runtime.scripted_control import Talk, answering_slots, scripted
from tests.security.conftest import FIRST, KEY, SLOTS
from tests.security.listeners import http, listening

CREATE = simsync.CreateSession(FIRST, slot_count=SLOTS)
QUICK = simsync.Options(
    backoff_initial=0.001, backoff_max=0.01, reconnect_attempts=3, continue_grace=0.1, rpc_timeout=10.0
)
LOGGERS = ("simsync", "urllib3", "requests", "websocket", "asyncio", "aiohttp", "tenacity")


class Told:
    """Collects everything that other people may read: logs, output, warnings, exceptions."""

    def __init__(self) -> None:
        self.text = io.StringIO()

    def add(self, text: object) -> None:
        print(text, file=self.text)

    def add_error(self, error: BaseException) -> None:
        self.add("".join(traceback.TracebackException.from_exception(error).format()))
        current: BaseException | None = error
        while current is not None:
            self.add(f"{current!r} {current} {current.args!r}")
            if isinstance(current, simsync.SimsyncError):
                self.add(vars(current))
                self.add(pickle.dumps(current, protocol=0))
            current = current.__cause__

    @contextlib.contextmanager
    def expecting(self, *kinds: type[BaseException]) -> Iterator[None]:
        with pytest.raises(kinds) as caught:
            yield
        self.add_error(caught.value)

    def check(self, least: int = 1) -> None:
        text = self.text.getvalue()
        assert len(text) >= least, "nothing was told at all"
        for form in {KEY, quote(KEY, safe="")}:
            assert form not in text, text[max(0, text.index(form) - 300) : text.index(form) + 100]


class _Everything(logging.Handler):
    def __init__(self, told: Told) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(threadName)s %(message)s"))
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.add(self.format(record))
        self._told.add(f"{record.args!r}")


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Iterator[Told]:
    """Check at the end of each test that uses it that the key is not in there."""
    told = Told()
    handler = _Everything(told)
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
    root.removeHandler(handler)
    root.setLevel(before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    told.add("".join(capfd.readouterr()))
    told.add([str(warning.message) for warning in caught])
    told.check()


def client(url: str) -> simsync.Client:
    return simsync.Client(url, KEY, options=QUICK)


def test_a_run_with_lost_connections_and_its_objects(ledger: Ledger, told: Told) -> None:
    faults = Faults().refuse_upgrade(503).drop_control(after=8).drop_data_at(4).empty_rpc().refuse_http(503)
    with Simulator(ledger, faults=faults, api_key=KEY) as simulator:
        asking = client(simulator.url)
        told.add(asking.available_ranges())
        told.add(asking.usage())
        with asking.parallel(CREATE, timeout=20, on_progress=told.add) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
                sub.rpc.get_slot()
                with told.expecting(simsync.RpcError):
                    sub.rpc.call("noSuchMethod")
            for sub, event in session.events(advance=4, timeout=20):
                told.add(repr(event))
                told.add(sub)
            told.add([session, session.sub_sessions, session.coverage, session.run_summary, sub.rpc])
        with asking.session(simsync.CreateSession(FIRST, slot_count=6), timeout=20) as single:
            told.add([single, single.rpc, single.status, single.coverage])
            with told.expecting(simsync.CreateError):
                asking.attach("backtest_of-nobody", timeout=20)
        told.add([asking, vars(asking), simulator, asking.options])
    assert {"refuse_upgrade", "drop_control_after", "drop_data_at", "empty_rpc", "refuse_http"} <= set(faults.fired)
    told.check(least=10_000)


def test_a_wrong_key(ledger: Ledger, told: Told) -> None:
    with Simulator(ledger, api_key="another") as simulator:
        asking = client(simulator.url)
        calls: list[Callable[[], object]] = [
            lambda: asking.parallel(CREATE),
            lambda: asking.session(CREATE),
            lambda: asking.attach("backtest_1"),
            asking.usage,
            asking.bundle_builds,
            lambda: asking.delete_bundle(1, 2),
        ]
        for call in calls:
            with told.expecting(simsync.HttpStatusError):
                call()
    told.check(least=3_000)


QUOTING = {
    "401": http("401 Unauthorized", f"the key {KEY} is wrong".encode(), f"X-Seen: {KEY}"),
    "403 in a header": http(f"403 no {KEY}", b"", f"X-Seen: {KEY}"),
    "404": http("404 Not Found", KEY.encode()),
    "500": http("500 Oops", KEY.encode() * 3),
    "503": http("503 Later", KEY.encode()),
    "a redirect": http("302 Found", KEY.encode(), f"Location: https://elsewhere.invalid/?key={KEY}"),
    "no status": f"HTTP/1.1 {KEY}\r\n\r\n".encode(),
    "no HTTP": f"{KEY} {KEY}\r\n\r\n".encode(),
    "a broken chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    "a broken gzip": http("200 OK", KEY.encode(), "Content-Encoding: gzip"),
    "an odd encoding": http("200 OK", b"x", f"Content-Encoding: {KEY}"),
    "an upgrade that is none": http(
        "101 Switching Protocols", b"", "Upgrade: websocket", f"Sec-WebSocket-Accept: {KEY}"
    ),
    "nothing": b"",
}


@pytest.mark.parametrize("what", QUOTING)
def test_a_server_that_quotes_the_key(what: str, told: Told) -> None:
    with listening(QUOTING[what]) as server:
        asking = client(f"ws://127.0.0.1:{server.port}")
        with told.expecting(simsync.SimsyncError):
            asking.parallel(CREATE, timeout=20)
        for call in (asking.usage, asking.available_ranges, asking.bundle_builds):
            with told.expecting(simsync.SimsyncError):
                call()
        assert KEY.encode() in server.heard
    told.check(least=2_000)


def test_a_redirect_is_not_followed(told: Told) -> None:
    with listening(http("200 OK", b"[]")) as other:
        for address in (
            f"http://127.0.0.1:{other.port}/",
            f"//127.0.0.1:{other.port}/",
            f"ws://127.0.0.1:{other.port}/",
        ):
            for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
                with listening(http(status, b"", f"Location: {address}")) as server:
                    asking = client(f"ws://127.0.0.1:{server.port}")
                    with told.expecting(simsync.HttpStatusError):
                        asking.parallel(CREATE, timeout=20)
                    with told.expecting(simsync.HttpStatusError):
                        asking.usage()
                    with told.expecting(simsync.HttpStatusError):
                        asking.server_time()
                    assert KEY.encode() in server.heard
        assert other.requests == []


def test_an_endpoint_on_another_host_does_not_get_it(told: Told) -> None:
    """Neither by RPC nor by the data plane, however the server writes it."""
    with listening(http("500 Oops", b"")) as other:
        endpoints = [f"http://127.0.0.1:{other.port}/rpc", f"ws://127.0.0.1:{other.port}/rpc"]
        for endpoint in endpoints:

            def elsewhere(talk: Talk, endpoint: str = endpoint) -> None:
                talk.create(endpoint=endpoint)
                talk.goodbye()

            with scripted(elsewhere) as url, client(url).parallel(CREATE, timeout=20) as session:
                (sub,) = session.sub_sessions
                with told.expecting(simsync.HttpStatusError):
                    sub.rpc.get_slot()
                sub.subscribe_transactions()
                with told.expecting(simsync.SubscriptionFailed):
                    list(sub.events(timeout=20))
        assert any(b"Upgrade: websocket" in request for request in other.requests)
        assert any(b"getSlot" in request for request in other.requests) or b"POST" in other.heard
        assert KEY.encode() not in other.heard
        assert b"x-api-key" not in other.heard.lower()


def test_a_question_in_doubt_goes_to_the_endpoint_without_it(told: Told) -> None:
    """After a lost continue, the client asks the session's RPC for its slot."""
    with answering_slots([1]) as (endpoint, called):

        def losing(talk: Talk) -> None:
            talk.create(endpoint=endpoint)
            talk.expect("continueSessionV1")
            talk.drop()

        def working(talk: Talk) -> None:
            talk.attach()
            talk.expect("continueSessionV1")
            talk.event(3, "completed", {"summary": None})
            talk.goodbye()

        with scripted(losing, working) as url, client(url).parallel(CREATE, timeout=20) as session:
            told.add(list(session.events(advance=99, timeout=20)))
        assert called.get(timeout=5) == "getSlot"


def test_errors_of_the_session(told: Told) -> None:
    def refusing(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        talk.send("error", {"invalidRequest": {"error": "no"}})
        talk.expect_end()

    def babbling(talk: Talk) -> None:
        talk.create()
        talk.send("unheardOf", {"x": [1]})
        talk.event(3, "error", {"internal": {"error": "no good"}})
        talk.event(4, "error", {"sessionNotFound": {"session_id": "x"}})
        talk.goodbye()

    with scripted(refusing) as url, told.expecting(simsync.CreateError):
        client(url).parallel(CREATE, timeout=20)
    with scripted(babbling) as url, client(url).parallel(CREATE, timeout=20) as session:
        with told.expecting(simsync.RemoteError):
            list(session.events(timeout=20))


@pytest.mark.parametrize(
    "url",
    [
        f"wss://{KEY}@simulator.example",
        f"wss://user:{KEY}@simulator.example",
        f"wss://simulator.example/?api-key={KEY}",
        f"simulator.example?{KEY}",
        f"wss://simulator.example/#{KEY}",
        f"simulator.example#{KEY}",
        f"wss://simulator.example:{KEY}@x/",
        f"ftp://user:{KEY}@simulator.example",
        f"wss://[{KEY}@simulator.example",
    ],
)
def test_a_key_in_the_address_is_refused_and_not_shown(url: str, told: Told) -> None:
    with told.expecting(simsync.InvalidParams):
        simsync.Client(url, "")
    with told.expecting(simsync.InvalidParams):
        simsync.Client(url, KEY)


def test_a_key_in_the_address_of_an_rpc(told: Told) -> None:
    for endpoint in (f"https://user:{KEY}@rpc.example", f"https://{KEY}@rpc.example", f"ftp://x@rpc.example/{KEY}"):
        with told.expecting(simsync.InvalidParams):
            simsync.Rpc(endpoint)


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}\r\nX-Other: 1", f"{KEY}\x00", f"{KEY}é"])
def test_a_key_that_does_not_fit_into_a_header(key: str, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    with told.expecting(simsync.InvalidParams):
        simsync.Client("ws://127.0.0.1:1", key)
    if "\x00" not in key:
        monkeypatch.setenv("SIMULATOR_API_KEY", key)
        with told.expecting(simsync.InvalidParams):
            simsync.Client("ws://127.0.0.1:1")


def test_objects_that_hold_it_can_be_shown_and_not_pickled(told: Told) -> None:
    asking = client("ws://127.0.0.1:1")
    holders = [asking, ApiKey(KEY), HttpClient(simsync.Options(), ApiKey(KEY)), Settings("ws://x", KEY)]
    for holder in holders:
        told.add(f"{holder!r} {holder!s}")
        if not isinstance(holder, (ApiKey, Settings)):
            told.add(f"{vars(holder)!r}")
    for holder in holders[:-1]:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with told.expecting(TypeError):
                pickle.dumps(holder, protocol)
        with told.expecting(TypeError):
            copy.deepcopy(holder)
    assert "(hidden)" in told.text.getvalue()


COMMANDS = (
    ["ranges"],
    ["ranges", "--json"],
    ["usage"],
    ["bundle", "list"],
    ["bundle", "status", "build_none"],
    ["doctor"],
    ["doctor", "--json"],
    ["run", "--no-such-option"],
    ["local", "--help"],
    ["--help"],
)


@pytest.mark.parametrize("verbose", ["-v", "-vv"])
@pytest.mark.parametrize("right", [True, False])
def test_the_command_line(
    right: bool, verbose: str, ledger: Ledger, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator(ledger, api_key=KEY if right else "another") as simulator:
        for arguments in COMMANDS:
            run_command(["--url", simulator.url, "--api-key", KEY, verbose, *arguments])
        monkeypatch.setenv("SIMULATOR_API_KEY", KEY)
        for arguments in COMMANDS:
            run_command(["--url", simulator.url, verbose, *arguments])
        run_command(["--url", f"{simulator.url}?key={KEY}", verbose, "ranges"])
        assert simulator.faults.http_requests_received > 10
    run_command(["--url", "ws://127.0.0.1:1", verbose, "ranges"])


def test_a_recorded_run_does_not_hold_it(ledger: Ledger, told: Told, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with Simulator(ledger, api_key=KEY) as simulator:
        wanted = ["run", "--start-slot", str(FIRST), "--end-slot", str(FIRST + SLOTS - 1), "--output-file", str(path)]
        assert run_command(["--url", simulator.url, "--api-key", KEY, "-vv", *wanted, "--parallel"]) == 0
    told.add(path.read_text(encoding="utf-8"))
    told.check(least=10_000)


def test_the_embedded_simulator_does_not_print_a_key_of_the_callers_own(
    ledger: Ledger, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.save(tmp_path / "ledger.jsonl")

    def ready_at_once(
        _ledger: Ledger, _host: str, _port: int, api_key: str, *, on_ready: object, **_rest: object
    ) -> None:
        with Simulator(ledger, api_key=api_key) as simulator:
            assert callable(on_ready)
            on_ready(simulator)

    monkeypatch.setattr(command, "serve", ready_at_once)
    monkeypatch.setenv("SIMULATOR_API_KEY", KEY)
    assert run_command(["-vv", "local", "--ledger", str(tmp_path / "ledger.jsonl")]) == 0


def test_the_search_finds_what_is_told() -> None:
    """The tests above would find a key."""
    for leak in (f"X-API-Key: {KEY}", [KEY], {"headers": {"X-API-Key": KEY}}):
        told = Told()
        told.add(leak)
        with pytest.raises(AssertionError):
            told.check()
    told = Told()
    try:
        try:
            raise ValueError(KEY)
        except ValueError as inner:
            raise simsync.ConnectError("no connection") from inner
    except simsync.ConnectError as error:
        told.add_error(error)
    with pytest.raises(AssertionError):
        told.check()
