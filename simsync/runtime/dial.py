"""Opening the TCP connection to a simulator, directly or through a proxy, for WebSockets and HTTP alike.

An HTTP proxy is always asked for a tunnel (CONNECT), for addresses without TLS too. So the proxy gets no request of
simsync to read or answer, no header of it, and nothing but an answer to CONNECT can come from it.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import time

from simsync._version import __version__
from simsync.runtime import late_imports
from simsync.runtime.abort import Abort
from simsync.runtime.addresses import Unreachable, open_connection, resolve
from simsync.runtime.bounded_socket import BoundedSocket
from simsync.runtime.exhaustion import is_limit
from simsync.runtime.proxies import SOCKS, Proxy, proxy_for, target
from simsync.runtime.retry_after import seconds_to_wait

_LONGEST_ANSWER = 64 * 1024
_STATUS = re.compile(rb"HTTP/\d\.\d +(\d{3})[^\r\n]*")
_PASSING_STATUSES = (408, 425, 429)
"""Statuses below 500 after which another attempt may succeed."""
_NOT_ALLOWED = 2
"""The reply code of SOCKS5 for a connection that the rules of the proxy forbid."""


def dial(url: str, deadline: float, abort: Abort) -> socket.socket:
    """Return a connected, blocking TCP socket to the server of an address.

    Args:
        url: A WebSocket or HTTP address.
        deadline: In seconds of :func:`time.monotonic`.
        abort: Ends this from another thread.

    Raises:
        Unreachable: The proxy is not reached, or does not lead to the server.
        OSError: As :func:`open_connection`.
    """
    host, port = target(url)
    proxy = proxy_for(url)
    if proxy is None:
        return open_connection(host, port, deadline, abort)
    if proxy.scheme in SOCKS:
        with contextlib.suppress(ImportError):
            late_imports.load("python_socks.sync")
    sock = _reach(proxy, deadline, abort)
    try:
        abort.add(sock)
        try:
            if proxy.scheme in SOCKS:
                _ask_socks(sock, proxy, host, port, deadline, abort)
            else:
                _ask_for_tunnel(sock, proxy, host, port, deadline)
            abort.check()
        finally:
            abort.discard(sock)
        sock.setblocking(True)
    except Unreachable:
        sock.close()
        abort.check()  # the proxy may have fallen silent because its socket was shut down
        raise
    except OSError as error:
        sock.close()
        abort.check()
        if isinstance(error, socket.timeout):
            raise Unreachable(f"{proxy} did not connect to {host}:{port} in time") from error
        raise Unreachable(f"{proxy} broke the connection: {error}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def _reach(proxy: Proxy, deadline: float, abort: Abort) -> socket.socket:
    try:
        return open_connection(proxy.host, proxy.port, deadline, abort)
    except OSError as error:
        abort.check()
        if is_limit(error):
            raise
        if isinstance(error, socket.gaierror):
            reason = "its host name is unknown"
        elif isinstance(error, ConnectionRefusedError):
            reason = "nothing is listening there"
        elif isinstance(error, socket.timeout):
            reason = "it did not answer in time"
        else:
            reason = str(error)
        advice = "correct or unset the variable, or name the simulator's host in NO_PROXY"
        raise Unreachable(f"{proxy} cannot be reached: {reason}; {advice}") from error


def _ask_for_tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int, deadline: float) -> None:
    name = f"[{host}]" if ":" in host else host if host.isascii() else host.encode("idna").decode("ascii")
    lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}", f"User-Agent: simsync/{__version__}"]
    if proxy.has_credentials:
        told = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {told}")
    bounded = BoundedSocket(sock, lambda: _left(deadline))
    bounded.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    head = b""
    while b"\r\n\r\n" not in head:
        piece = bounded.recv(4096)
        head += piece
        if not piece or len(head) > _LONGEST_ANSWER:
            break
    status = _STATUS.match(head)
    if status is None:
        said = "nothing" if not head else "something that is not HTTP"
        raise Unreachable(f"{proxy} answered {said} when it was asked for {host}:{port}: is it an HTTP proxy?")
    code = int(status.group(1))
    if not 200 <= code < 300:
        raise _refused(proxy, host, port, code, head)
    if not head.endswith(b"\r\n\r\n"):
        raise Unreachable(f"{proxy} sent more than its answer when it was asked for {host}:{port}")


def _refused(proxy: Proxy, host: str, port: int, code: int, head: bytes) -> Unreachable:
    text = f"{proxy} refused to connect to {host}:{port}: HTTP {code}"
    if code == 407:
        told = "it refused the user name and password" if proxy.has_credentials else "it wants a user name and password"
        text = f"{text}; {told}: write them into the variable, as http://USER:PASSWORD@HOST:PORT"
    elif code == 403:
        text = f"{text}; it does not allow this: ask who runs it, or name the simulator's host in NO_PROXY"
    elif code >= 500:
        text = f"{text}; it could not reach that address: check the address"
    found = re.search(rb"\r\nretry-after:[ \t]*([^\r\n]*)", head, re.IGNORECASE)
    return Unreachable(
        text,
        final=code < 500 and code not in _PASSING_STATUSES,
        retry_after=seconds_to_wait(found.group(1).decode("latin-1")) if found else 0.0,
    )


class _Reached:
    """Stands for the proxy before the proxy, so that python-socks uses the connection that was made here."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = BoundedSocket(sock, lambda: _left(deadline))

    def connect(self, **_where: object) -> BoundedSocket:
        return self._sock


def _ask_socks(sock: socket.socket, proxy: Proxy, host: str, port: int, deadline: float, abort: Abort) -> None:
    try:
        from python_socks import ProxyError, ProxyTimeoutError, ProxyType
        from python_socks.sync import Proxy as SocksProxy
    except ImportError:
        advice = "pip install 'simsync[socks]', or name the simulator's host in NO_PROXY"
        raise Unreachable(f"{proxy} speaks SOCKS, for which a package is missing: {advice}", final=True) from None

    remote = proxy.scheme in ("socks4a", "socks5h")  # the proxy resolves the name
    if not remote:
        wanted = (socket.AF_INET,) if proxy.scheme == "socks4" else (socket.AF_INET, socket.AF_INET6)
        found = [str(one[4][0]) for one in resolve(host, port, deadline, abort) if one[0] in wanted]
        if not found:
            raise Unreachable(f"{proxy} needs an IPv4 address, and {host!r} has none", final=True)
        host = found[0]
    kind = ProxyType.SOCKS4 if proxy.scheme.startswith("socks4") else ProxyType.SOCKS5
    way = SocksProxy(
        kind,
        proxy.host,
        proxy.port,
        proxy.username or None,
        proxy.password or None,
        remote,
        forward=_Reached(sock, deadline),  # type: ignore[arg-type]
    )
    try:
        way.connect(host, port)  # bounded by BoundedSocket
    except ProxyTimeoutError as error:
        raise socket.timeout(str(error)) from error
    except UnicodeError:  # its text would show the password
        raise Unreachable(f"{proxy} cannot be asked: user name and password must be ASCII", final=True) from None
    except ProxyError as error:
        final = error.error_code == _NOT_ALLOWED or "authentication" in str(error).lower()
        raise Unreachable(f"{proxy} did not connect to {host}:{port}: {error}", final=final) from error


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("out of time")
    return left
