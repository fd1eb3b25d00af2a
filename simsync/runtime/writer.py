"""The thread that writes to a control connection; the only one that does."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import AbstractContextManager
from typing import Callable

import websocket

from simsync.protocol.route import Route
from simsync.runtime.duplex import DuplexWebSocket, LinkLost
from simsync.runtime.failure import chain_of
from simsync.runtime.outbox import PING, TEXT, Frame, Outbox, UrgentFrame
from simsync.runtime.threads import spawn
from simsync.runtime.waking import Waker

logger = logging.getLogger("simsync.writer")


class Writer:
    """Writes what the outbox holds, everything that waits in one call, and a ping every ``ping_interval`` seconds.

    It lives as long as its connection. When writing fails it says so in ``failure``, wakes the reader and ends.
    """

    def __init__(
        self,
        ws: DuplexWebSocket,
        outbox: Outbox,
        conversation_lock: AbstractContextManager[object],
        ping_interval: float,
        wake_reader: Callable[[], None],
    ) -> None:
        self._ws = ws
        self._outbox = outbox
        self._conversation_lock = conversation_lock
        self._ping_interval = ping_interval
        self._wake_reader = wake_reader
        self._waker = Waker()
        self._thread: threading.Thread | None = None
        self.failure: str | None = None

    def start(self) -> None:
        self._thread = spawn("writer", self._run)

    def stop(self) -> None:
        """End the thread and wait for it; it is woken from whatever it waits for."""
        self._outbox.stop_writing()
        self._waker.wake()
        if self._thread is not None:
            self._thread.join()
        self._waker.close()

    def _run(self) -> None:
        try:
            self._write_until_stopped()
        except LinkLost as lost:
            self.failure = lost.reason
        except Exception as error:
            logger.exception("the writer failed")
            self.failure = f"the writer failed: {chain_of(error)}"
        finally:
            self._wake_reader()

    def _write_until_stopped(self) -> None:
        next_ping = time.monotonic()
        while True:
            frames = self._outbox.take(next_ping)
            if frames is None:
                return
            now = time.monotonic()
            if now >= next_ping:
                frames.insert(0, UrgentFrame(b"", PING))
                next_ping = now + self._ping_interval
            self._write(frames)

    def _write(self, frames: list[Frame]) -> None:
        """Write frames in one piece; continues that were not wholly written go back into the outbox."""
        with self._conversation_lock:
            frames = [frame for frame in frames if isinstance(frame, UrgentFrame) or frame.cycle.take()]
            # Here, because a session that ends drops the continue that it holds.
            encoded = [_encode(frame) for frame in frames]
        data = memoryview(b"".join(encoded))
        sent = 0
        try:
            while sent < len(data):
                count = self._ws.write_some(data[sent:], waker=self._waker)
                if not count:
                    raise LinkLost("the connection was closed while writing")
                sent += count
        except BaseException:
            self._put_back(frames, encoded, sent)
            raise

    def _put_back(self, frames: list[Frame], encoded: list[bytes], sent: int) -> None:
        unsent: list[Route] = []
        end = 0
        with self._conversation_lock:
            for frame, data in zip(frames, encoded):
                end += len(data)
                if end > sent and isinstance(frame, Route) and frame.cycle.put_back():
                    unsent.append(frame)
        self._outbox.put_back(unsent)


def _encode(frame: Frame) -> bytes:
    if isinstance(frame, Route):
        payload, opcode = frame.cycle.payload, TEXT
    else:
        payload, opcode = frame.payload, frame.opcode
    return bytes(websocket.ABNF.create_frame(payload, opcode).format())
