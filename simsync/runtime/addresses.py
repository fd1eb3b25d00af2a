"""Opening a TCP connection to a host name: its addresses are tried staggered, as RFC 8305 describes."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import queue
import selectors
import socket
import time
from collections.abc import Iterable
from typing import Any

from simsync.interruptible import take
from simsync.runtime.abort import Abort
from simsync.runtime.exhaustion import Exhausted, check_room, is_limit
from simsync.runtime.threads import spawn

Address = tuple[int, int, int, str, Any]
"""As :func:`socket.getaddrinfo` returns it."""

STAGGER = 0.25
"""Seconds after which the next address is tried too while the one before does not answer."""

PENDING = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
"""What ``connect_ex`` returns when it has not failed."""
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)  # needs no descriptor of its own


class Unreachable(OSError):
    """No connection. The text says why and what to do; ``final``: another attempt would not help."""

    def __init__(self, reason: str, *, final: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.final = final
        self.retry_after = retry_after


def open_connection(host: str, port: int, deadline: float, abort: Abort) -> socket.socket:
    """Return a connected, blocking TCP socket.

    Args:
        host: A name or an address.
        port: The port.
        deadline: For all addresses together, in seconds of :func:`time.monotonic`.
        abort: Ends this from another thread.

    Raises:
        OSError: What the addresses answered; ``socket.gaierror`` if the name does not resolve, ``socket.timeout``
            after the deadline.
    """
    waiting = alternated(resolve(host, port, deadline, abort))
    failures: list[OSError] = []
    selector = _Selector()
    trying: set[socket.socket] = set()
    begin_next = 0.0
    try:
        while True:
            abort.check()
            now = time.monotonic()
            if waiting and (not trying or now >= begin_next):
                sock = _begin(waiting.pop(0), abort, failures)
                if sock is not None:
                    trying.add(sock)
                    selector.register(sock, selectors.EVENT_WRITE)
                begin_next = now + STAGGER
                continue
            if not trying:
                raise _most_telling(failures)
            if now >= deadline:
                raise socket.timeout("no address answered in time")
            # wait: caller, `simsync-connect`, `simsync-http` | an address that answers | it; `Abort` | its deadline
            for key, _events in selector.select(max(0.0, min(deadline, begin_next if waiting else deadline) - now)):
                sock = key.fileobj
                selector.unregister(sock)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                abort.discard(sock)
                if not code:
                    abort.check()
                    trying.discard(sock)
                    sock.setblocking(True)
                    return configured(sock)
                trying.discard(sock)
                sock.close()
                failures.append(OSError(code, os.strerror(code)))
                begin_next = 0.0
    finally:
        selector.close()
        for sock in trying:
            abort.discard(sock)
            sock.close()


def resolve(host: str, port: int, deadline: float, abort: Abort) -> list[Address]:
    """Return the addresses of a host. Nothing can end the resolution of a name, so another thread does it.

    Raises OSError; ``socket.timeout`` after the deadline; Exhausted without a free descriptor.
    """
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return _addresses(host, port)
    news: queue.SimpleQueue[list[Address] | OSError | Exhausted | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            news.put(_addresses(host, port))
        except (OSError, Exhausted) as error:
            news.put(error)

    with abort.calling(lambda: news.put(None)):
        try:
            spawn("resolve", ask)
        except Exhausted:  # no thread can be started
            return _addresses(host, port)
        try:
            # wait: caller, `simsync-connect`, `simsync-http` | a name | `simsync-resolve`; `Abort` | `connect_timeout`
            found = take(news, deadline)
        except queue.Empty:
            raise socket.timeout(f"the host {host!r} was not resolved in time") from None
    abort.check()
    if isinstance(found, (OSError, Exhausted)):
        raise found
    return found or []


def _addresses(host: str, port: int) -> list[Address]:
    try:
        return [(*address,) for address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except UnicodeError as error:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
    except OSError:
        check_room()  # without a descriptor no name is known, or a device is said to be busy
        raise


def alternated(addresses: Iterable[Address]) -> list[Address]:
    """Return the addresses with their families taking turns, the preferred one first, so that a network without IPv6
    (or IPv4) costs one stagger only."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    longest = max(map(len, families.values()), default=0)
    return [family[index] for index in range(longest) for family in families.values() if index < len(family)]


def _begin(address: Address, abort: Abort, failures: list[OSError]) -> socket.socket | None:
    """Begin to connect. None if this fails at once."""
    try:
        sock = socket.socket(*address[:3])
    except OSError as error:
        failures.append(error)
        return None
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address[4])
        if code not in PENDING:
            raise OSError(code, os.strerror(code))
        abort.add(sock)
    except OSError as error:
        failures.append(error)
        sock.close()
        return None
    return sock


def configured(sock: socket.socket) -> socket.socket:
    """Return the socket with what every connection has: small writes go at once, and a peer that is gone is noticed."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


def _most_telling(failures: list[OSError]) -> OSError:
    """Return the failure to report: a limit of this process hides the rest, and an address
    that refuses is there, which tells more than one that is not."""
    limits = [failure for failure in failures if is_limit(failure)]
    refused = [failure for failure in failures if isinstance(failure, ConnectionRefusedError)]
    return (limits or refused or failures or [socket.gaierror(socket.EAI_NONAME, "the name has no addresses")])[-1]
