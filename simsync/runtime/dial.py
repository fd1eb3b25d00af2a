"""Opening one WebSocket connection: TCP, TLS and upgrade within one deadline, ended early when asked.

The library does the connecting. It blocks in calls that only the end of their socket can end, so the socket is made
known as early as possible: a deadline or :meth:`Dial.abort` shuts it down. Only resolving a name and the TCP handshake
with an address that never answers cannot be ended before ``connect_timeout``.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any, Callable
from urllib.parse import urlsplit

import websocket

from simsync._version import __version__
from simsync.errors import ConnectError, HttpStatusError
from simsync.options import Options
from simsync.params.api_key import NO_KEY, ApiKey
from simsync.runtime.duplex import DuplexWebSocket, LinkLost
from simsync.runtime.unreachable import unreachable_reason
from simsync.wire import urls

_SWITCHING_PROTOCOLS = 101
_FATAL_STATUSES = (400, 401, 403, 404)
_ADVICE = {
    401: "the API key was refused: check SIMULATOR_API_KEY or api_key=",
    403: "the API key was refused: check SIMULATOR_API_KEY or api_key=",
    404: "no simulator answers at this path: check the address",
}


class DialFailed(Exception):
    """No connection. ``fatal``: trying again is pointless. ``unreachable``: there is nobody at this address."""

    def __init__(self, error: ConnectError, *, fatal: bool = False, unreachable: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.fatal = fatal
        self.unreachable = unreachable


class _ObservedContext:
    """Stands in for an SSLContext, to learn of the socket before the TLS handshake blocks on it."""

    def __init__(self, context: ssl.SSLContext, observe: Callable[[socket.socket | None], None]) -> None:
        self._context = context
        self._observe = observe

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        # The TLS socket takes over the descriptor, so it is the duplicate that can be shut down at any time.
        with sock.dup() as duplicate:
            self._observe(duplicate)
            try:
                return self._context.wrap_socket(sock, **options)
            finally:
                self._observe(None)


def _proxy_settings(url: str) -> dict[str, Any]:
    """The library takes proxies from the environment, for the loopback too; an exception needs a proxy to be named."""
    if not urls.is_loopback(url):
        return {}
    host = urlsplit(url).hostname
    return {"http_proxy_host": host, "http_proxy_port": 1, "http_no_proxy": [host]}


class Dial:
    """One attempt. :meth:`run` in one thread, :meth:`abort` from any other."""

    def __init__(self, url: str, options: Options, api_key: ApiKey = NO_KEY) -> None:
        self._url = url
        self._options = options
        self._api_key = api_key
        self._lock = threading.Lock()  # guards _socket, _aborted and _ws
        self._socket: socket.socket | None = None
        self._aborted: str | None = None
        self._ws: DuplexWebSocket | None = None

    def abort(self, reason: str) -> None:
        with self._lock:
            self._aborted = self._aborted or reason
            sockets = [self._socket, self._ws.sock if self._ws is not None else None]
            for sock in sockets:
                if sock is not None:
                    with contextlib.suppress(OSError):
                        # Not the TLS object's own shutdown: that would pull it from under the thread that uses it.
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def run(self) -> DuplexWebSocket:
        """Returns the open connection. Raises :class:`DialFailed`."""
        options = self._options
        sslopt: dict[str, Any] = {}
        if self._url.startswith("wss:"):
            context = options.ssl_context or ssl.create_default_context()
            sslopt["context"] = _ObservedContext(context, self._observe)
        ws = self._ws = DuplexWebSocket(max_message=options.max_message, sslopt=sslopt)
        ws.binary = bytes
        header = {"User-Agent": f"simsync/{__version__}", **self._api_key.headers()}
        timer = threading.Timer(options.connect_timeout, self.abort, ("no connection in time",))
        timer.name = "simsync-connect-deadline"
        timer.daemon = True
        timer.start()
        try:
            ws.connect(
                self._url,
                header=header,
                timeout=options.connect_timeout,
                redirect_limit=0,  # the key must not follow a redirect to another host
                suppress_origin=True,
                **_proxy_settings(self._url),
            )
            if ws.getstatus() != _SWITCHING_PROTOCOLS:
                raise self._refused(ws.getstatus() or 0, "")
            with self._lock:
                if self._aborted is not None:
                    raise OSError(self._aborted)
                self._ws = None  # from here on the connection belongs to the caller
        except (websocket.WebSocketException, OSError, LinkLost, ValueError, AttributeError) as error:
            failed = self._failed(error, ws.getstatus())
            self._discard(ws)
            raise failed from self._api_key.harmless(error)
        except BaseException:
            self._discard(ws)
            raise
        finally:
            timer.cancel()
            timer.join()
        return ws

    def _discard(self, ws: DuplexWebSocket) -> None:
        with self._lock:
            self._ws = None
        ws.shutdown()

    def _observe(self, sock: socket.socket | None) -> None:
        with self._lock:
            self._socket = sock
            if self._aborted is not None and sock is not None:
                raise OSError(self._aborted)

    def _refused(self, status: int, body: str) -> DialFailed:
        advice = _ADVICE.get(status, "")
        if 300 <= status < 400:
            advice = "redirects are not followed, the API key would go with them: use the final address"
        fatal = status in _FATAL_STATUSES or 300 <= status < 400
        return DialFailed(HttpStatusError(self._url, status, self._api_key.hidden_in(body), advice), fatal=fatal)

    def _failed(self, error: Exception, status: int | None) -> DialFailed:
        if isinstance(error, websocket.WebSocketBadStatusException):
            body = error.resp_body
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
            return self._refused(error.status_code, text)
        if status is not None and 300 <= status < 400:
            return self._refused(status, "")
        if self._aborted is not None or isinstance(error, (websocket.WebSocketTimeoutException, socket.timeout)):
            reason = f"{self._aborted or 'no connection in time'} ({self._options.connect_timeout:g} s allowed)"
            return DialFailed(ConnectError(f"could not connect to {self._url}: {reason}"))
        unreachable = unreachable_reason(self._url, error)
        if unreachable is not None:
            failure = ConnectError(f"could not connect to {self._url}: {unreachable}")
            return DialFailed(failure, fatal=isinstance(error, ssl.SSLCertVerificationError), unreachable=True)
        text = self._api_key.hidden_in(f"could not connect to {self._url}: {type(error).__name__}: {error}")
        return DialFailed(ConnectError(text))
