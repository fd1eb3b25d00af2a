"""A name with several addresses: each gets its turn, staggered, within one deadline."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from simsync.runtime import addresses
from simsync.runtime.abort import Abort
from simsync.runtime.addresses import alternated, open_connection

DEAD, OTHER = "127.0.0.2", "127.0.0.3"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs further addresses of this machine")


@contextlib.contextmanager
def dropping(host: str, port: int) -> Iterator[None]:
    """An address that drops what comes, as its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex((host, port))
        yield


def resolving(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    def getaddrinfo(_host: object, port: int, **_options: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def connect(port: int, seconds: float = 10.0) -> str:
    with open_connection("sim.test", port, time.monotonic() + seconds, Abort()) as sock:
        assert sock.gettimeout() is None
        return str(sock.getpeername()[0])


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_next_address_is_tried_while_the_first_is_silent(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, DEAD, OTHER, "127.0.0.1")
    with dropping(DEAD, port), dropping(OTHER, port):
        began = time.monotonic()
        assert connect(port) == "127.0.0.1"
        assert 2 * addresses.STAGGER <= time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    "name", ["EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "EACCES", "ETIMEDOUT", "ECONNREFUSED"]
)
def test_the_next_address_is_tried_at_once_after_a_failure(
    name: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(socket.socket):
        def connect_ex(self, address: Any) -> int:
            return getattr(errno, name) if address[0] == DEAD else super().connect_ex(address)

    monkeypatch.setattr(socket, "socket", Failing)
    monkeypatch.setattr(addresses, "STAGGER", 60.0)
    resolving(monkeypatch, DEAD, "127.0.0.1")
    assert connect(port) == "127.0.0.1"
    resolving(monkeypatch, DEAD)
    with pytest.raises(OSError) as caught:
        connect(port)
    assert caught.value.errno == getattr(errno, name)


def test_one_that_refuses_tells_more_than_one_that_is_not_there(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        resolving(monkeypatch, "127.0.0.1", "255.255.255.255")
        with pytest.raises(ConnectionRefusedError):
            connect(nobody.getsockname()[1])


def test_one_deadline_for_all_addresses(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, DEAD, OTHER)
    with dropping(DEAD, port), dropping(OTHER, port):
        began = time.monotonic()
        with pytest.raises(socket.timeout):
            connect(port, 0.6)
        assert time.monotonic() - began < 3.0


def test_connecting_to_a_silent_address_can_be_ended(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, DEAD)
    abort = Abort()
    with dropping(DEAD, port):
        timer = threading.Timer(0.1, abort.fire, ["enough"])
        timer.start()
        with pytest.raises(OSError, match="enough"):
            open_connection("sim.test", port, time.monotonic() + 60.0, abort)
        timer.join()
    with pytest.raises(OSError, match="enough"):
        open_connection("127.0.0.1", port, time.monotonic() + 60.0, abort)


def test_the_families_take_turns() -> None:
    def of(family: int, number: int) -> Any:
        return (family, 1, 6, "", (f"{number}", 1))

    six, four = int(socket.AF_INET6), int(socket.AF_INET)
    found = alternated([of(six, 1), of(six, 2), of(six, 3), of(four, 4), of(four, 5)])
    assert [one[4][0] for one in found] == ["1", "4", "2", "5", "3"]
    assert alternated([]) == []


def test_a_name_without_addresses_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch)
    with pytest.raises(socket.gaierror):
        connect(1)
    monkeypatch.undo()
    with pytest.raises(socket.gaierror):
        open_connection(f"{'x' * 70}.test", 1, time.monotonic() + 5, Abort())
