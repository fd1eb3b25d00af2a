"""What waits to be sent on a control connection."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Union

import websocket

from simsync.protocol.route import Route
from simsync.runtime.deadline import seconds_until

TEXT = websocket.ABNF.OPCODE_TEXT
PING = websocket.ABNF.OPCODE_PING


class UrgentFrame:
    """A frame of the present connection only: handshake, ping, pong, close. It overtakes continues."""

    __slots__ = ("opcode", "payload")

    def __init__(self, payload: bytes, opcode: int = TEXT) -> None:
        self.payload = payload
        self.opcode = opcode


Frame = Union[UrgentFrame, Route]
"""A route stands for the continue that it holds."""


class Outbox:
    """A bounded queue of continues, which outlive a connection, and the urgent frames of the present connection."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._guard = threading.RLock()  # guards everything below; written in C, so Ctrl-C cannot leave it taken
        self._changed = threading.Condition(self._guard)
        self._urgent: deque[UrgentFrame] = deque()
        self._continues: deque[Route] = deque()
        self._continues_flow = False
        self._writing = False
        self._closed = False

    def open(self) -> None:
        """A connection is up. Continues have to wait until :meth:`let_continues_flow`."""
        with self._guard:
            self._urgent.clear()
            self._continues_flow = False
            self._writing = True

    def let_continues_flow(self) -> None:
        with self._guard:
            self._continues_flow = True
            self._changed.notify_all()

    def stop_writing(self) -> None:
        """The connection is gone: its writer shall end."""
        with self._guard:
            self._writing = False
            self._continues_flow = False
            self._changed.notify_all()

    def close(self) -> None:
        """No continue will be sent any more, and nobody may wait for a place."""
        with self._guard:
            self._closed = True
            self._continues.clear()
            self._changed.notify_all()

    def put_urgent(self, payload: bytes, opcode: int = TEXT) -> None:
        with self._guard:
            self._urgent.append(UrgentFrame(payload, opcode))
            self._changed.notify_all()

    def put_continue(self, route: Route, deadline: float | None) -> bool:
        """Wait for a place until ``deadline`` (monotonic seconds); False when there was none, or the outbox closed."""
        with self._guard:
            while len(self._continues) >= self._limit and not self._closed:
                left = seconds_until(deadline)
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            if self._closed:
                return False
            self._continues.append(route)
            self._changed.notify_all()
            return True

    def put_continue_now(self, route: Route) -> None:
        """Without waiting: there are at most as many as sub-sessions."""
        self._put([route])

    def put_back(self, routes: Iterable[Route]) -> None:
        """Continues that were not wholly written go first next time."""
        self._put(list(routes), first=True)

    def _put(self, routes: list[Route], *, first: bool = False) -> None:
        with self._guard:
            if self._closed:
                return
            if first:
                self._continues.extendleft(reversed(routes))
            else:
                self._continues.extend(routes)
            self._changed.notify_all()

    def take(self, deadline: float) -> list[Frame] | None:
        """Everything that may be sent, as soon as there is something; empty at ``deadline``; None to end.

        What is urgent (the answer to a close frame) still goes out when the writer is told to end.
        """
        with self._guard:
            while True:
                frames: list[Frame] = list(self._urgent)
                self._urgent.clear()
                if not self._writing:
                    return frames or None
                if self._continues_flow and self._continues:
                    frames.extend(self._continues)
                    self._continues.clear()
                    self._changed.notify_all()  # there are places again
                remaining = deadline - time.monotonic()
                if frames or remaining <= 0:
                    return frames
                self._changed.wait(remaining)
