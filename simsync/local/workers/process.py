"""The worker's end: a process that runs sessions for a simulator, until that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import mmap
import os
import pickle
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simsync.local.backtest.engines import give_back_memory, spare_the_collector
from simsync.local.control.runner import SessionFailed
from simsync.local.faults.data import DataFaults, DataMessage, SubscribeRequest, SubscriptionEnd
from simsync.local.host import LocalHost
from simsync.local.workers.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsync.local.backtest.messages import Event, Plan
    from simsync.local.behaviour import Behaviour
    from simsync.local.ledger.ledger import Ledger

_LOOK_AGAIN = 1.0
"""Seconds between looks at the parent process."""


def main(end: int, given: int, parent: int) -> None:
    """Serve until the simulator is gone.

    Args:
        end: The descriptor of the channel's socket.
        given: The descriptor of the file with the ledger and the switches.
        parent: The number of the simulator's process.
    """
    with mmap.mmap(given, 0, access=mmap.ACCESS_READ) as text:
        ledger, behaviour = pickle.loads(text)
    os.close(given)
    spare_the_collector()
    asyncio.run(_Process(ledger, behaviour).serve(socket.socket(fileno=end), parent))


class _Process:
    """The sessions of this process, and the channel on which the simulator commands them."""

    def __init__(self, ledger: Ledger, behaviour: Behaviour) -> None:
        self._ledger = ledger
        self._behaviour = behaviour
        self._tasks: set[asyncio.Task[None]] = set()
        self._trimming = False

    async def serve(self, end: socket.socket, parent: int) -> None:
        """Serve until the simulator is gone; does not return."""
        application = web.Application()
        application.router.add_get("/backtest/{session_id}", self._data)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        assert runner.server is not None
        self._server = runner.server
        self._loop = asyncio.get_running_loop()
        calls: dict[str, Callable[..., None]] = {
            "new_runner": self._new_runner,
            "tell_runner": self._tell_runner,
            "connect": self._connect,
            "settings": self._settings,
            "release": self._release,
        }
        self._channel = Channel(end, calls, {"rpc": self._rpc, "engines": self._engines}, _end_process)
        self._faults = _AskedFaults(self._channel)
        self._host = LocalHost(self._ledger, self._behaviour, self._faults)
        # The end of the channel says it too, unless a fork of the simulator's process holds it open.
        while os.getppid() == parent:
            await asyncio.sleep(_LOOK_AGAIN)
        os._exit(0)

    async def _data(self, request: web.Request) -> web.StreamResponse:
        return await self._host.data(request, request.match_info["session_id"])

    # -- what the simulator calls and asks

    def _new_runner(self, name: str, plan: Plan) -> None:
        self._host.new_runner(name, plan, _Reports(self._channel, name))

    def _tell_runner(self, name: str, what: str, *arguments: Any) -> None:
        runner = self._host.runner(name)
        if runner is not None:
            getattr(runner, what)(*arguments)
            if what in ("rest", "close"):
                self._trim_soon()

    def _connect(self, head: bytes) -> None:
        """Serve a connection whose request the simulator has read."""
        connection = socket.socket(fileno=self._channel.connections.popleft())
        task = self._loop.create_task(self._adopt(connection, head))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, connection: socket.socket, head: bytes) -> None:
        with contextlib.suppress(OSError):
            _, protocol = await self._loop.connect_accepted_socket(self._server, connection)
            protocol.data_received(head)

    def _settings(self, lags: dict[str, int], withhold_terminal: bool) -> None:
        self._faults.lags, self._faults.withhold_terminal = lags, withhold_terminal

    def _release(self, number: int) -> None:
        self._faults.release_one(number)

    async def _rpc(self, name: str, body: bytes) -> bytes | None:
        return await self._host.rpc(name, body)

    async def _engines(self) -> int:
        return await self._host.engines()

    # -- memory

    def _trim_soon(self) -> None:
        """Give memory back once for all sessions that end together."""
        if not self._trimming:
            self._trimming = True
            self._loop.call_soon(self._trim)

    def _trim(self) -> None:
        self._trimming = False
        give_back_memory()


class _Reports:
    """Tells the simulator what the runner of one session does."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name

    def report(self, event: Event) -> None:
        self._channel.call("tell_session", self._name, "report", event)

    def slot_executed(self) -> None:
        self._channel.call("tell_session", self._name, "slot_executed")

    def failed(self, error: BaseException) -> None:
        # Only its text: not every error can be pickled.
        self._channel.call("tell_session", self._name, "failed", SessionFailed(str(error)))


class _AskedFaults(DataFaults):
    """The faults of the simulator, which counts over all data sockets: it is asked before anything is sent."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(threading.Lock(), [])
        self._channel = channel
        self._numbers = itertools.count(1)
        self._stalls: dict[int, Callable[[], None]] = {}

    def socket_opened(self) -> None:
        """Do nothing: the simulator has counted it."""

    async def subscribing(self, method: str) -> SubscribeRequest:
        planned: SubscribeRequest = await self._ask("subscribing", method)
        return planned

    async def count_quiet(self, wanted: int, sent_on_socket: int) -> int:
        count: int = await self._ask("count_quiet", wanted, sent_on_socket)
        return count

    async def sending(self, on_socket: int, *, survives: bool) -> DataMessage:
        planned: DataMessage = await self._ask("sending", on_socket, survives=survives)
        return planned

    async def ending(self) -> SubscriptionEnd:
        planned: SubscriptionEnd = await self._ask("ending")
        return planned

    async def _ask(self, occasion: str, *facts: Any, **named: Any) -> Any:
        return await self._channel.ask("plan", occasion, facts, named)

    def add_stalled(self, wake: Callable[[], None]) -> None:
        number = next(self._numbers)
        self._stalls[number] = wake
        self._channel.call("stall", number)

    def remove_stalled(self, wake: Callable[[], None]) -> None:
        for number in [number for number, one in self._stalls.items() if one == wake]:
            del self._stalls[number]
            self._channel.call("go_on", number)

    def release_one(self, number: int) -> None:
        """Wake a stalled socket, unless it has ended."""
        if number in self._stalls:
            self._stalls[number]()


def _end_process(error: BaseException | None) -> None:
    """End this process: the simulator is gone, or an error in this process makes it useless."""
    if error is not None:
        traceback.print_exception(type(error), error, error.__traceback__)
    sys.stderr.flush()
    os._exit(0 if error is None else 1)
