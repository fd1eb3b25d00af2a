"""Ending a control connection in good order: the sessions first, then the WebSocket."""

from __future__ import annotations

import contextlib
import time

import websocket

from simsync.protocol.connection_log import Adapter
from simsync.protocol.control import ControlProtocol
from simsync.protocol.outcome import GiveUp
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.outbox import Outbox


# guess: closing a connection with all its sessions
# guess: waiting for the answer to a close
def say_goodbye(
    ws: DuplexWebSocket,
    protocol: ControlProtocol,
    lock: contextlib.AbstractContextManager[object],
    outbox: Outbox,
    close_timeout: float,
    logger: Adapter,
    *,
    end_sessions: bool,
) -> bool:
    """Ask the server to end the sessions, then close the WebSocket, within ``close_timeout`` seconds.

    Returns False if the connection was lost before the server can be taken to have ended them.

    Keeps reading meanwhile: a server whose messages nobody reads may block, and then it does not read the request.
    ``lock`` guards the protocol. ``end_sessions`` is False for the sessions of another process.
    """
    now = time.monotonic()
    end, acknowledged_by = now + close_timeout, now + close_timeout / 2
    with lock:
        request = protocol.close_request()
    try:
        if end_sessions:
            outbox.add_urgent(request)
        # The outcome is that of an attach just before: if the server refuses it, it does not end the sessions either.
        while (
            end_sessions
            and not protocol.close_acknowledged
            and protocol.outcome is None
            and time.monotonic() < acknowledged_by
        ):
            # wait: reader | the answer to the close | the peer | `close_timeout`
            payloads = ws.recv_observed(acknowledged_by)
            with lock:
                protocol.receive(payloads, time.monotonic())
        ws.send_close(websocket.STATUS_NORMAL)
        while time.monotonic() < end:
            # wait: reader | the close frame of the server | the peer | `close_timeout`
            ws.recv_observed(end)
        logger.warning("the server did not close the connection within %g s", close_timeout)
    except ConnectionLost as lost:
        if ws.observer is not None:
            ws.observer.ended(lost.reason, lost.code)
        logger.debug("closed: %s", lost.reason)
        in_order = lost.code == websocket.STATUS_NORMAL and protocol.outcome is None
        return not end_sessions or protocol.close_acknowledged or in_order
    return protocol.outcome is None


# guess: a connection that is lost before the close was answered
class Farewell:
    """The end of the sessions of one control connection.

    If the connection is lost before the server was told, one more is made to tell it. ``handed_over``: the caller has
    its session; until then, a session of another process is left alone. The lock of the connection guards it.
    """

    def __init__(self, protocol: ControlProtocol, close_timeout: float, logger: Adapter) -> None:
        self._protocol = protocol
        self._logger = logger
        self._close_timeout = close_timeout
        self._connections_left = 1
        self._tried = False
        self._said = False
        self.handed_over = False
        self.close_by: float | None = None
        """When closing ends, in monotonic seconds; None while the session is not being closed."""

    def begin(self) -> float:
        """The session is being closed. Returns when that ends."""
        if self.close_by is None:
            self.close_by = time.monotonic() + self._close_timeout
        return self.close_by

    @property
    def seconds_left(self) -> float | None:
        return None if self.close_by is None else max(0.0, self.close_by - time.monotonic())

    @property
    def _is_ours(self) -> bool:
        return self._protocol.created_here or self.handed_over

    @property
    def is_owed(self) -> bool:
        """The sessions are on the server and would stay there."""
        protocol = self._protocol
        exist = protocol.established_once and protocol.survives_loss and not isinstance(protocol.outcome, GiveUp)
        return exist and self._is_ours and not self._said

    def may_connect(self) -> bool:
        """Another connection, just to say it: once."""
        self._connections_left -= 1
        return self._connections_left >= 0 and self.is_owed

    def say(self, ws: DuplexWebSocket, lock: contextlib.AbstractContextManager[object], outbox: Outbox) -> None:
        """Raises ConnectionLost if the connection was lost too early, and another one may be made."""
        left = self.seconds_left
        timeout = self._close_timeout if left is None else left
        self._said = say_goodbye(ws, self._protocol, lock, outbox, timeout, self._logger, end_sessions=self._is_ours)
        first, self._tried = not self._tried, True
        if self.is_owed and first and self._connections_left:
            raise ConnectionLost("it was lost before the server had ended the sessions")

    def log_if_owed(self) -> None:
        if self.close_by is not None and self.is_owed:
            sessions = ", ".join(self._protocol.sessions)
            self._logger.warning(
                "the server could not be told to end session %s: it keeps it for its disconnect_timeout", sessions
            )
