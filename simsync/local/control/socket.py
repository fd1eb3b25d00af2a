"""The control socket ``/backtest``: receives requests, sends replies and the events of its sessions."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType

from simsync.local.control import wire
from simsync.local.frames import FrameSender
from simsync.local.request_fields import BadRequest, Refused, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from simsync.local.control.groups import Group, SessionTable
    from simsync.local.control.session import Session
    from simsync.local.faults.control import ControlFaults

_log = logging.getLogger("simsync.local.control")
_BATCH = 128
"""Messages that are sent at once."""
_KEPT = 64
"""Numbered events that a fault can repeat."""


class ControlConnection:
    """One client on the control socket."""

    def __init__(
        self, socket: web.WebSocketResponse, sender: FrameSender, table: SessionTable, faults: ControlFaults
    ) -> None:
        self._socket = socket
        self._sender = sender
        self._table = table
        self._faults = faults
        self._encoder = table.encoder
        self._kind = WSMsgType.BINARY if table.behaviour.binary_frames else WSMsgType.TEXT
        self._group: Group | None = None
        self._outgoing: deque[tuple[bytes, bool]] = deque()
        self._numbered: deque[bytes] = deque(maxlen=_KEPT)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._creation: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve until the connection ends."""
        self._start(self._write())
        try:
            async for frame in self._socket:
                if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._receive(frame.data)
        finally:
            # The writer and the announcements end with the connection; the sessions of the group need not.
            for task in self._tasks:
                task.cancel()
            if self._group is not None:
                self._group.detach()

    def send(self, message: bytes, *, numbered: bool = False) -> None:
        """Queue a message; ``numbered`` if it is an event with a sequence number."""
        self._outgoing.append((message, numbered))
        self._wake.set()

    def replaced(self) -> None:
        """Another connection attached to the sessions of this one: close it."""
        # First: when this connection ends it must not detach the sessions, which belong to the other one now.
        self._group = None
        # The other connection gets these messages again.
        self._outgoing.clear()
        self._start(self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"another connection attached"))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, ConnectionError):
            _log.error("control connection failed", exc_info=error)
            self._sender.abort()

    # -- requests

    def _receive(self, text: str | bytes) -> None:
        try:
            self._handle(wire.read_request(text, self._table.behaviour))
        except BadRequest as error:
            self.send(self._encoder.error(error.refused))

    def _handle(self, request: wire.Request) -> None:
        if isinstance(request, wire.Continue):
            self._continue(request)
        elif isinstance(request, wire.Create):
            if self._group is not None and not self._group.closed:
                raise invalid("this socket already has sessions; close them first")
            self._group = self._table.create(request, self)
            self._creation = self._start(self._announce(self._group))
        elif isinstance(request, wire.CloseAll):
            # Without this, announcements of closed sessions could follow the reply.
            if self._creation is not None:
                self._creation.cancel()
            if self._group is not None:
                self._group.close()
                self._group = None
            self.send(self._encoder.success())
        elif isinstance(request, wire.CloseSession):
            group = self._group
            if group is None or request.session_id not in group.sessions:
                raise _unknown(request.session_id)
            group.sessions[request.session_id].close(acknowledge=True)
        elif isinstance(request, wire.Attach):
            self._attach(request)
        elif isinstance(request, wire.AttachParallel):
            self._attach_parallel(request)
        elif self._group is None:
            raise invalid("no session is attached to this socket")
        else:
            self.send(self._encoder.success())

    async def _announce(self, group: Group) -> None:
        """Announce the sessions of a create, and let them begin to work."""
        behaviour = self._table.behaviour
        for session in group.sessions.values():
            if behaviour.create_delay:
                await asyncio.sleep(behaviour.create_delay)
            self.send(group.announce(session))
            if behaviour.early_events and group.parallel:
                session.open()
                await session.opened()
        if group.control_id is not None:
            ranges = [(one.id, one.plan.start_slot, one.plan.end_slot) for one in group.sessions.values()]
            self.send(self._encoder.sessions_created(group.control_id, ranges))
        for session in group.sessions.values():
            session.open()

    def _continue(self, request: wire.Continue) -> None:
        arrived = self._faults.received_continue()
        if arrived.lost:
            self._sender.abort()
            return
        session = self._session_of(request)
        if session.closed:
            raise _unknown(session.id)
        session.proceed(request)
        if arrived.drop_after:
            self._sender.abort()

    def _session_of(self, request: wire.Continue) -> Session:
        group = self._group
        if group is None:
            raise invalid("there is no session on this socket")
        if request.session_id is None:
            if group.parallel:
                raise invalid("a parallel session requires continueSessionV1 with a session id")
            return group.single
        session = group.sessions.get(request.session_id)
        if session is None:
            raise _unknown(request.session_id)
        return session

    def _attach(self, request: wire.Attach) -> None:
        group = self._table.group_of_session(request.session_id)
        if group is None:
            raise _unknown(request.session_id)
        if group.parallel:
            raise invalid("this is a sub-session; attach to its control session instead")
        reply = self._encoder.session_attached(request.session_id, self._table.endpoint(request.session_id))
        self._adopt(group, reply, {request.session_id: request.last_sequence})

    def _attach_parallel(self, request: wire.AttachParallel) -> None:
        group = self._table.group(request.control_session_id)
        if group is None:
            raise _unknown(request.control_session_id)
        reply = self._encoder.parallel_attached(request.control_session_id, list(group.sessions))
        self._adopt(group, reply, request.last_sequences)

    def _adopt(self, group: Group, reply: bytes, cursors: Mapping[str, int]) -> None:
        """Take over the sessions of a group, and replay what the client missed after its cursors."""
        if not group.disconnect_timeout:
            raise invalid("the session was created without disconnectTimeoutSecs")
        if self._group is not None and self._group is not group:
            raise invalid("this socket already has other sessions")
        # No await between here and the last message of the replay: an event that a session emits in between would
        # overtake the replay.
        group.attach(self)
        self._group = group
        replay_first = self._table.behaviour.replay_before_attached
        if not replay_first:
            self.send(reply)
        for message in group.missed(cursors):
            self.send(message, numbered=True)
        if replay_first:
            self.send(reply)
        # If the old socket broke during the create, some sessions have not begun to work.
        for session in group.sessions.values():
            session.open()

    # -- sending

    async def _write(self) -> None:
        while True:
            while not self._outgoing:
                self._wake.clear()
                await self._wake.wait()
            if self._sender.closed:
                return
            if not self._faults.quiet():
                await self._send_with_faults(*self._outgoing.popleft())
                continue
            count = min(len(self._outgoing), _BATCH)
            messages = [self._outgoing.popleft()[0] for _ in range(count)]
            # Counted before they are sent: a test may read the counter as soon as its client has a message.
            self._faults.count_sent(count)
            await self._sender.send([(self._kind, message) for message in messages])

    async def _send_with_faults(self, message: bytes, numbered: bool) -> None:
        if numbered:
            self._numbered.append(message)
        survives = self._group is None or self._group.disconnect_timeout > 0
        plan = self._faults.sending(repeatable=bool(self._numbered), survives=survives)
        if plan.delay:
            await asyncio.sleep(plan.delay)
        for text in plan.inserts:
            await self._sender.send([(self._kind, text.encode())])
        if plan.drop_before:
            self._sender.abort()
            return
        self._faults.count_sent(1)
        repeated = list(self._numbered)[-plan.replays :] if plan.replays else []
        await self._sender.send([(self._kind, one) for one in [message] * plan.copies + repeated])
        if plan.drop_after:
            await self._sender.flush()
            self._sender.abort()


def _unknown(name: str) -> BadRequest:
    return BadRequest(Refused("sessionNotFound", {"session_id": name}))
