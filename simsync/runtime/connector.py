"""Opening one WebSocket connection: TCP, TLS and upgrade within one deadline, and a way to abort it.

A separate thread connects, because the library waits for each line of the answer to the upgrade anew. A deadline or
:meth:`Connector.abort` shuts its socket down, which ends every call that blocks on it.
"""

from __future__ import annotations

import contextlib
import math
import queue
import socket
import ssl
import time
from typing import Callable, Generic, TypeVar

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
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.dial import dial
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.exhaustion import Exhausted, exhaustion
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.proxies import target
from simsync.runtime.retry_after import seconds_to_wait
from simsync.runtime.threads import spawn
from simsync.runtime.trust import WEBSOCKET, tls_context
from simsync.runtime.unreachable import unreachable_reason
from simsync.wire.payloads import BinaryMessage

Socket = TypeVar("Socket", bound=DuplexWebSocket)

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
    """What a caller gets when a control connection cannot be made, or restored if it was ``established`` before."""
    if isinstance(cause, ConnectFailed) and not established:
        return cause.error
    error: SimsyncError = ControlFailed(reason) if established else ConnectError(reason)
    error.__cause__ = cause.error if isinstance(cause, ConnectFailed) else cause
    return error


class Connector(Generic[Socket]):
    """One attempt. Its own thread makes the connection; :meth:`abort` may be called from any other.

    Args:
        kind: The class of the connection.
        established: The same address was reached before. Then another attempt may help although the certificates are
            missing or do not fit: a bundle may be replaced at any time.
    """

    def __init__(
        self,
        kind: type[Socket],
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
        self._tell: Callable[[], object] = bool
        # A C queue, because a signal handler may cancel a token in the middle of anything.
        self._news: queue.SimpleQueue[BaseException | Socket | None] = queue.SimpleQueue()
        self._outcome: BaseException | Socket | None = None
        self._ws = kind(max_message=options.max_message, bulk=options.fast_path)
        self._ws.binary = bytes if self._observer is None else BinaryMessage
        self._deadline = math.inf
        self.give_up_at = math.inf
        """When the attempt is aborted, in monotonic seconds."""

    def abort(self, reason: str) -> None:
        self._abort.fire(reason)
        self._news.put(None)
        self._tell()

    def run(self) -> Socket:
        """Make the connection and wait for it. Returns and raises as :meth:`connection`."""
        self.start()
        while not self.has_ended():
            limit = None if self._abort.reason is not None else self.give_up_at
            with contextlib.suppress(queue.Empty):
                # wait: reader | a connection | `simsync-connect`; `Connector.abort` | `connect_timeout`
                self._note(take(self._news, limit))
        return self.connection()

    def start(self, tell: Callable[[], object] = bool) -> None:
        """Begin. ``tell`` is called, in any thread, when :meth:`has_ended` may have changed. Raises Exhausted."""
        self._tell = tell
        self._deadline = time.monotonic() + self._options.connect_timeout
        self.give_up_at = self._deadline + _MOMENT
        spawn("connect", self._run)

    def _run(self) -> None:
        self._news.put(self._connect(self._ws))
        self._tell()

    def has_ended(self) -> bool:
        """Whether the outcome is there. Aborts an attempt whose time is up."""
        if time.monotonic() >= self.give_up_at and self._abort.reason is None:
            self._abort.fire("no connection in time")
            self._note(None)
        while self._outcome is None:
            try:
                self._note(self._news.get_nowait())
            except queue.Empty:
                return False
        return True

    def _note(self, news: BaseException | Socket | None) -> None:
        if news is not None:
            self._outcome = news
        elif not self._abort.ends:
            # A socket that is known was shut down, so its call ends. Anything else does not need to be waited for.
            self._outcome = self._outcome or OSError(self._abort.reason)

    def connection(self) -> Socket:
        """The open connection. Raises :class:`ConnectFailed`."""
        outcome = self._outcome
        if isinstance(outcome, DuplexWebSocket):
            outcome.observer = self._observer
            if self._observer is not None:
                self._observer.opened()
            return outcome
        assert isinstance(outcome, BaseException)
        if not isinstance(outcome, (ConnectFailed, Exhausted, *_ORDINARY)):
            raise outcome
        failed = outcome if isinstance(outcome, ConnectFailed) else self._failed(outcome, self._ws.getstatus())
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

    def _connect(self, ws: Socket) -> BaseException | Socket:
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

    def _upgrade(self, ws: DuplexWebSocket, sock: socket.socket, **more: str) -> None:
        # guess: `User-Agent`
        header = {"User-Agent": f"simsync/{__version__}", **self._api_key.headers(), **more}
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
