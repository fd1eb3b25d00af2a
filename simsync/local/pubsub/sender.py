"""Sends notifications on a data socket: in order, compressed on request, and with the faults that are due."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import WSCloseCode, WSMsgType

from simsync.local.encoding import zstandard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from simsync.local.faults.data import DataFaults, DataMessage
    from simsync.local.frames import Frame, FrameSender

_COMPRESSION_LEVEL = -1
"""Half the processor time of zstd's usual level 3, for frames that are a tenth larger: clients are usually near."""
_BROKEN = b"\xff" * 16
"""Every zstd decoder rejects this, at the start of a stream and in the middle."""


class Notification(NamedTuple):
    """One message of the subscription ``number``; ``stem`` is its kind."""

    number: int
    stem: str
    compressed: bool
    text: bytes


class DataSender:
    """Sends everything on one data socket. Its methods run on the simulator's event loop.

    ``survives``: the server keeps what the client misses while the socket is down, so that chaos may drop it.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        sender: FrameSender,
        transport: asyncio.WriteTransport,
        faults: DataFaults,
        *,
        survives: bool,
    ) -> None:
        self._socket = socket
        self._sender = sender
        self._transport = transport
        self._faults = faults
        self._survives = survives
        self._sent = 0
        self._compressor: Any = None
        self._unheld = 0
        """Notifications sent of kinds that do not lag."""
        self._held: dict[str, deque[tuple[int, Notification]]] = {}
        self._released: asyncio.Event | None = None
        """Set while the socket is stalled; its event ends the stall."""
        self._unanswered: list[Frame] = []
        self._unsubscribed: set[int] = set()
        self._turn = asyncio.Lock()
        """Held while notifications are counted and sent: a worker process asks the simulator for the count."""
        self._loop = asyncio.get_running_loop()

    async def answer(self, text: bytes) -> None:
        """Send the reply to a request, or keep it while the socket is stalled."""
        if self._released is not None:
            self._unanswered.append((WSMsgType.TEXT, text))
        else:
            await self._sender.send([(WSMsgType.TEXT, text)])

    async def notify(self, notifications: Sequence[Notification]) -> None:
        """Send notifications. Raises ConnectionResetError when the connection is gone, by a fault or otherwise."""
        await self._send(self._hold_back(notifications))

    async def _send(self, waiting: Sequence[Notification]) -> None:
        first = 0
        while first < len(waiting):
            async with self._turn:
                count = await self._faults.count_quiet(len(waiting) - first, self._sent)
                self._sent += count
                quiet = waiting[first : first + count]
                await self._sender.send([self._frame(one) for one in quiet if one.number not in self._unsubscribed])
                first += count
            if not count:
                if waiting[first].number not in self._unsubscribed:
                    await self._notify_with_faults(waiting[first])
                first += 1

    async def end(self, terminal: Notification | None, number: int) -> None:
        """Send the notifications of a subscription that were held back, then its end."""
        await self._send(self.forget(number))
        if terminal is None:
            return
        if (await self._faults.ending()).drop:
            await self.drop()
        await self._sender.send([self._frame(terminal)])

    async def unsubscribe(self, number: int) -> None:
        """Send nothing more of a subscription. Waits for what is being sent, so that the reply comes after it."""
        self._unsubscribed.add(number)
        self.forget(number)
        async with self._turn:
            pass

    def forget(self, number: int) -> list[Notification]:
        """Remove and return the notifications of a subscription that are held back."""
        found: list[Notification] = []
        for held in self._held.values():
            found.extend(one for _, one in held if one.number == number)
            kept = [item for item in held if item[1].number != number]
            held.clear()
            held.extend(kept)
        return found

    async def drop(self) -> None:
        """Send everything, then drop the connection without a close frame. Raises ConnectionResetError."""
        await self._sender.flush()
        self._sender.abort()
        raise ConnectionResetError("dropped by a fault")

    def release(self) -> None:
        """End a stall; called on the event loop."""
        if self._released is not None:
            self._released.set()

    # -- faults

    def _hold_back(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        """Hold back the kinds that lag; return the others, and in between those that were held back long enough."""
        lags = self._faults.lags
        if not lags and not any(self._held.values()):
            return notifications
        passed: list[Notification] = []
        for one in notifications:
            if one.stem in lags:
                self._held.setdefault(one.stem, deque()).append((self._unheld + lags[one.stem], one))
                continue
            passed.append(one)
            self._unheld += 1
            for held in self._held.values():
                while held and held[0][0] <= self._unheld:
                    passed.append(held.popleft()[1])
        return passed

    async def _notify_with_faults(self, notification: Notification) -> None:
        self._sent += 1
        plan = await self._faults.sending(self._sent, survives=self._survives)
        if plan.delay:
            await asyncio.sleep(plan.delay)
        for _ in range(plan.copies):
            frame = self._frame(notification)
            await self._sender.send([_corrupted(frame) if plan.corrupt else frame])
        if plan.drop:
            await self.drop()
        if plan.close:
            await self._socket.close(code=WSCloseCode.OK)
            raise ConnectionResetError("closed by a fault")
        if plan.stall:
            await self._stall(plan)

    async def _stall(self, plan: DataMessage) -> None:
        """Send nothing until released. A dead socket does not read either, so it answers no pings."""
        await self._sender.flush()
        released = self._released = asyncio.Event()
        wake = self._release_from_any_thread
        self._faults.add_stalled(wake)
        if plan.dead:
            self._transport.pause_reading()  # type: ignore[attr-defined]
        try:
            await released.wait()
        finally:
            self._faults.remove_stalled(wake)
            self._released = None
        if plan.dead and not self._sender.closed:
            self._transport.resume_reading()  # type: ignore[attr-defined]
        answers, self._unanswered = self._unanswered, []
        await self._sender.send(answers)

    def _release_from_any_thread(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self.release)
        except RuntimeError:
            return  # the event loop is closed: the simulator has stopped

    # -- frames

    def _frame(self, notification: Notification) -> Frame:
        if not notification.compressed:
            return WSMsgType.TEXT, notification.text
        if self._compressor is None:
            # One stream for the life of the connection: later messages compress well because the decoder has seen
            # earlier ones. It is flushed after every message, so that the client can decode each one at once.
            self._compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compressobj()
        data = self._compressor.compress(notification.text)
        return WSMsgType.BINARY, data + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


def _corrupted(frame: Frame) -> Frame:
    kind, payload = frame
    return kind, (_BROKEN if kind == WSMsgType.BINARY else payload[: len(payload) // 2])
