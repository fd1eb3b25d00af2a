"""Proxies: which one is used, what it is asked, and what is said when it fails, for WebSockets and HTTP alike."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import simsync
from simsync.doctor.checkup import FAILED, OK, check_up
from simsync.local import Ledger, Simulator
from simsync.runtime import http_retry
from tests.runtime.proxy_peers import Asked, answering, serving, socks, tunnel

KEY = "sk-the-key-that-is-for-the-simulator"
CREATE = simsync.CreateSession(1000, 1009)
OPTIONS = simsync.Options(reconnect_attempts=2, backoff_initial=0.001, rpc_timeout=10.0, connect_timeout=10.0)

Call = Callable[[simsync.Client], object]
CALLS: dict[str, Call] = {
    "websocket": lambda client: client.session(CREATE, timeout=20).close(),
    "services": lambda client: client.available_ranges(),
    "rpc": lambda client: simsync.Rpc(client.url.replace("ws:", "http:") + "/x", client.options).get_slot(),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(http_retry, "READ_BACKOFF", 0.001)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here ``….direct.test`` is this machine, and no other name is known."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "127.0.0.1" or str(host).endswith("direct.test"):
            return resolve("127.0.0.1", *rest, **more)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1), api_key=KEY) as running:
        yield running


def client(port: int, host: str = "sim.test") -> simsync.Client:
    return simsync.Client(f"ws://{host}:{port}", KEY, options=OPTIONS)


def failure(call: Call, asking: simsync.Client) -> str:
    with pytest.raises(simsync.ConnectError) as caught:
        call(asking)
    assert "start the simulator" not in str(caught.value)
    assert "key was refused" not in str(caught.value)
    return str(caught.value)


def test_a_run_through_a_proxy_that_gets_no_key(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tunnel) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:pass%3Aword@127.0.0.1:{proxy.port}")
        asking = client(simulator.port)
        with asking.parallel(CREATE, timeout=20) as session:
            session.sub_sessions[0].subscribe_transactions()
            assert session.sub_sessions[0].rpc.get_slot() == 1000
            events = [event for _sub, event in session.events(advance=10, timeout=20)]
        assert sum(isinstance(event, simsync.Transaction) for event in events) == 10
        assert asking.usage().api_key_name
        assert asking.proxy == f"the proxy http://127.0.0.1:{proxy.port} (HTTP_PROXY)"
    assert len(proxy.heads) >= 4, "control, data, RPC, services"
    for head in proxy.heads:
        assert head.startswith(f"CONNECT sim.test:{simulator.port} HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic bWU6cGFzczp3b3Jk\r\n" in head
        assert b"api-key" not in head.lower()
        assert KEY.encode() not in head


def test_a_password_without_a_user_name_is_sent(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tunnel) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://:password@127.0.0.1:{proxy.port}")
        assert client(simulator.port).available_ranges()
    assert b"Proxy-Authorization: Basic OnBhc3N3b3Jk\r\n" in proxy.heads[0]
    with serving(answering(b"HTTP/1.1 407 No\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://:password@127.0.0.1:{proxy.port}")
        assert "it refused the user name and password" in failure(CALLS["services"], client(8900))


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    ("answer", "words", "asked"),
    [
        ("407 Proxy Authentication Required", "wants a user name and password", 1),
        ("403 Forbidden", "does not allow this", 1),
        ("405 Method Not Allowed", "HTTP 405", 1),
        ("502 Bad Gateway", "could not reach that address", None),
    ],
)
def test_a_proxy_that_refuses_is_named(
    what: str, answer: str, words: str, asked: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answering(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        text = failure(CALLS[what], client(8900))
    assert f"the proxy http://127.0.0.1:{proxy.port} (http_proxy) refused to connect to sim.test:8900" in text
    assert words in text
    assert asked is None or len(proxy.heads) == asked


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nmore"])
def test_something_else_than_a_proxy_is_named(what: str, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(answer)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert f"the proxy http://127.0.0.1:{proxy.port}" in failure(CALLS[what], client(8900))


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("http://nobody.test:3128", "its host name is unknown"),
        ("https://127.0.0.1:1", "over TLS"),
        ("ftp://me:hidden-word@127.0.0.1:1", "unknown scheme 'ftp'"),
        ("http://", "is no address"),
        ("http://me:hidden-word@127.0.0.1:port", "is no address"),
        ("http://me:12#hidden-word@127.0.0.1:1", "percent-encode"),
        ("me:12#hidden-word@127.0.0.1:1", "percent-encode"),
        ("http://me:hidden-word/1@127.0.0.1:1", "percent-encode"),
        ("socks5h://hidden-word?1:2@127.0.0.1:1", "percent-encode"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    what: str, setting: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", setting)
    text = failure(CALLS[what], client(8900))
    assert words in text
    assert "proxy" in text
    assert "ALL_PROXY" in text
    assert "hidden-word" not in text


@pytest.mark.parametrize("what", CALLS)
def test_a_dead_proxy_is_named_and_its_password_is_not(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("HTTP_PROXY", f"me:hidden-word@127.0.0.1:{port}")
        text = failure(CALLS[what], client(8900))
    assert f"the proxy http://127.0.0.1:{port} (HTTP_PROXY) cannot be reached: nothing is listening there" in text
    assert "hidden-word" not in text


@pytest.mark.parametrize("what", CALLS)
def test_a_proxy_that_never_answers_is_named_in_time(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{mute.getsockname()[1]}")
        options = simsync.Options(connect_timeout=0.3, rpc_timeout=0.25, reconnect_attempts=0)
        began = time.monotonic()
        with pytest.raises(simsync.ConnectError, match=r"the proxy .* did not connect to sim.test:8900 in time"):
            CALLS[what](simsync.Client("ws://sim.test:8900", KEY, options=options))
        assert time.monotonic() - began < 5.0


def trickling(greeting: bytes, answer: bytes) -> Callable[[socket.socket, Asked], None]:
    """Answer a SOCKS client one byte at a time, more often than any timeout of a single read."""

    def handle(sock: socket.socket, asked: Asked) -> None:
        asked.heads.append(sock.recv(999))
        if greeting:
            sock.sendall(greeting)
            sock.recv(999)
        gone = threading.Event()
        for position in range(len(answer)):
            sock.sendall(answer[position : position + 1])
            gone.wait(0.2)

    return handle


SLOW = {
    "socks5h": trickling(b"\x05\x00", b"\x05\x00\x00\x03\xff" + b"a" * 255 + b"\0\0"),
    "socks4a": trickling(b"", b"\x00\x5a" + b"\0" * 6),
}


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("scheme", SLOW)
def test_a_socks_proxy_whose_answer_trickles_is_named_in_time(
    scheme: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("python_socks")
    with serving(SLOW[scheme]) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        options = simsync.Options(connect_timeout=0.5, rpc_timeout=0.5, reconnect_attempts=0)
        began = time.monotonic()
        with pytest.raises(simsync.ConnectError, match=rf"the proxy {scheme}://.* did not connect to sim.test:8900 in"):
            CALLS[what](simsync.Client("ws://sim.test:8900", KEY, options=options))
        assert time.monotonic() - began < 1.4  # the whole answer takes 1.6 s and more


@pytest.mark.parametrize("what", CALLS)
def test_a_socks_password_that_cannot_be_sent_is_not_shown(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("python_socks")
    with serving(socks(method=2)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://me:w%C3%B6rd@127.0.0.1:{proxy.port}")
        text = failure(CALLS[what], client(8900))
    assert "user name and password must be ASCII" in text
    assert "w\u00f6rd" not in text


DIRECT = "sub.direct.test"


@pytest.mark.parametrize("what", ["websocket", "services"])
@pytest.mark.parametrize(
    ("settings", "by_proxy"),
    [
        ({"HTTP_PROXY": "{}"}, True),
        ({"http_proxy": "{}"}, True),
        ({"ALL_PROXY": "{}"}, True),
        ({"all_proxy": "{}"}, True),
        ({"HTTP_PROXY": "127.0.0.1:{port}"}, True),
        ({"http_proxy": "{}", "HTTP_PROXY": "http://nobody.test:1"}, True),
        ({"HTTP_PROXY": "{}", "NO_PROXY": "elsewhere.test"}, True),
        ({"HTTP_PROXY": "{}", "NO_PROXY": "{target_host}:1"}, True),
        ({"HTTPS_PROXY": "{}"}, False),
        ({"HTTP_PROXY": ""}, False),
        ({"HTTP_PROXY": "{}", "NO_PROXY": "*"}, False),
        ({"HTTP_PROXY": "{}", "NO_PROXY": "{target_host}"}, False),
        ({"HTTP_PROXY": "{}", "NO_PROXY": "{target_host}:{target_port}"}, False),
        ({"HTTP_PROXY": "{}", "NO_PROXY": "SUB.DIRECT.TEST"}, False),
        ({"HTTP_PROXY": "{}", "no_proxy": "direct.test"}, False),
        ({"HTTP_PROXY": "{}", "no_proxy": "other.test, .direct.test"}, False),
    ],
)
def test_which_proxy_is_used(
    what: str, settings: dict[str, str], by_proxy: bool, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tunnel) as proxy:
        for name, value in settings.items():
            text = value.format(
                f"http://127.0.0.1:{proxy.port}", port=proxy.port, target_host=DIRECT, target_port=simulator.port
            )
            monkeypatch.setenv(name, text)
        asking = client(simulator.port, DIRECT)
        CALLS[what](asking)
        assert (asking.proxy is not None) is by_proxy
    assert (set(proxy.hosts) == {DIRECT}) is by_proxy


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    ("address", "no_proxy", "by_proxy"),
    [
        ("sim.test:8900", "SIM.TEST:8900", False),
        ("sim.test:8900", "elsewhere.test,Sim.Test:8900", False),
        ("sim.test:8900", ".TEST:8900", False),
        ("sim.test:8900", "SIM.TEST:890", True),
        ("sim.test:8900", "im.test:8900", True),
        ("sim.test.:8900", "sim.test", False),
        ("sim.test.:8900", "sim.test:8900", False),
        ("sim.test.:8900", "elsewhere.test", True),
        ("sim.test:8900", "sim.test.", False),
        ("10.1.2.3:8900", "10.1.2.3:8900", False),
        ("10.1.2.3:8900", "10.1.2.3:1", True),
        ("10.1.2.3:8900", "10.1.0.0/16", False),
        ("10.1.2.3:8900", "10.2.0.0/16, 10.1.2.4", True),
        ("[2001:db8::1]:8900", "2001:DB8:0::1", False),
        ("[2001:db8::1]:8900", "[2001:db8::1]", False),
        ("[2001:db8::1]:8900", "[2001:db8::1]:8900", False),
        ("[2001:db8::1]:8900", "2001:db8::/32", False),
        ("[2001:db8::1]:8900", "[2001:db8::1]:1, 2001:db9::/32", True),
    ],
)
def test_what_is_excepted(
    what: str, address: str, no_proxy: str, by_proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answering(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", no_proxy)
        text = failure(CALLS[what], simsync.Client(f"ws://{address}", KEY, options=OPTIONS))
    assert ("refused to connect" in text) is by_proxy
    assert ("does not resolve" in text) is not by_proxy
    assert bool(proxy.heads) is by_proxy


@pytest.mark.parametrize("what", ["websocket", "services"])
def test_this_machine_is_never_reached_by_a_proxy(
    what: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://nobody.test:1")
    CALLS[what](client(simulator.port, "127.0.0.1"))


@pytest.mark.parametrize(("scheme", "host"), [("socks5h", DIRECT), ("socks5", "127.0.0.1")])
def test_a_run_through_socks(scheme: str, host: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved by the proxy, or here."""
    pytest.importorskip("python_socks")
    with serving(socks(method=2)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:word@127.0.0.1:{proxy.port}")
        for what in ("websocket", "services"):
            CALLS[what](client(simulator.port, DIRECT))
    assert set(proxy.hosts) == {host}
    assert set(proxy.heads) == {b"\x05", b"me:word"}


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("handle", [socks(2), socks(method=255)], ids=["not allowed", "no way to log in"])
def test_a_socks_proxy_that_refuses_is_asked_once_and_named(
    what: str, handle: Callable[[socket.socket, Asked], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("python_socks")
    with serving(handle) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
        text = failure(CALLS[what], client(8900))
    assert f"the proxy socks5h://127.0.0.1:{proxy.port} (ALL_PROXY) did not connect to sim.test:8900" in text
    assert proxy.heads == [b"\x05"]


@pytest.mark.parametrize("what", CALLS)
def test_socks_without_the_package_gives_advice(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with serving(answering(b"")) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        assert "pip install 'simsync[socks]'" in failure(CALLS[what], client(8900))


def test_the_checks_try_the_proxy_and_not_the_name(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tunnel) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        found = {one.check: one for one in check_up(client(simulator.port))}
        assert "name" not in found
        assert f"by the proxy http://127.0.0.1:{proxy.port} (HTTP_PROXY)" in found["connection"].detail
        assert found["key"].result == OK
    monkeypatch.setenv("HTTP_PROXY", "http://nobody.test:1")
    found = {one.check: one for one in check_up(client(simulator.port))}
    assert found["proxy"].result == FAILED
    assert "its host name is unknown" in found["proxy"].detail
    monkeypatch.setenv("HTTP_PROXY", "ftp://nobody.test:1")
    assert list(check_up(client(simulator.port)))[-1].check == "proxy"
