"""A WebSocket that is read in bulk.

websocket-client makes two or three reads per frame. Here everything available is read at once (until the socket is
empty, or up to ``drain_limit``), and plain data frames are cut out of the buffer in one loop
(:mod:`simsync.wire.payloads`). Any other frame is left to the library, which takes its bytes from the same buffer.
"""

from __future__ import annotations

import ssl
import struct
import threading
import time
from typing import Any, Callable

import websocket

from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.waiting import READ, WRITE, Waker, wait
from simsync.wire.payloads import PLAIN, BinaryMessage, Cut, Payloads, cut_frames

READ_SIZE = 64 * 1024
"""Bytes requested by one ``recv``. From 128 KiB on the allocation alone costs ten times as much."""

LARGE_READ = 1024 * 1024
"""Bytes requested after a read of at least :data:`READ_SIZE`: then the system calls cost more than the allocation."""

DRAIN_LIMIT = 1024 * 1024
"""Initial value of :attr:`BulkWebSocket.drain_limit`."""

QUIET_READ = 16 * 1024
"""On plain TCP, a first read shorter than this means that the socket is empty."""

_LONGEST_HEADER = 10
"""Bytes; of a frame without a mask."""

CHECK_EVERY = 256
"""Reads by the library between two looks at the deadline and the waker. Without them a peer that sends only pings or
empty fragments would keep the reader busy for ever."""


