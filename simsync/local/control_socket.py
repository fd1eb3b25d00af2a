"""The control socket ``/backtest``: takes requests, sends replies and the events of its sessions."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType

from simsync.local import control_requests
from simsync.local.events import Refused
from simsync.local.frames import FrameSender
from simsync.local.request_fields import BadRequest

if TYPE_CHECKING:
    from aiohttp import web

    from simsync.local.faults import Faults
    from simsync.local.groups import Group, SessionTable

_log = logging.getLogger("simsync.local.control")
_BATCH = 128
_KEPT = 64
"""Numbered events that can be sent again by a fault."""


class ControlConnection:
    """One client on the control socket."""

    def __init__(self, socket: web.WebSocketResponse, sender: FrameSender, table: SessionTable, faults: Faults) -> None:
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
        """Work until the connection ends."""
        self._start(self._write())
        try:
            async for frame in self._socket:
                if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._take(frame.data)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._group is not None:
                self._group.detach()

    def send(self, message: bytes, *, numbered: bool = False) -> None:
        """Queue a message; ``numbered`` if it is an event with a number."""
        self._outgoing.append((message, numbered))
        self._wake.set()

    def taken_over(self) -> None:
        """Another connection attached to the sessions of this one."""
        self._group = None
        self._outgoing.clear()
        self._start(self._say_goodbye())

    async def _say_goodbye(self) -> None:
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"another connection attached")

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

    def _take(self, text: str | bytes) -> None:
        try:
            self._handle(control_requests.read_request(text, self._table.behaviour))
        except BadRequest as error:
            self.send(self._encoder.error(error.refused))

    def _handle(self, request: control_requests.Request) -> None:
        if isinstance(request, control_requests.Continue):
            self._continue(request)
        elif isinstance(request, control_requests.Create):
            if self._group is not None and not self._group.closed:
                text = "this socket already has its sessions; close them first"
                raise BadRequest(Refused("invalidRequest", {"error": text}))
            self._group = self._table.create(request, self)
            self._creation = self._start(self._announce(self._group))
        elif isinstance(request, control_requests.CloseAll):
            if self._creation is not None:
                self._creation.cancel()
            if self._group is not None:
                self._group.close()
                self._group = None
            self.send(self._encoder.success())
        elif isinstance(request, control_requests.CloseSession):
            group = self._group
            if group is None or request.session_id not in group.sessions:
                raise _unknown(request.session_id)
            group.sessions[request.session_id].close(acknowledge=True)
        elif isinstance(request, control_requests.Attach):
            self._attach(request)
        elif isinstance(request, control_requests.AttachParallel):
            self._attach_parallel(request)
        elif self._group is None:
            raise BadRequest(Refused("invalidRequest", {"error": "no session is attached to this socket"}))
        else:
            self.send(self._encoder.success())

    async def _announce(self, group: Group) -> None:
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

    def _continue(self, request: control_requests.Continue) -> None:
        fault = self._faults.on_continue()
        if fault == "lose_continue":
            self._sender.abort()
            return
        group = self._group
        if group is None:
            raise BadRequest(Refused("invalidRequest", {"error": "there is no session on this socket"}))
        if request.session_id is None:
            if group.parallel:
                text = "a parallel session needs continueSessionV1 with a session id"
                raise BadRequest(Refused("invalidRequest", {"error": text}))
            session = group.single
        else:
            found = group.sessions.get(request.session_id)
            if found is None:
                raise _unknown(request.session_id)
            session = found
        if session.closed:
            raise _unknown(session.id)
        session.take(request)
        if fault is not None:
            self._sender.abort()

    def _attach(self, request: control_requests.Attach) -> None:
        group = self._table.group_of_session(request.session_id)
        if group is None:
            raise _unknown(request.session_id)
        if group.parallel:
            text = "this is a sub-session; attach to its control session instead"
            raise BadRequest(Refused("invalidRequest", {"error": text}))
        reply = self._encoder.session_attached(request.session_id, self._table.endpoint(request.session_id))
        self._adopt(group, reply, {request.session_id: request.last_sequence})

    def _attach_parallel(self, request: control_requests.AttachParallel) -> None:
        group = self._table.group(request.control_session_id)
        if group is None:
            raise _unknown(request.control_session_id)
        reply = self._encoder.parallel_attached(request.control_session_id, list(group.sessions))
        self._adopt(group, reply, request.last_sequences)

    def _adopt(self, group: Group, reply: bytes, cursors: Any) -> None:
        if not group.disconnect_timeout:
            text = "the session was created without disconnectTimeoutSecs"
            raise BadRequest(Refused("invalidRequest", {"error": text}))
        if self._group is not None and self._group is not group:
            text = "this socket already has other sessions"
            raise BadRequest(Refused("invalidRequest", {"error": text}))
        group.attach(self)
        self._group = group
        replay_first = self._table.behaviour.replay_before_attached
        if not replay_first:
            self.send(reply)
        for message in group.missed(cursors):
            self.send(message, numbered=True)
        if replay_first:
            self.send(reply)
        # Sessions whose announcement went down with the old socket must still begin to work.
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
            if self._faults.control_watched():
                await self._send_watched(*self._outgoing.popleft())
                continue
            count = min(len(self._outgoing), _BATCH)
            messages = [self._outgoing.popleft()[0] for _ in range(count)]
            # Counted first: a client may look at the counter as soon as it has a message.
            self._faults.count_control(count)
            await self._sender.send([(self._kind, message) for message in messages])

    async def _send_watched(self, message: bytes, numbered: bool) -> None:
        if numbered:
            self._numbered.append(message)
        survives = self._group is None or self._group.disconnect_timeout > 0
        plan = self._faults.plan_control(repeatable=bool(self._numbered), survives=survives)
        if plan is None:
            self._faults.count_control(1)
            await self._sender.send([(self._kind, message)])
            return
        if plan.delay:
            await asyncio.sleep(plan.delay)
        for text in plan.inserts:
            await self._sender.send([(self._kind, text.encode())])
        if plan.drop_before:
            self._sender.abort()
            return
        self._faults.count_control(1)
        again = list(self._numbered)[-plan.replays :] if plan.replays else []
        await self._sender.send([(self._kind, one) for one in [message] * plan.copies + again])
        if plan.drop_after:
            await self._sender.flush()
            self._sender.abort()


def _unknown(name: str) -> BadRequest:
    return BadRequest(Refused("sessionNotFound", {"session_id": name}))
