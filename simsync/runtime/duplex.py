"""A WebSocket that one thread reads while another writes, also over TLS.

websocket-client does what it is good at: connecting, proxies, TLS, the upgrade, control frames, fragments and the rules
of the protocol. But OpenSSL forbids two threads to use one SSL object at the same time: with the library alone, a TLS
connection that has a timeout breaks when one thread reads while another writes. Here the socket is non-blocking after
the upgrade, a lock is held around each single TLS call, and no thread holds it while it waits.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import time
from collections.abc import Collection
from typing import Any, Callable

import websocket

from simsync.runtime.bulk_websocket import BulkWebSocket
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.handshake_socket import HandshakeSocket
from simsync.runtime.waiting import READ, WRITE, Waker, wait

WRITE_SIZE = 64 * 1024

RECORD_SIZE = 16 * 1024
"""The capacity of a TLS record. A larger write may send some of its records without reporting them as written."""


class DuplexWebSocket(BulkWebSocket):
    """A WebSocket for two threads: one calls :meth:`recv_batch` and :meth:`close`, the other :meth:`write_some`."""

    __slots__ = ("_close_by", "observer", "outgoing")

    send_timeout = 10.0
    """Seconds that a control frame waits for a peer that does not read."""

    def __init__(self, *, max_message: int, bulk: bool = True, **options: Any) -> None:
        super().__init__(max_message=max_message, bulk=bulk, **options)
        self._close_by = math.inf
        self.outgoing: Callable[[bytes, int], None] | None = None
        """If set, it gets the control frames that the library wants to send, with their opcode, and a writer thread
        sends them."""
        self.observer: FrameObserver | None = None
        """Observes the messages of this connection. The code that reads and writes messages calls it."""

    def connect(self, url: str, **options: object) -> None:
        """Connect as the library does, then make the socket non-blocking."""
        sock: Any = options.pop("socket", None)
        answer = HandshakeSocket(sock) if sock is not None else None
        super().connect(url, socket=answer, **options)  # type: ignore[no-untyped-call]
        if answer is not None:
            self.sock, self._buffer, self.bytes_received = sock, answer.rest, len(answer.rest)
        sock = self.sock
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        sock.setblocking(False)
        self.last_inbound = time.monotonic()

    def recv_observed(self, deadline: float, waker: Waker | None = None) -> Collection[bytes]:
        """The same as :meth:`recv_batch`; the observer, if there is one, is shown the messages."""
        # wait: the thread that reads | bytes | the peer; the waker | the deadline given
        payloads = self.recv_batch(deadline, waker)
        if self.observer is None:
            return payloads
        self.observer.received(payloads)
        return [bytes(payload) for payload in payloads]

    # Writing: one thread at a time.

    def write_some(self, data: memoryview | bytes, deadline: float | None = None, waker: Waker | None = None) -> int:
        """Write the beginning of ``data``; waits while the peer does not read.

        After 0 or an error in the middle of a frame the connection cannot be used any more.

        Args:
            data: one or more whole frames, or the rest of them.
            deadline: when to give up, in seconds of :func:`time.monotonic`. None waits without limit.
            waker: another way to end the wait.

        Returns:
            How many bytes the kernel has taken; 0 if the deadline passed or the waker was woken.

        Raises:
            ConnectionLost: the connection has ended.
        """
        while True:
            sent, wanted = self._try_write(data)
            if sent:
                return sent
            # wait: the thread that writes | room in the kernel's buffer | the peer; the waker | the deadline given
            ready, woken = wait(self.sock, wanted, waker, deadline)
            if not ready and (woken or deadline is not None):
                return 0

    def _try_write(self, data: memoryview | bytes) -> tuple[int, int]:
        """Write without waiting. Returns how many bytes the kernel has taken, and what to wait for if none."""
        part = data[: RECORD_SIZE if self._is_tls else WRITE_SIZE]
        try:
            if self.sock is None:
                raise ConnectionLost("the connection is closed")
            if not self._is_tls:
                return int(self.sock.send(part)), WRITE
            with self._tls_call:
                return int(self.sock.send(part)), WRITE
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0, WRITE
        except ssl.SSLWantReadError:
            return 0, READ
        except OSError as error:
            raise ConnectionLost(f"writing failed: {error}") from error

    def send(self, payload: bytes | str, opcode: int = websocket.ABNF.OPCODE_TEXT) -> int:
        """Send one frame, or leave that to ``outgoing`` if it is set.

        The library calls this for pong and close frames, from the thread that reads. With a writer thread they have to
        take its way: written from here, they could end up in the middle of a frame that is written in pieces.
        """
        if self.outgoing is None:
            return int(super().send(payload, opcode))
        raw = payload.encode("utf-8") if isinstance(payload, str) else payload
        self.outgoing(raw, opcode)
        return len(raw)

    def _send(self, data: str | bytes) -> int:
        """Called by the library to write a frame."""
        raw = data.encode("utf-8") if isinstance(data, str) else data
        deadline = min(time.monotonic() + self.send_timeout, self._close_by)
        # wait: the thread that reads, sending | room in the kernel's buffer | the peer; its waker | 10 s
        sent = self.write_some(raw, deadline, self._waker)
        if not sent:
            raise ConnectionLost("the peer does not read")
        return sent

    def close(self, status: int = 1000, reason: str | bytes = b"", timeout: float | None = 3) -> None:
        """Close the connection with a handshake of at most ``timeout`` seconds. For the thread that reads."""
        if not self.connected:
            self.shutdown()
            return
        self._close_by = deadline = math.inf if timeout is None else time.monotonic() + timeout
        with contextlib.suppress(ConnectionLost, OSError, websocket.WebSocketException):
            super().send_close(status, reason)
            while time.monotonic() < deadline:
                # wait: the thread that reads | the answer to a close frame | the peer | the timeout given
                self.recv_batch(deadline)
        self.shutdown()

    def send_close(self, status: int = 1000, reason: str | bytes = b"") -> None:
        """Send a close frame if the connection is up; the library does the same when it receives one."""
        if self.connected:
            # The peer may be gone already. Its close frame, which is still to be read, says why; this error does not.
            with contextlib.suppress(ConnectionLost):
                super().send_close(status, reason)

    def shutdown(self) -> None:
        """Close the socket at once. No thread may be reading or writing any more."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        super().shutdown()  # type: ignore[no-untyped-call]
