"""Ending a control connection in good order: the sessions first, then the WebSocket."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from typing import Any

import websocket

from simsync.protocol.control import ControlProtocol
from simsync.runtime.connection_log import Adapter
from simsync.runtime.duplex import DuplexWebSocket, LinkLost
from simsync.runtime.outbox import Outbox
from simsync.runtime.waiting import Waker


def receive(ws: DuplexWebSocket, deadline: float, waker: Waker | None) -> Collection[bytes]:
    """Receive from a control connection, and show the frames to the observer if there is one."""
    # wait: reader | bytes; the answer to the close | the peer; its waker | handshake, dead-peer and close timeouts
    payloads = ws.recv_batch(deadline, waker)
    if ws.observer is not None:
        ws.observer.received(payloads)
        return [bytes(payload) for payload in payloads]
    return payloads


# guess: closing a connection with all its sessions
# guess: waiting for the answer to a close
def say_goodbye(
    ws: DuplexWebSocket,
    protocol: ControlProtocol,
    lock: contextlib.AbstractContextManager[Any],
    outbox: Outbox,
    close_timeout: float,
    logger: Adapter,
    *,
    end_sessions: bool,
) -> None:
    """Ask the server to end the sessions, then close the WebSocket, within ``close_timeout`` seconds.

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
        while end_sessions and not protocol.close_acknowledged and time.monotonic() < acknowledged_by:
            payloads = receive(ws, acknowledged_by, None)
            with lock:
                protocol.receive(payloads, time.monotonic())
        ws.send_close(websocket.STATUS_NORMAL)
        while time.monotonic() < end:
            receive(ws, end, None)
        logger.warning("the server did not close the connection within %g s", close_timeout)
    except LinkLost as lost:
        if ws.observer is not None:
            ws.observer.ended(lost.reason, lost.code)
        logger.debug("closed: %s", lost.reason)
