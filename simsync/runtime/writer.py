"""The thread that writes to a control connection. No other thread does."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable

from simsync.protocol.connection_log import WRITER, ConnectionLog
from simsync.protocol.continue_cycle import ContinueCycle
from simsync.runtime.client_frame import client_frames
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.failure import chain_of
from simsync.runtime.outbox import PING, TEXT, Outbox, OutgoingFrame
from simsync.runtime.threads import join, spawn
from simsync.runtime.waiting import Waker


class Writer:
    """Writes what the outbox holds, all of it in one call, and a ping every ``ping_interval`` seconds.

    It lives as long as its connection. If writing fails, it stores the reason in ``failure``, wakes the reader and
    ends.
    """

    def __init__(
        self,
        ws: DuplexWebSocket,
        outbox: Outbox,
        lock: contextlib.AbstractContextManager[Any],
        ping_interval: float,
        wake_reader: Callable[[], None],
        log: ConnectionLog,
    ) -> None:
        """``lock`` guards the continues."""
        self._ws = ws
        self._outbox = outbox
        self._lock = lock
        self._ping_interval = ping_interval
        self._wake_reader = wake_reader
        self._logger = log.to(WRITER)
        self._waker = Waker()
        self._thread: threading.Thread | None = None
        self.failure: str | None = None

    def start(self) -> None:
        self._thread = spawn("writer", self._run)

    def stop(self) -> None:
        """End the thread, whatever it waits for, and wait for its end."""
        self._outbox.stop_writing()
        self._waker.wake()
        # wait: reader | its writer | it was told | a moment
        join(self._thread)
        self._waker.close()

    def _run(self) -> None:
        try:
            self._write_until_stopped()
        except ConnectionLost as lost:
            self.failure = lost.reason
        except Exception as error:
            self._logger.exception("the writer failed")
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
                frames.insert(0, OutgoingFrame(b"", PING))
                next_ping = now + self._ping_interval
            self._write(frames)

    def _write(self, frames: list[OutgoingFrame]) -> None:
        """Write frames in one piece. Continues that were not completely written go back into the outbox."""
        encoded = client_frames([(frame.payload, frame.opcode) for frame in frames])
        if self._ws.observer is not None:
            for frame in frames:
                if frame.opcode == TEXT:
                    self._ws.observer.sent(frame.payload)
        data = memoryview(b"".join(encoded))
        sent = 0
        try:
            while sent < len(data):
                # wait: writer | room in the kernel's buffer | the peer; its waker | the dead-peer check of the reader
                count = self._ws.write_some(data[sent:], waker=self._waker)
                if not count:
                    raise ConnectionLost("the connection was closed while writing")
                sent += count
        except BaseException:
            self._put_back(frames, encoded, sent)
            raise

    def _put_back(self, frames: list[OutgoingFrame], encoded: list[bytes], sent: int) -> None:
        # The server reads complete messages only. A continue of which the kernel has not taken every byte cannot have
        # been executed, so it is safe to send it again; any other one is in doubt from now on.
        unsent: list[ContinueCycle] = []
        end = 0
        with self._lock:
            for frame, data in zip(frames, encoded):
                end += len(data)
                if end > sent and frame.cycle is not None and frame.cycle.put_back():
                    unsent.append(frame.cycle)
        self._outbox.put_back(unsent)
