"""What waits to be sent on a control connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Optional

import websocket

from simsync.protocol.continue_cycle import ContinueCycle
from simsync.runtime.waiting import InterruptSafeCondition

TEXT = websocket.ABNF.OPCODE_TEXT
PING = websocket.ABNF.OPCODE_PING


class OutgoingFrame(NamedTuple):
    """A frame to write. ``cycle`` is None for handshake, ping, pong and close, which belong to one connection only."""

    payload: bytes
    opcode: int = TEXT
    cycle: Optional[ContinueCycle] = None


class Outbox:
    """A bounded queue of continues, which outlive a connection, and the urgent frames of the current connection.

    Urgent frames overtake continues. A continue is listed by the cycle of its session, which holds the payload and
    decides whether there is still something to send.
    """

    def __init__(self, limit: int, connection_changed: InterruptSafeCondition) -> None:
        """``connection_changed`` holds the lock that guards everything here; callers that need room wait for it."""
        self._limit = limit
        self._connection_changed = connection_changed
        self._lock = connection_changed.lock
        self._frames = InterruptSafeCondition(connection_changed.lock)  # what the writer waits for
        self._urgent: deque[OutgoingFrame] = deque()
        self._continues: deque[ContinueCycle] = deque()
        self._continues_flow = False
        self._writing = False
        self._closed = False

    def open(self) -> None:
        """A connection is up. Continues wait until :meth:`let_continues_flow`."""
        with self._lock:
            self._urgent.clear()
            self._continues_flow = False
            self._writing = True

    def let_continues_flow(self) -> None:
        with self._lock:
            self._continues_flow = True
            self._frames.notify_all()

    def hold_continues(self) -> None:
        """The connection is given up: a continue sent over it would be in doubt. Call it while holding the lock."""
        self._continues_flow = False

    def stop_writing(self) -> None:
        """The connection is gone, so its writer must end."""
        with self._lock:
            self._writing = False
            self._continues_flow = False
            self._frames.notify_all()

    def close(self) -> None:
        """No more continues will be sent."""
        with self._lock:
            self._closed = True
            self._continues.clear()

    @property
    def has_room(self) -> bool:
        return len(self._continues) < self._limit

    def add_urgent(self, payload: bytes, opcode: int = TEXT) -> None:
        with self._lock:
            self._urgent.append(OutgoingFrame(payload, opcode))
            self._frames.notify_all()

    def add_continue(self, cycle: ContinueCycle) -> None:
        """Call it while holding the lock."""
        if not self._closed:
            self._continues.append(cycle)
            self._frames.notify_all()

    def put_back(self, cycles: Iterable[ContinueCycle]) -> None:
        """Continues that were not completely written go first on the next connection."""
        with self._lock:
            if not self._closed:
                self._continues.extendleft(reversed(list(cycles)))

    def take(self, deadline: float) -> list[OutgoingFrame] | None:
        """Wait for frames that may be sent. Empty at ``deadline`` (monotonic seconds), None if the writer must end.

        Urgent frames, such as the answer to a close frame, still go out when the writer has been asked to end.
        """
        while True:
            version = self._frames.version
            with self._lock:
                frames = list(self._urgent)
                self._urgent.clear()
                if not self._writing:
                    return frames or None
                if self._continues_flow and self._continues:
                    frames.extend(self._take_continues())
                if frames:
                    return frames
            # wait: writer | frames | a caller, the reader; the end of the connection | the next ping
            if not self._frames.wait_past(version, deadline):
                return []

    def _take_continues(self) -> list[OutgoingFrame]:
        taken = [(cycle, cycle.take()) for cycle in self._continues]
        self._continues.clear()
        self._connection_changed.notify_all()  # there is room again
        # A session that has ended since has nothing to send any more.
        return [OutgoingFrame(payload, TEXT, cycle) for cycle, payload in taken if payload is not None]
