"""Opening one WebSocket connection: TCP, TLS and upgrade within one deadline, and a way to abort it.

The library connects, in a separate thread. It blocks in calls that only the end of their socket can end, so the socket
is made known as early as possible: a deadline or :meth:`Connector.abort` shuts it down. Nothing can end the resolution
of a name, or the TCP handshake with an address that never answers. In that case the thread is left behind; it sends
nothing any more and ends with that call.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any, Callable
from urllib.parse import urlsplit

import websocket

from simsync._version import __version__
from simsync.errors import ConnectError, ControlFailed, HttpStatusError, SimsyncError
from simsync.frames import DATA
from simsync.options import Options
from simsync.params.api_key import NO_KEY, ApiKey
from simsync.runtime.duplex import DuplexWebSocket, LinkLost
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.threads import spawn
from simsync.runtime.unreachable import unreachable_reason
from simsync.wire import urls
from simsync.wire.payloads import BinaryMessage

_SWITCHING_PROTOCOLS = 101
_ORDINARY = (websocket.WebSocketException, OSError, LinkLost, ValueError, LookupError, AttributeError)
"""What the library raises if there is no server, or something that is not a WebSocket server."""
# guess: a rejected upgrade, control and data plane
_FINAL_STATUSES = (400, 401, 403, 404)
_ADVICE = {
    401: "the API key was refused: check SIMULATOR_API_KEY or api_key=",
    403: "the API key was refused: check SIMULATOR_API_KEY or api_key=",
    404: "no simulator answers at this path: check the address",
}


class ConnectFailed(Exception):
    """No connection. ``final``: another attempt would not help. ``unreachable``: nothing answers at this address."""

    def __init__(self, error: ConnectError, *, final: bool = False, unreachable: bool = False) -> None:
        super().__init__(str(error))
        error.retryable = error.retryable and not final
        self.error = error
        self.final = final
        self.unreachable = unreachable


def connection_failure(reason: str, cause: BaseException | None, *, established: bool) -> SimsyncError:
    """What a caller gets when a control connection cannot be made, or made again if it was ``established`` before."""
    if isinstance(cause, ConnectFailed) and not established:
        return cause.error
    error: SimsyncError = ControlFailed(reason) if established else ConnectError(reason)
    error.__cause__ = cause.error if isinstance(cause, ConnectFailed) else cause
    return error


class _ObservedContext:
    """Replaces an SSLContext, to learn of the socket before the TLS handshake blocks on it."""

    def __init__(self, context: ssl.SSLContext, observe: Callable[[socket.socket | None], None]) -> None:
        self._context = context
        self._observe = observe

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        # The TLS socket takes over the descriptor, so only a duplicate can be shut down at any time.
        with sock.dup() as duplicate:
            self._observe(duplicate)
            try:
                return self._context.wrap_socket(sock, **options)
            finally:
                self._observe(None)


def _proxy_settings(url: str) -> dict[str, Any]:
    """No proxy for the loopback. The library takes proxies from the environment unless one is named with exceptions."""
    if not urls.is_loopback(url):
        return {}
    host = urlsplit(url).hostname
    return {"http_proxy_host": host, "http_proxy_port": 1, "http_no_proxy": [host]}


class _Headers:
    """Replaces a list of headers. The library reads it after connecting and before it sends anything."""

    def __init__(self, headers: list[str], before_sending: Callable[[], None]) -> None:
        self._headers = headers
        self._before_sending = before_sending

    def __iter__(self) -> Iterator[str]:
        self._before_sending()
        return iter(self._headers)


class Connector:
    """One attempt. :meth:`run` in one thread, :meth:`abort` from any other."""

    def __init__(self, url: str, options: Options, api_key: ApiKey = NO_KEY, *, plane: str = DATA) -> None:
        self._url = url
        self._observer = FrameObserver.of(options.on_frame, plane, url)
        self._options = options
        self._api_key = api_key
        self._lock = threading.Lock()  # guards _socket, _aborted and _ws
        self._socket: socket.socket | None = None
        self._aborted: str | None = None
        self._ws: DuplexWebSocket | None = None
        # A C queue, because a signal handler may cancel a token in the middle of anything.
        self._news: queue.SimpleQueue[BaseException | DuplexWebSocket | None] = queue.SimpleQueue()

    def abort(self, reason: str) -> None:
        with self._lock:
            self._aborted = self._aborted or reason
            sockets = [self._socket, self._ws.sock if self._ws is not None else None]
            for sock in sockets:
                if sock is not None:
                    with contextlib.suppress(OSError):
                        # The plain socket's shutdown: that of the TLS object would break the thread that uses it.
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._news.put(None)

    def run(self) -> DuplexWebSocket:
        """Returns the open connection. Raises :class:`ConnectFailed`."""
        options = self._options
        sslopt: dict[str, Any] = {}
        if self._url.startswith("wss:"):
            context = options.ssl_context or ssl.create_default_context()
            sslopt["context"] = _ObservedContext(context, self._observe)
        ws = self._ws = DuplexWebSocket(max_message=options.max_message, bulk=options.fast_path, sslopt=sslopt)
        ws.binary = bytes if self._observer is None else BinaryMessage
        spawn("connect", lambda: self._news.put(self._connect(ws)))
        outcome = self._outcome()
        if isinstance(outcome, DuplexWebSocket):
            outcome.observer = self._observer
            if self._observer is not None:
                self._observer.opened()
            return outcome
        if not isinstance(outcome, (ConnectFailed, *_ORDINARY)):
            raise outcome
        failed = outcome if isinstance(outcome, ConnectFailed) else self._failed(outcome, ws.getstatus())
        if self._observer is not None:
            refusal = failed.error
            if isinstance(refusal, HttpStatusError):
                self._observer.refused(refusal.status, refusal.body)
            else:
                self._observer.refused(None, str(refusal))
        raise failed from None if outcome is failed else self._api_key.harmless(outcome)

    def _outcome(self) -> BaseException | DuplexWebSocket:
        try:
            outcome = self._news.get(timeout=self._options.connect_timeout)
        except queue.Empty:
            self.abort("no connection in time")
            outcome = None
        while outcome is None:
            with self._lock:
                # A socket that is known was shut down, so its call ends. Nothing else can be ended.
                ends = self._ws is None or self._ws.sock is not None or self._socket is not None
            if not ends:
                return OSError(self._aborted)
            outcome = self._news.get()
        return outcome

    def _connect(self, ws: DuplexWebSocket) -> BaseException | DuplexWebSocket:
        """Runs in the separate thread. Returns the open connection, or what went wrong."""
        # guess: `User-Agent`
        header = [f"User-Agent: simsync/{__version__}"]
        header += [f"{name}: {value}" for name, value in self._api_key.headers().items()]
        try:
            ws.connect(
                self._url,
                header=_Headers(header, self._before_sending),
                timeout=self._options.connect_timeout,
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
        except BaseException as error:  # noqa: BLE001  raised where the outcome is waited for
            self._discard(ws)
            return error
        return ws

    def _before_sending(self) -> None:
        with self._lock:
            if self._aborted is not None:
                raise OSError(self._aborted)

    def _discard(self, ws: DuplexWebSocket) -> None:
        with self._lock:
            self._ws = None
        ws.shutdown()

    def _observe(self, sock: socket.socket | None) -> None:
        with self._lock:
            self._socket = sock
            if self._aborted is not None and sock is not None:
                raise OSError(self._aborted)

    def _refused(self, status: int, body: str) -> ConnectFailed:
        advice = _ADVICE.get(status, "")
        if 300 <= status < 400:
            advice = "redirects are not followed, the API key would go with them: use the final address"
        final = status in _FINAL_STATUSES or 300 <= status < 400
        return ConnectFailed(HttpStatusError(self._url, status, self._api_key.hidden_in(body), advice), final=final)

    def _failed(self, error: Exception, status: int | None) -> ConnectFailed:
        if isinstance(error, websocket.WebSocketBadStatusException):
            body = error.resp_body
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
            return self._refused(error.status_code, text)
        if status is not None and 300 <= status < 400:
            return self._refused(status, "")
        if self._aborted is not None or isinstance(error, (websocket.WebSocketTimeoutException, socket.timeout)):
            reason = f"{self._aborted or 'no connection in time'} ({self._options.connect_timeout:g} s allowed)"
            return ConnectFailed(ConnectError(f"could not connect to {self._url}: {reason}"))
        unreachable = unreachable_reason(self._url, error)
        if unreachable is not None:
            failure = ConnectError(f"could not connect to {self._url}: {unreachable}")
            return ConnectFailed(failure, final=isinstance(error, ssl.SSLCertVerificationError), unreachable=True)
        text = self._api_key.hidden_in(f"could not connect to {self._url}: {type(error).__name__}: {error}")
        return ConnectFailed(ConnectError(text))
