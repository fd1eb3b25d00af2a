"""Where sessions run: their engines, their data sockets and their RPC calls."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from simsync.local.backtest.decoded import DecodedBlocks
from simsync.local.backtest.engines import Engines
from simsync.local.control.runner import Runner, SessionFailed
from simsync.local.engine.engine import EngineFailed
from simsync.local.frames import FrameSender
from simsync.local.pubsub.connection import DataConnection
from simsync.local.rpc.calls import answer, failure

if TYPE_CHECKING:
    import asyncio
    from typing import Callable

    from simsync.local.backtest.messages import Plan
    from simsync.local.behaviour import Behaviour
    from simsync.local.control.runner import Owner
    from simsync.local.control.session import Session, Work
    from simsync.local.faults.data import DataFaults
    from simsync.local.ledger.ledger import Ledger

MAX_MESSAGE = 64 * 1024 * 1024
"""Largest request in bytes, on sockets and over HTTP."""
_CLOSE_TIMEOUT = 2.0
"""Seconds to wait for a client's close frame."""


class Host(Protocol):
    """Where the sessions of a simulator run. Its methods run on the simulator's event loop."""

    async def start(self) -> None:
        """Get ready for sessions."""
        ...

    def run(self, session: Session) -> Work:
        """Return what does the work of a session."""
        ...

    async def data(self, request: web.Request, name: str) -> web.StreamResponse:
        """Serve a data socket of the session with that id."""
        ...

    async def rpc(self, name: str, body: bytes) -> bytes | None:
        """Return the reply to an RPC request, None if the session has ended."""
        ...

    async def engines(self) -> int:
        """Return how many engines are alive."""
        ...

    def close(self) -> None:
        """Drop every data socket and release what :meth:`start` took."""
        ...


class LocalHost:
    """Runs sessions on the event loop of this process."""

    def __init__(self, ledger: Ledger, behaviour: Behaviour, faults: DataFaults) -> None:
        self._ledger = ledger
        self._behaviour = behaviour
        self._faults = faults
        self._engines = Engines(behaviour.max_engines)
        self._blocks = DecodedBlocks()
        self._runners: dict[str, Runner] = {}
        self._numbers = itertools.count(1)
        self._aborts: set[Callable[[], None]] = set()

    async def start(self) -> None:
        pass

    def run(self, session: Session) -> Runner:
        return self.new_runner(session.id, session.plan, session)

    def new_runner(self, name: str, plan: Plan, owner: Owner) -> Runner:
        """Return a runner for the session with that id."""
        ended = partial(self._runners.pop, name, None)
        runner = Runner(self._ledger, plan, self._behaviour, owner, self._engines, self._blocks, ended)
        self._runners[name] = runner
        return runner

    def runner(self, name: str) -> Runner | None:
        """Return the runner of a session, None if it was closed."""
        return self._runners.get(name)

    async def data(self, request: web.Request, name: str) -> web.StreamResponse:
        runner = self._runners.get(name)
        if runner is None or not runner.serves():
            return not_found()
        socket, sender, transport = await upgrade(request)
        self._aborts.add(sender.abort)
        self._faults.socket_opened()
        # Without compression and replay, what simsync sends may be no more than what a node knows.
        own = request.headers.get("User-Agent", "").startswith("simsync/")
        try:
            await DataConnection(
                socket, sender, transport, runner, self._behaviour, self._faults, self._numbers, knows_ends=own
            ).serve()
        finally:
            self._aborts.discard(sender.abort)
        return socket

    async def rpc(self, name: str, body: bytes) -> bytes | None:
        runner = self._runners.get(name)
        if runner is None or not runner.serves():
            return None
        try:
            runner.start_engine()
            return answer(runner.backtest, body)
        except (SessionFailed, EngineFailed) as error:
            runner.fail(error)
            return failure(body, str(error))

    async def engines(self) -> int:
        return len(self._engines)

    def close(self) -> None:
        for abort in list(self._aborts):
            abort()


async def upgrade(request: web.Request) -> tuple[web.WebSocketResponse, FrameSender, asyncio.WriteTransport]:
    """Accept a WebSocket. Raises ConnectionResetError if the client is gone."""
    socket = web.WebSocketResponse(timeout=_CLOSE_TIMEOUT, compress=False, max_msg_size=MAX_MESSAGE, writer_limit=1)
    await socket.prepare(request)
    transport: asyncio.WriteTransport | None = request.transport
    if transport is None:
        raise ConnectionResetError("the client left during the upgrade")
    return socket, FrameSender(socket, transport), transport


def not_found() -> web.Response:
    """Return the answer for a session that does not serve."""
    return web.Response(status=404, text="unknown or ended session")
