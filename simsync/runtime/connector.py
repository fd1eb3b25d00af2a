"""Opening one WebSocket connection: TCP, TLS and upgrade within one deadline, and a way to abort it.

A separate thread connects, because the library waits for each line of the answer to the upgrade anew. A deadline or
:meth:`Connector.abort` shuts its socket down, which ends every call that blocks on it.
"""

from __future__ import annotations

import queue
import socket
import ssl
import time

import websocket

from simsync._version import __version__
from simsync.errors import ConnectError, ControlFailed, HttpStatusError, SimsyncError
from simsync.frames import DATA
from simsync.interruptible import take
from simsync.options import Options
from simsync.params.api_key import NO_KEY, ApiKey
from simsync.protocol.connection_log import ConnectionLog
from simsync.runtime.abort import Abort
from simsync.runtime.addresses import Unreachable
from simsync.runtime.dial import dial
from simsync.runtime.duplex import ConnectionLost, DuplexWebSocket
from simsync.runtime.exhaustion import Exhausted, exhaustion
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.proxies import target
from simsync.runtime.retry_after import seconds_to_wait
from simsync.runtime.threads import spawn
from simsync.runtime.trust import WEBSOCKET, tls_context
from simsync.runtime.unreachable import unreachable_reason
from simsync.wire.payloads import BinaryMessage

_SWITCHING_PROTOCOLS = 101
_MOMENT = 0.1
"""Seconds for the thread to say what it was waiting for when the time was up."""
_ORDINARY = (websocket.WebSocketException, OSError, ConnectionLost, ValueError, LookupError, AttributeError)
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


