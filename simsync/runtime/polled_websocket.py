"""A WebSocket that never waits, for a thread that waits for many connections at once."""

from __future__ import annotations

import math
import socket
import time

from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.duplex import DuplexWebSocket
from simsync.wire.payloads import Payloads

UNANSWERED = 16 * 1024
"""Bytes that a peer has not taken yet, after which its pings are not answered."""


class PolledWebSocket(DuplexWebSocket):
    """Receives what is there, and keeps what the peer does not take yet. One thread uses it.

    When :meth:`receive` has returned nothing, wait for :attr:`wanted` on ``sock``, at most until :attr:`write_by`, and
    call :meth:`look_again`.
    """

    _unsent = b""
    _unsent_since = math.inf
    was_cut_short = False
    """:meth:`receive` has stopped although there is more: call it again soon, without waiting."""

    def take_over(self, sock: socket.socket, received: bytes) -> None:
        """Use a connection on which the upgrade is done. ``received``: what has come after the answer to it."""
        self.sock, self.connected = sock, True
        self._buffer, self.bytes_received = received, len(received)
        self.last_inbound = time.monotonic()

    def receive(self) -> Payloads:
        """Return the data messages that are there, in order; empty if there are none.

        Raises:
            ConnectionLost: The connection has ended, and all messages before its end were returned.
        """
        self.was_cut_short = False
        # wait: subscription | nothing: it never waits | – | 0 s
        return self.recv_batch()

    def look_again(self) -> None:
        """After a wait: read, and write what is left. Raises ConnectionLost."""
        self._more_at_hand = True
        self._write_on()
        if time.monotonic() >= self.write_by:
            raise ConnectionLost("the peer does not read")

    def pong(self, payload: str | bytes = "") -> None:
        """Answer a ping, unless the peer does not take the answers: the protocol allows leaving some out."""
        if len(self._unsent) < UNANSWERED:
            super().pong(payload)

    @property
    def wanted(self) -> int:
        return self._wait_for | self._write_waits_for

    @property
    def write_by(self) -> float:
        """When the peer must have read something of what is left, in monotonic seconds."""
        return self._unsent_since + self.send_timeout

    _write_waits_for = 0

    def _send(self, data: str | bytes) -> int:
        """Called by the library to write a frame."""
        raw = data.encode("utf-8") if isinstance(data, str) else data
        self._unsent += raw
        self._write_on()
        return len(raw)

    def _write_on(self) -> None:
        while self._unsent:
            sent, wanted = self._try_write(self._unsent)
            if not sent:
                self._write_waits_for = wanted
                self._unsent_since = min(self._unsent_since, time.monotonic())
                return
            self._unsent = self._unsent[sent:]
            self._unsent_since = math.inf
        self._write_waits_for = 0

    def _await_bytes(self) -> bool:
        return False

    def _called_off(self) -> bool:
        # A peer that sends only pings must not keep the thread from its other connections.
        self.was_cut_short = True
        return True
