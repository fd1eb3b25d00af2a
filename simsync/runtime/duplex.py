"""A WebSocket that one thread may read while another one writes, also over TLS, and that reads in bulk.

websocket-client does what it is good at: connecting, proxies, TLS, the upgrade, control frames, fragments and the rules
of the protocol. Two things are done here instead:

* **Duplex.** Reading and writing one TLS object from two threads breaks connections once the socket has a timeout:
  OpenSSL forbids simultaneous use of one SSL object. After the upgrade the socket is non-blocking, one lock is held
  around each single TLS call, and nobody holds it while waiting.
* **Bulk.** The library reads two or three times per frame. Here everything that is there is read (until the socket has
  no more, or up to ``drain_limit``), and plain data frames are cut out of the buffer in one loop. Any other frame is
  handed to the library, which takes its bytes from the same buffer.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Callable

import websocket

from simsync.runtime.waking import READ, WRITE, Waker, wait
from simsync.wire.payloads import PLAIN, BinaryMessage, Payloads, cut_frames

if TYPE_CHECKING:
    from simsync.runtime.tap import Tap

READ_SIZE = 64 * 1024
"""Bytes asked of one ``recv``. From 128 KiB on the allocation alone costs ten times as much."""

DRAIN_LIMIT = 1024 * 1024
"""What :attr:`DuplexWebSocket.drain_limit` is at first."""

QUIET_READ = 16 * 1024
"""A first read shorter than this, on plain TCP, means that nothing else is there."""

WRITE_SIZE = 64 * 1024

RECORD_SIZE = 16 * 1024
"""What one TLS record holds. Of a larger write the first records may go out, and be read, without being reported."""

CHECK_EVERY = 256
"""Reads of the library after which the clock and the waker are looked at although there is more to read. A peer that
sends nothing but pings or empty fragments must not keep the reader for ever."""


class LinkLost(Exception):
    """The connection has ended; ``code`` is the close code if a close frame came."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class DuplexWebSocket(websocket.WebSocket):
    """See the module. One thread reads (:meth:`recv_batch`) and closes, one writes (:meth:`write_some`)."""

    send_timeout = 10.0
    """Seconds that a control frame may wait for a peer that does not read."""

    def __init__(self, *, max_message: int, bulk: bool = True, **options: Any) -> None:
        # ``max_message``: bytes, at least 65,536, so that only frames with a long header need the check. ``bulk``: cut
        # plain frames out of the buffer here; without it the library gets each of them.
        options["skip_utf8_validation"] = True  # the JSON decoder validates, a thousand times faster
        super().__init__(**options)
        self.max_message = max_message
        self._plain = PLAIN if bulk else ()
        self.last_inbound = time.monotonic()
        self.bytes_received = 0
        self._tls_call = threading.Lock()
        self._is_tls = False
        self._buffer = b""
        self._position = 0
        self._chunks: list[bytes] = []
        self._collected = 0
        self._needed = 1
        self._more_at_hand = True
        self._library_mode = False
        self._library_bytes = 0
        self._library_reads = 0
        self._deadline: float | None = None
        self._close_by: float | None = None
        self._waker: Waker | None = None
        self._end: LinkLost | None = None
        self.drain_limit = DRAIN_LIMIT
        """Bytes after which a batch is handed on although more could be read."""
        self.was_waiting = False
        """Had the last :meth:`recv_batch` to wait? Then it has seen at once what came, also the end."""
        self.binary: Callable[[bytes], bytes] = BinaryMessage
        """What becomes of the payload of a binary frame; plain ``bytes`` where it is as good as text."""
        self.outgoing: Callable[[bytes, int], None] | None = None
        """Takes the frames that the library wants to send (pong, close) where a writer does the sending."""
        self.tap: Tap | None = None
        """Whoever reads or writes shows it the messages; it stays here because it belongs to the connection."""

    def connect(self, url: str, **options: Any) -> None:
        """As the library's; afterwards the socket is non-blocking and safe for a reader and a writer."""
        super().connect(url, **options)  # type: ignore[no-untyped-call]
        if self.sock is not None:
            self._is_tls = isinstance(self.sock, ssl.SSLSocket)
            self.sock.setblocking(False)
            self.last_inbound = time.monotonic()

    # Reading: only ever from one thread.

    def recv_batch(self, deadline: float | None = None, waker: Waker | None = None) -> Payloads:
        """All data messages at hand, at least one; empty when ``deadline`` passed or ``waker`` was pulled.

        ``deadline`` is in seconds on the clock of :func:`time.monotonic`. Pings are answered through :meth:`pong` on
        the way. Raises :class:`LinkLost` once the connection has ended and all messages before that were returned.
        """
        self._deadline = deadline
        self._waker = waker
        self._library_reads = 0
        self.was_waiting = False
        try:
            while True:
                if self._end is not None:
                    raise LinkLost(self._end.reason, self._end.code)
                if self._library_mode:
                    message = self._library_frame()
                    if message is not None:
                        return Payloads([message])
                    continue
                payloads = self._cut_frames()
                if payloads.blocks:
                    return payloads
                if not self._library_mode and self._end is None and not self._fill():
                    return Payloads()
        except websocket.WebSocketTimeoutException:
            return Payloads()
        except LinkLost as lost:
            self._end = lost
            raise
        except (websocket.WebSocketException, OSError, struct.error) as error:
            self._end = LinkLost(f"{type(error).__name__}: {error}")
            raise LinkLost(self._end.reason) from error

    @property
    def is_drained(self) -> bool:
        """Everything that had arrived was handed out, when it was last looked."""
        in_hand = bool(self._chunks) or self._position < len(self._buffer) or self._library_mode
        return not in_hand and not self._more_at_hand

    def _cut_frames(self) -> Payloads:
        """Take the plain data frames that are complete from the buffer, up to the first frame of another kind."""
        cut = cut_frames(self._buffer, self._position, self.max_message, plain=self._plain, binary=self.binary)
        self._position = cut.position
        if cut.oversized:
            self._end = self._oversized(cut.oversized)
        elif not cut.missing:
            self._library_mode = True
        self._needed = max(1, cut.missing)
        if cut.position == len(self._buffer):
            self._buffer, self._position = b"", 0  # an idle connection holds no memory
        return cut.payloads

    def _oversized(self, length: int) -> LinkLost:
        return LinkLost(f"a message of {length} bytes is larger than the limit of {self.max_message} bytes")

    def _library_frame(self) -> bytes | None:
        """Let the library take one frame, or one fragmented message, from the buffer."""
        opcode, frame = self.recv_data_frame(control_frame=True)
        self._library_mode = self.cont_frame.recving_frames is not None
        if not self._library_mode:
            self._library_bytes = 0
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = struct.unpack("!H", frame.data[:2])[0] if len(frame.data) >= 2 else None
            reason = bytes(frame.data[2:]).decode("utf-8", "replace")
            text = f"the server closed the connection (code {code if code is not None else 'none'}"
            raise LinkLost(f"{text}: {reason})" if reason else f"{text})", code)
        if opcode == websocket.ABNF.OPCODE_TEXT:
            return bytes(frame.data)
        if opcode == websocket.ABNF.OPCODE_BINARY:
            return self.binary(frame.data)
        return None

    def _recv(self, bufsize: int) -> bytes:
        """Where the library gets its bytes from."""
        self._library_reads += 1
        if self._library_reads % CHECK_EVERY == 0 and self._called_off():
            raise websocket.WebSocketTimeoutException("out of time, although there is more to read")
        if self._position >= len(self._buffer):
            self._needed = 1
            if not self._fill():
                raise websocket.WebSocketTimeoutException("nothing to read in time")
        chunk = self._buffer[self._position : self._position + bufsize]
        self._position += len(chunk)
        self._library_bytes += len(chunk)
        # Frame headers come on top of the payload; a ping between fragments counts as well.
        if self._library_bytes > self.max_message + 16 * 1024:
            raise self._oversized(self._library_bytes)
        return chunk

    def _called_off(self) -> bool:
        """Whether the deadline has passed or the waker was pulled."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return True
        return self._waker is not None and wait(None, READ, self._waker, 0.0)[1]

    def _fill(self) -> bool:
        """Read until ``_needed`` more bytes are there, then all that is at hand; False when out of time or woken."""
        while not self._drain():
            ready, woken = wait(self.sock, self._wait_for, self._waker, 0.0)
            self.was_waiting = not ready
            if not ready and not woken:
                ready, woken = wait(self.sock, self._wait_for, self._waker, self._deadline)
            if not ready and (woken or self._deadline is not None):
                return False
            self._more_at_hand = True
        rest = self._buffer[self._position :]
        self._buffer = b"".join([rest, *self._chunks]) if rest or len(self._chunks) > 1 else self._chunks[0]
        self._position = 0
        self._chunks = []
        self.bytes_received += self._collected
        self._collected = 0
        return True

    _wait_for = READ

    def _drain(self) -> bool:
        """Read without waiting; True when at least ``_needed`` bytes have been collected."""
        if self.sock is None:
            raise LinkLost("the connection is closed")
        if not self._more_at_hand:
            return False
        chunks = self._chunks
        collected = self._collected
        limit = max(self.drain_limit, self._needed)
        self._wait_for = READ
        while collected < limit:
            try:
                if self._is_tls:
                    with self._tls_call:
                        chunk = self.sock.recv(READ_SIZE)
                else:
                    chunk = self.sock.recv(READ_SIZE)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._more_at_hand = False
                break
            except ssl.SSLWantWriteError:
                self._wait_for = WRITE
                self._more_at_hand = False
                break
            except OSError as error:
                return self._ended(f"reading failed: {error}", collected, error)
            if not chunk:
                return self._ended("the connection ended without a close frame", collected)
            chunks.append(chunk)
            collected = self._collected = collected + len(chunk)
            if len(chunk) < QUIET_READ and len(chunks) == 1 and not self._is_tls:
                self._more_at_hand = False
                break
        if collected:
            self.last_inbound = time.monotonic()
        return collected >= self._needed

    def _ended(self, reason: str, collected: int, cause: OSError | None = None) -> bool:
        """The stream is over: hand out the complete frames that are still there, fail at the next read."""
        if collected >= self._needed:
            return True
        self._more_at_hand = False  # there was nothing more than its end
        raise LinkLost(reason) from cause

    # Writing: only ever from one thread at a time.

    def write_some(self, data: memoryview | bytes, deadline: float | None = None, waker: Waker | None = None) -> int:
        """Hand some of ``data`` to the kernel and return how many bytes; waits while the peer does not read.

        Returns 0 when ``deadline`` passed or ``waker`` was pulled. Raises :class:`LinkLost`. After 0 or an error the
        connection is of no more use if a frame was begun.
        """
        part = data[: RECORD_SIZE if self._is_tls else WRITE_SIZE]
        while True:
            wanted = WRITE
            try:
                if self.sock is None:
                    raise LinkLost("the connection is closed")
                if not self._is_tls:
                    return int(self.sock.send(part))
                with self._tls_call:
                    return int(self.sock.send(part))
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            except ssl.SSLWantReadError:
                wanted = READ
            except OSError as error:
                raise LinkLost(f"writing failed: {error}") from error
            ready, woken = wait(self.sock, wanted, waker, deadline)
            if not ready and (woken or deadline is not None):
                return 0

    def send(self, payload: bytes | str, opcode: int = websocket.ABNF.OPCODE_TEXT) -> int:
        """As the library's, or handed to ``outgoing`` if there is one."""
        if self.outgoing is None:
            return int(super().send(payload, opcode))
        raw = payload.encode("utf-8") if isinstance(payload, str) else payload
        self.outgoing(raw, opcode)
        return len(raw)

    def _send(self, data: str | bytes) -> int:
        """Where the library's own sends (pong, close, send) end up."""
        raw = data.encode("utf-8") if isinstance(data, str) else data
        deadline = time.monotonic() + self.send_timeout
        if self._close_by is not None:
            deadline = min(deadline, self._close_by)
        sent = self.write_some(raw, deadline, self._waker)
        if not sent:
            raise LinkLost("the peer does not read")
        return sent

    def close(self, status: int = 1000, reason: str | bytes = b"", timeout: float | None = 3) -> None:
        """Close handshake within ``timeout`` seconds, also when the peer is mute. Only for the thread that reads."""
        if not self.connected:
            self.shutdown()
            return
        self._close_by = deadline = None if timeout is None else time.monotonic() + timeout
        with contextlib.suppress(LinkLost, OSError, websocket.WebSocketException):
            super().send_close(status, reason)
            while deadline is None or time.monotonic() < deadline:
                self.recv_batch(deadline)
        self.shutdown()

    def send_close(self, status: int = 1000, reason: str | bytes = b"") -> None:
        if self.connected:  # one close frame is enough, whoever was first
            with contextlib.suppress(LinkLost):  # the peer may be gone already; its close code must not be lost
                super().send_close(status, reason)

    def shutdown(self) -> None:
        """Close the socket at once. Nobody may be reading or writing any more."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        super().shutdown()  # type: ignore[no-untyped-call]