class BulkWebSocket(websocket.WebSocket):
    """A WebSocket on a socket that does not block. One thread calls :meth:`recv_batch`.

    Args:
        max_message: the largest message to accept, in bytes; at least 65,536.
        bulk: cut plain data frames out of the buffer here. If False, the library reads every frame.
        options: passed on to ``websocket.WebSocket``.
    """

    # More attributes than an object holds without a dict of 1.5 KiB.
    __slots__ = ("_begun", "_buffer", "_chunks", "_collected", "_deadline", "_end", "_is_tls", "_library_bytes",
                 "_library_mode", "_library_reads", "_more_at_hand", "_needed", "_plain", "_position", "_read_size",
                 "_tls_call", "_wait_for", "_waker", "binary", "bytes_received", "drain_limit", "last_inbound",
                 "max_message")  # fmt: skip

    def __init__(self, *, max_message: int, bulk: bool = True, **options: Any) -> None:
        options["skip_utf8_validation"] = True  # the JSON decoder validates, a thousand times faster
        super().__init__(**options)
        self.max_message = max_message
        self._plain = PLAIN if bulk else ()
        self.last_inbound = time.monotonic()
        self.bytes_received = 0
        self._tls_call = threading.Lock()  # held for each single call of OpenSSL
        self._is_tls = False
        self._wait_for = READ
        self._begun = b""  # a frame that came in two parts; it comes before the buffer
        self._buffer = b""
        self._position = 0  # everything before it in the buffer has been used
        self._chunks: list[bytes] = []  # read from the socket, not yet in the buffer
        self._collected = 0  # bytes in these chunks
        self._read_size = READ_SIZE
        self._needed = 1  # bytes without which no progress is possible
        self._more_at_hand = True  # the socket may have more; False once it was found empty
        self._library_mode = False  # the next frame is left to the library
        self._library_bytes = 0  # taken by the library for the message that it is reading
        self._library_reads = 0
        self._deadline: float | None = None
        self._waker: Waker | None = None
        self._end: ConnectionLost | None = None
        self.drain_limit = DRAIN_LIMIT
        """Bytes after which a batch is returned even if more could be read."""
        self.binary: Callable[[bytes], bytes] = BinaryMessage
        """Applied to the payload of each binary frame. Plain ``bytes`` if binary frames are treated like text."""

    def recv_batch(self, deadline: float | None = None, waker: Waker | None = None) -> Payloads:
        """Wait for data messages and return all that are available, in order.

        Pings are answered in the meantime.

        Args:
            deadline: when to give up, in seconds of :func:`time.monotonic`. None waits without limit.
            waker: another way to end the wait.

        Returns:
            The payloads of at least one message; empty if the deadline passed or the waker was woken.

        Raises:
            ConnectionLost: the connection has ended, and all messages before its end were returned.
        """
        self._deadline = deadline
        self._waker = waker
        self._library_reads = 0
        try:
            while True:
                if self._end is not None:
                    raise ConnectionLost(self._end.reason, self._end.code)
                if self._library_mode:
                    message = self._library_frame()
                    if message is not None:
                        return Payloads([message])
                    continue
                if self._position < len(self._buffer):
                    payloads = self._cut_frames()
                    if payloads.blocks:
                        return payloads
                if not self._library_mode and self._end is None and not self._fill():
                    return Payloads()
        except websocket.WebSocketTimeoutException:
            return Payloads()
        except ConnectionLost as lost:
            self._end = lost
            raise
        except (websocket.WebSocketException, OSError, struct.error) as error:
            self._end = ConnectionLost(f"{type(error).__name__}: {error}")
            raise ConnectionLost(self._end.reason) from error

    @property
    def is_drained(self) -> bool:
        """True if everything that had arrived at the last read has been returned."""
        in_hand = bool(self._chunks) or self._position < len(self._buffer) or self._library_mode
        return not in_hand and not self._more_at_hand

    def _cut_frames(self) -> Payloads:
        """Take complete plain data frames from the buffer, up to the first frame of another kind."""
        begun, self._begun = self._begun, b""
        cut = self._cut(self._buffer, self._position)
        if begun:
            cut.payloads.blocks[:0] = self._cut(begun, 0).payloads.blocks
        self._position = cut.position
        if cut.oversized:
            self._end = self._oversized(cut.oversized)
        elif cut.missing:
            # Of all that was read only the beginning of a frame is left. The rest of the memory is for others.
            self._buffer, self._position = self._buffer[cut.position :], 0
        else:
            self._library_mode = True
        self._needed = max(1, cut.missing)
        return cut.payloads

    def _cut(self, buffer: bytes, position: int) -> Cut:
        return cut_frames(buffer, position, self.max_message, plain=self._plain, binary=self.binary)

    def _oversized(self, length: int) -> ConnectionLost:
        return ConnectionLost(f"a message of {length} bytes is larger than the limit of {self.max_message} bytes")

    def _library_frame(self) -> bytes | None:
        """Let the library read one frame or one fragment; returns the message if that completes one.

        The library checks the frame, answers a ping and puts fragments together. It keeps its state when it runs out of
        time in the middle of a frame, so calling it again continues where it stopped.
        """
        opcode, frame = self.recv_data_frame(control_frame=True)
        # Between two fragments every frame is the library's: a data frame there is an error that only it detects.
        self._library_mode = self.cont_frame.recving_frames is not None
        if not self._library_mode:
            self._library_bytes = 0
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = struct.unpack("!H", frame.data[:2])[0] if len(frame.data) >= 2 else None
            reason = bytes(frame.data[2:]).decode("utf-8", "replace")
            text = f"the server closed the connection (code {code if code is not None else 'none'}"
            raise ConnectionLost(f"{text}: {reason})" if reason else f"{text})", code)
        if opcode == websocket.ABNF.OPCODE_TEXT:
            return bytes(frame.data)
        if opcode == websocket.ABNF.OPCODE_BINARY:
            return self.binary(frame.data)
        return None

    def _recv(self, bufsize: int) -> bytes:
        """Called by the library for its bytes, in place of reading from the socket."""
        self._library_reads += 1
        if self._library_reads % CHECK_EVERY == 0 and self._called_off():
            raise websocket.WebSocketTimeoutException("the wait has ended, although there is more to read")
        if self._position >= len(self._buffer):
            self._needed = 1
            if not self._fill():
                raise websocket.WebSocketTimeoutException("nothing to read in time")
        chunk = self._buffer[self._position : self._position + bufsize]
        self._position += len(chunk)
        self._library_bytes += len(chunk)
        # The allowance is for frame headers and for pings between fragments, which are counted as well.
        if self._library_bytes > self.max_message + 16 * 1024:
            raise self._oversized(self._library_bytes)
        return chunk

    def _called_off(self) -> bool:
        """True if the deadline has passed or the waker was woken."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return True
        # wait: reader | nothing: it looks | – | 0 s
        return self._waker is not None and wait(None, READ, self._waker, 0.0)[1]

    def _fill(self) -> bool:
        """Read until ``_needed`` more bytes are in the buffer, then whatever else is available.

        Returns False if the deadline passed or the waker was woken; what was read stays in ``_chunks`` until next time.
        """
        while not self._drain():
            if not self._await_bytes():
                return False
            self._more_at_hand = True
        rest = self._buffer[self._position :]
        data = b"".join(self._chunks)
        if len(rest) >= _LONGEST_HEADER and self._needed < len(data):
            # Only the frame of which a part was there is copied, not all that came behind it.
            self._begun, self._buffer, self._position = rest + data[: self._needed], data, self._needed
        else:
            self._buffer, self._position = rest + data, 0
        self.bytes_received += self._collected
        self._collected, self._chunks = 0, []
        return True

    def _await_bytes(self) -> bool:
        """False if the deadline passed or the waker was woken."""
        # wait: the thread that reads | bytes | the peer; the waker of `recv_batch` | the deadline of `recv_batch`
        ready, woken = wait(self.sock, self._wait_for, self._waker, self._deadline)
        return ready or not (woken or self._deadline is not None)

    def _drain(self) -> bool:
        """Read without waiting until the socket is empty or ``drain_limit`` is reached.

        Returns True if at least ``_needed`` bytes have been collected.
        """
        if self.sock is None:
            raise ConnectionLost("the connection is closed")
        if not self._more_at_hand:
            return False
        chunks = self._chunks
        collected = self._collected
        limit = max(self.drain_limit, self._needed)
        self._wait_for = READ
        # TLS has to be read until it asks for more. OpenSSL may have decrypted data that poll() does not know about: a
        # short read of one record does not mean that the next one is not there, and waiting for the socket then would
        # wait for bytes that have already arrived.
        while collected < limit:
            try:
                if self._is_tls:
                    # Held for this one call, which never blocks. The writer takes the same lock for its call, so the
                    # two threads never use the SSL object at once, and neither is held up while the other waits.
                    with self._tls_call:
                        chunk = self.sock.recv(READ_SIZE)
                else:
                    chunk = self.sock.recv(self._read_size)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._more_at_hand = False
                break
            except ssl.SSLWantWriteError:
                self._wait_for = WRITE  # TLS answers a key update first
                self._more_at_hand = False
                break
            except OSError as error:
                return self._ended(f"reading failed: {error}", collected, error)
            if not chunk:
                return self._ended("the connection ended without a close frame", collected)
            chunks.append(chunk)
            collected = self._collected = collected + len(chunk)
            if self._is_tls:
                continue
            if len(chunk) < QUIET_READ and len(chunks) == 1:
                self._more_at_hand = False
                break
            if len(chunk) < self._read_size and collected > limit // 8:
                break  # hardly more has come since, and this is enough to go on with
            self._read_size = LARGE_READ if len(chunk) >= READ_SIZE else READ_SIZE
        if collected:
            self.last_inbound = time.monotonic()
        return collected >= self._needed

    def _ended(self, reason: str, collected: int, cause: OSError | None = None) -> bool:
        """The stream has ended: first return the complete frames that are left, and fail at the next read."""
        if collected >= self._needed:
            return True
        self._more_at_hand = False
        raise ConnectionLost(reason) from cause
