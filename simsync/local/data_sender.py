"""Sending on a data socket: notifications in order, compressed where wanted, spoiled where a fault says so."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import WSCloseCode, WSMsgType

from simsync.local.account_json import zstandard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from simsync.local.fault_rules import DataPlan
    from simsync.local.faults import Faults
    from simsync.local.frames import Frame, FrameSender

_COMPRESSION_LEVEL = 3
_BROKEN = b"\xff" * 16
"""No zstd decoder takes this, whether at the start of a stream or in the middle of it."""


class Notification(NamedTuple):
    """One message of the subscription ``number``; ``stem`` is its kind."""

    number: int
    stem: str
    compressed: bool
    text: bytes


class DataSender:
    """All that leaves one data socket. Its methods run on the simulator's event loop."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        sender: FrameSender,
        transport: asyncio.WriteTransport,
        faults: Faults,
        *,
        survives: bool,
    ) -> None:
        """``survives``: whatever this socket misses while it is dropped is kept for it."""
        self._socket = socket
        self._sender = sender
        self._transport = transport
        self._faults = faults
        self._survives = survives
        self._sent = 0
        self._compressor: Any = None
        self._others = 0
        self._held: dict[str, deque[tuple[int, Notification]]] = {}
        self._go_on: asyncio.Event | None = None
        self._unanswered: list[Frame] = []
        self._loop = asyncio.get_running_loop()

    async def answer(self, text: bytes) -> None:
        """Send the reply to a request; while the socket is stalled, keep it."""
        if self._go_on is not None:
            self._unanswered.append((WSMsgType.TEXT, text))
        else:
            await self._sender.send([(WSMsgType.TEXT, text)])

    async def notify(self, notifications: Sequence[Notification]) -> None:
        """Send notifications. Raises ConnectionResetError when the connection is gone, also by a fault."""
        waiting = self._hold_back(notifications)
        first = 0
        while first < len(waiting):
            count = self._faults.count_quiet(len(waiting) - first, self._sent)
            if count:
                self._sent += count
                await self._sender.send([self._frame(one) for one in waiting[first : first + count]])
                first += count
                continue
            await self._notify_watched(waiting[first])
            first += 1

    async def end(self, terminal: Notification | None, number: int) -> None:
        """Send what was held back of a subscription, then its end."""
        for one in self.forget(number):
            await self.notify_now(one)
        if terminal is None:
            return
        if self._faults.drops_terminal():
            await self.drop()
        await self._sender.send([self._frame(terminal)])

    async def notify_now(self, notification: Notification) -> None:
        """Send a notification that is not to be held back any longer."""
        if self._faults.count_quiet(1, self._sent):
            self._sent += 1
            await self._sender.send([self._frame(notification)])
        else:
            await self._notify_watched(notification)

    def forget(self, number: int) -> list[Notification]:
        """Remove and return what is held back of a subscription."""
        found: list[Notification] = []
        for held in self._held.values():
            found.extend(one for _, one in held if one.number == number)
            kept = [item for item in held if item[1].number != number]
            held.clear()
            held.extend(kept)
        return found

    async def drop(self) -> None:
        """Drop the connection without a close frame once everything was sent. Raises ConnectionResetError."""
        await self._sender.flush()
        self._sender.abort()
        raise ConnectionResetError("dropped by a fault")

    def release(self) -> None:
        """Go on after a stall; from the simulator's thread."""
        if self._go_on is not None:
            self._go_on.set()

    # -- faults

    def _hold_back(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        """Put aside what lags behind, and return the rest with what has lagged long enough in its place."""
        lags = self._faults.lags()
        if not lags and not any(self._held.values()):
            return notifications
        passed: list[Notification] = []
        for one in notifications:
            if one.stem in lags:
                self._held.setdefault(one.stem, deque()).append((self._others + lags[one.stem], one))
                continue
            passed.append(one)
            self._others += 1
            for held in self._held.values():
                while held and held[0][0] <= self._others:
                    passed.append(held.popleft()[1])
        return passed

    async def _notify_watched(self, notification: Notification) -> None:
        plan = self._faults.plan_data(self._sent, survives=self._survives)
        self._sent += 1
        if plan.delay:
            await asyncio.sleep(plan.delay)
        for _ in range(plan.copies):
            frame = self._frame(notification)
            await self._sender.send([_spoiled(frame) if plan.corrupt else frame])
        if plan.drop:
            await self.drop()
        if plan.close:
            await self._socket.close(code=WSCloseCode.OK)
            raise ConnectionResetError("closed by a fault")
        if plan.stall:
            await self._stall(plan)

    async def _stall(self, plan: DataPlan) -> None:
        """Send nothing more until released; a dead socket does not even read, so it answers no pings."""
        await self._sender.flush()
        go_on = self._go_on = asyncio.Event()
        wake = self._wake_from_outside
        self._faults.add_stalled(wake)
        if plan.dead:
            self._transport.pause_reading()  # type: ignore[attr-defined]
        try:
            await go_on.wait()
        finally:
            self._faults.remove_stalled(wake)
            self._go_on = None
        if plan.dead and not self._sender.closed:
            self._transport.resume_reading()  # type: ignore[attr-defined]
        answers, self._unanswered = self._unanswered, []
        await self._sender.send(answers)

    def _wake_from_outside(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self.release)
        except RuntimeError:
            return  # the simulator has stopped

    # -- frames

    def _frame(self, notification: Notification) -> Frame:
        if not notification.compressed:
            return WSMsgType.TEXT, notification.text
        if self._compressor is None:
            # One stream for the life of the connection, flushed after every message.
            self._compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compressobj()
        data = self._compressor.compress(notification.text)
        return WSMsgType.BINARY, data + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


def _spoiled(frame: Frame) -> Frame:
    kind, payload = frame
    return kind, (_BROKEN if kind == WSMsgType.BINARY else payload[: len(payload) // 2])
