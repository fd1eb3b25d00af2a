"""One connection to find out whether a simulator is reached, and how; nothing is sent over it."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

from simsync.errors import ConnectError
from simsync.options import Options
from simsync.runtime import late_imports
from simsync.runtime.abort import Abort
from simsync.runtime.addresses import Unreachable
from simsync.runtime.dial import dial
from simsync.runtime.exhaustion import Exhausted, exhaustion
from simsync.runtime.proxies import proxy_for, target
from simsync.runtime.trust import WEBSOCKET, tls_context, trusted_by
from simsync.runtime.unreachable import unreachable_reason

if TYPE_CHECKING:
    from simsync.reports import ConnectionReport


def proxy_name(url: str, options: Options) -> str | None:
    """Return the proxy that leads to an address, as text. Raises ConnectError for a setting that names none."""
    late_imports.load("encodings.idna")
    try:
        proxy = proxy_for(url)
    except Unreachable as error:
        raise _failed(url, error, options) from error
    return None if proxy is None else str(proxy)


def try_connection(url: str, options: Options) -> ConnectionReport:
    """Connect as a session does, through the proxy if there is one, and close. Raises ConnectError."""
    late_imports.load("simsync.reports")
    from simsync.reports import ConnectionReport

    proxy = proxy_name(url, options)
    is_secure = url.startswith("wss:")
    context = tls_context(options, WEBSOCKET) if is_secure else None
    deadline = time.monotonic() + options.connect_timeout
    try:
        # wait: caller | a connection | the peer | `connect_timeout`
        with dial(url, deadline, Abort()) as plain:
            peer = str(plain.getpeername()[0])
            if context is None:
                return ConnectionReport(proxy, peer)
            plain.settimeout(max(0.1, deadline - time.monotonic()))
            with context.wrap_socket(plain, server_hostname=target(url)[0]) as secure:
                until = (secure.getpeercert() or {}).get("notAfter")
                told = until if isinstance(until, str) else None
                return ConnectionReport(proxy, peer, secure.version(), trusted_by(options), told)
    except OSError as error:
        raise _failed(url, error, options) from error


def _failed(url: str, error: OSError, options: Options) -> ConnectError:
    limit = exhaustion(error)
    if limit is not None:
        return Exhausted(f"could not connect to {url}: {limit}")
    late = f"no answer within {options.connect_timeout:g} s" if isinstance(error, socket.timeout) else None
    failure = ConnectError(f"could not connect to {url}: {late or unreachable_reason(url, error, options) or error}")
    final = isinstance(error, ssl.SSLCertVerificationError) or getattr(error, "final", False)
    failure.retryable = not final
    return failure