class Connector:
    """One attempt. :meth:`run` in one thread, :meth:`abort` from any other.

    ``established``: the same address was reached before. Then another attempt may help although the certificates are
    missing or do not fit: a bundle may be replaced at any time.
    """

    def __init__(
        self,
        url: str,
        options: Options,
        api_key: ApiKey = NO_KEY,
        *,
        plane: str = DATA,
        log: ConnectionLog | None = None,
        established: bool = False,
    ) -> None:
        self._established = established
        self._url = url
        self._observer = FrameObserver.of(options.on_frame, plane, url, log)
        self._options = options
        self._api_key = api_key
        self._abort = Abort()
        self._deadline = 0.0
        # A C queue, because a signal handler may cancel a token in the middle of anything.
        self._news: queue.SimpleQueue[BaseException | DuplexWebSocket | None] = queue.SimpleQueue()

    def abort(self, reason: str) -> None:
        self._abort.fire(reason)
        self._news.put(None)

    def run(self) -> DuplexWebSocket:
        """Returns the open connection. Raises :class:`ConnectFailed`."""
        options = self._options
        self._deadline = time.monotonic() + options.connect_timeout
        ws = DuplexWebSocket(max_message=options.max_message, bulk=options.fast_path)
        ws.binary = bytes if self._observer is None else BinaryMessage
        spawn("connect", lambda: self._news.put(self._connect(ws)))
        outcome = self._outcome()
        if isinstance(outcome, DuplexWebSocket):
            outcome.observer = self._observer
            if self._observer is not None:
                self._observer.opened()
            return outcome
        if not isinstance(outcome, (ConnectFailed, Exhausted, *_ORDINARY)):
            raise outcome
        failed = outcome if isinstance(outcome, ConnectFailed) else self._failed(outcome, ws.getstatus())
        if self._observer is not None:
            refusal = failed.error
            if isinstance(refusal, HttpStatusError):
                self._observer.refused(refusal.status, refusal.body)
            else:
                self._observer.refused(None, str(refusal))
        limit = exhaustion(outcome)
        if limit is not None:
            raise limit from self._api_key.harmless(outcome)
        raise failed from None if outcome is failed else self._api_key.harmless(outcome)

    def _outcome(self) -> BaseException | DuplexWebSocket:
        try:
            # wait: reader, subscription | a connection | `simsync-connect`; `Connector.abort` | `connect_timeout`
            outcome = take(self._news, time.monotonic() + self._options.connect_timeout + _MOMENT)
        except queue.Empty:
            self.abort("no connection in time")
            outcome = None
        while outcome is None:
            # A socket that is known was shut down, so its call ends. Anything else does not need to be waited for.
            if not self._abort.ends:
                return OSError(self._abort.reason)
            outcome = take(self._news)
        return outcome

    def _connect(self, ws: DuplexWebSocket) -> BaseException | DuplexWebSocket:
        """Runs in the separate thread. Returns the open connection, or what went wrong."""
        try:
            context = tls_context(self._options, WEBSOCKET) if self._url.startswith("wss:") else None
            # wait: `simsync-connect` | a connection | the peer; `Connector.abort` | `connect_timeout`
            sock = dial(self._url, self._deadline, self._abort)
            duplicate = sock.dup()
            try:
                self._abort.add(duplicate)
                sock.settimeout(self._options.connect_timeout)
                if context is not None:
                    sock = context.wrap_socket(sock, server_hostname=target(self._url)[0])
                self._upgrade(ws, sock)
                self._abort.finish()
            except BaseException:
                sock.close()
                ws.shutdown()
                raise
            finally:
                self._abort.discard(duplicate)
                duplicate.close()
        except Exhausted as error:
            return error
        except ConnectError as error:
            return ConnectFailed(error, final=not error.retryable and not self._established, unreachable=True)
        except BaseException as error:  # noqa: BLE001  raised where the outcome is waited for
            return error
        return ws

    def _upgrade(self, ws: DuplexWebSocket, sock: socket.socket) -> None:
        # guess: `User-Agent`
        header = [f"User-Agent: simsync/{__version__}"]
        header += [f"{name}: {value}" for name, value in self._api_key.headers().items()]
        self._abort.check()  # nothing is sent for a caller that has left
        ws.connect(
            self._url,
            socket=sock,
            header=header,
            timeout=self._options.connect_timeout,
            redirect_limit=0,  # the key must not follow a redirect to another host
            suppress_origin=True,
        )
        if ws.getstatus() != _SWITCHING_PROTOCOLS:
            raise self._refused(ws.getstatus() or 0, "")

    def _refused(self, status: int, body: str, retry_after: float = 0.0) -> ConnectFailed:
        advice = _ADVICE.get(status, "")
        if 300 <= status < 400:
            advice = "redirects are not followed, the API key would go with them: use the final address"
        final = status in _FINAL_STATUSES or 300 <= status < 400
        error = HttpStatusError(self._url, status, self._api_key.hidden_in(body), advice, retry_after)
        return ConnectFailed(error, final=final)

    def _failed(self, error: Exception, status: int | None) -> ConnectFailed:
        if isinstance(error, websocket.WebSocketBadStatusException):
            body = error.resp_body
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
            headers = error.resp_headers or {}
            wait = seconds_to_wait(headers.get("retry-after"), headers.get("date"))
            return self._refused(error.status_code, text, wait)
        if status is not None and 300 <= status < 400:
            return self._refused(status, "")
        if isinstance(error, Unreachable):
            failure = ConnectError(f"could not connect to {self._url}: {error}")
            failure.retry_after = error.retry_after
            return ConnectFailed(failure, final=error.final, unreachable=True)
        aborted = self._abort.reason
        if aborted is not None or isinstance(error, (websocket.WebSocketTimeoutException, socket.timeout)):
            reason = f"{aborted or 'no connection in time'} ({self._options.connect_timeout:g} s allowed)"
            return ConnectFailed(ConnectError(f"could not connect to {self._url}: {reason}"))
        unreachable = unreachable_reason(self._url, error, self._options)
        if unreachable is not None:
            failure = ConnectError(f"could not connect to {self._url}: {unreachable}")
            final = isinstance(error, ssl.SSLCertVerificationError) and not self._established
            return ConnectFailed(failure, final=final, unreachable=True)
        reason = self._api_key.hidden_in(f"{type(error).__name__}: {error}")
        return ConnectFailed(ConnectError(f"could not connect to {self._url}: {reason}"))
