"""A WebSocket that never waits, for a thread that waits for many connections at once."""

from __future__ import annotations

import math
import socket
import time
from typing import Any

from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.task_loop import Wait
from simsync.wire.payloads import Payloads

UNANSWERED = 16 * 1024
"""Bytes that a peer has not taken yet, after which its pings are not answered."""


class PolledWebSocket(DuplexWebSocket):
    """Receives what is there, and keeps what the peer does not take yet. One thread uses it.

    When :meth:`receive` has returned nothing, wait as :meth:`wait_for_more` says, and call it again.
    """

    __slots__ = ("_unsent", "_unsent_since", "_write_waits_for", "was_cut_short")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._unsent = b""
        self._unsent_since = math.inf
        self._write_waits_for = 0
        self.was_cut_short = False
        """:meth:`receive` has stopped although there is more: call it again soon, without waiting."""

    def take_over(self, sock: socket.socket, received: bytes) -> None:
        """Use a connection on which the upgrade is done. ``received``: what has come after the answer to it."""
        self.sock, self.connected = sock, True
        self._buffer, self.bytes_received = received, len(received)
        self.last_inbound = time.monotonic()

    def receive(self) -> Payloads:
        """Write what is left, and return the data messages that are there, in order; empty if there are none.

        Raises:
            ConnectionLost: The connection has ended, and all messages before its end were returned.
        """
        if self._unsent:
            self._write_on()
            if time.monotonic() >= self._write_by:
                raise ConnectionLost("the peer does not read")
        self.was_cut_short = False
        # wait: subscription | nothing: it never waits | – | 0 s
        return self.recv_batch()

    @property
    def has_more(self) -> bool:
        """After :meth:`receive` has returned messages: it may return more without a wait."""
        return not self.is_drained or self._end is not None

    def wait_for_more(self, deadline: float = math.inf) -> Wait:
        """The wait before the next :meth:`receive`, at most until ``deadline`` (monotonic seconds)."""
        self._more_at_hand = True  # after the wait
        # wait: subscription | bytes | the peer; its task | ping, dead-peer and handshake deadlines
        return Wait(min(deadline, self._write_by), self.sock, self.wanted)

    def pong(self, payload: str | bytes = "") -> None:
        """Answer a ping, unless the peer does not take the answers: the protocol allows leaving some out."""
        if len(self._unsent) < UNANSWERED:
            super().pong(payload)

    @property
    def wanted(self) -> int:
        return self._wait_for | self._write_waits_for

    @property
    def _write_by(self) -> float:
        """When the peer must have read something of what is left, in monotonic seconds."""
        return self._unsent_since + self.send_timeout

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
