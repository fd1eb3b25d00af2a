"""The simulator's end: it starts worker processes, spreads sessions over them, and hands them connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simsync.errors import SimsyncError
from simsync.local.control.runner import SessionFailed
from simsync.local.host import not_found
from simsync.local.rpc.calls import failure
from simsync.local.workers.channel import Channel, ChannelLost, Pickler

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsync.local.behaviour import Behaviour
    from simsync.local.control.session import Session
    from simsync.local.control.wire import Continue
    from simsync.local.faults.data import DataFaults
    from simsync.local.ledger.ledger import Ledger

# Ctrl-C reaches every process of a terminal; the simulator's decides what it means.
_START = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = json.loads(sys.argv[1])
from simsync.local.workers.process import main
main(*map(int, sys.argv[2:]))
"""


class WorkerHost:
    """Runs the sessions of a simulator in ``count`` worker processes, each in the one that has the fewest."""

    def __init__(self, count: int, ledger: Ledger, behaviour: Behaviour, faults: DataFaults) -> None:
        self._count = count
        self._ledger = ledger
        # What a strict simulator refuses has been refused before it comes to a worker.
        self._behaviour = replace(behaviour, strict_continue=False, max_engines=max(1, behaviour.max_engines // count))
        self._faults = faults
        self._runners: dict[str, RemoteRunner] = {}
        self._workers: list[_Worker] = []
        self._opened = contextlib.ExitStack()

    async def start(self) -> None:
        """Start the processes and wait until they serve. Raises SimsyncError."""
        # A file, and not a message: a process may have to be started again, and the ledger must not stay in memory
        # once more until then.
        file = tempfile.TemporaryFile(prefix="simsync-ledger-")  # noqa: SIM115  it stays open
        given = self._opened.enter_context(file)
        Pickler(given, pickle.HIGHEST_PROTOCOL).dump((self._ledger, self._behaviour))
        given.flush()
        self._given = given.fileno()
        for _ in range(self._count):
            self._workers.append(_Worker(self._given, self._faults))
        for worker in self._workers:
            try:
                await worker.ask("engines")
            except ChannelLost:
                raise SimsyncError(f"{worker.end} while it started") from None

    def run(self, session: Session) -> RemoteRunner:
        place = min(range(self._count), key=lambda one: len(self._workers[one].runners))
        if self._workers[place].lost:
            self._workers[place] = _Worker(self._given, self._faults)
        runner = self._runners[session.id] = RemoteRunner(self._workers[place], session, self._runners)
        return runner

    async def data(self, request: web.Request, name: str) -> web.StreamResponse:
        runner = self._runners.get(name)
        if runner is None:
            return not_found()
        self._faults.socket_opened()
        runner.connect(request)
        return web.Response()

    async def rpc(self, name: str, body: bytes) -> bytes | None:
        runner = self._runners.get(name)
        return None if runner is None else await runner.rpc(body)

    async def engines(self) -> int:
        count = 0
        for worker in self._workers:
            with contextlib.suppress(ChannelLost):
                count += await worker.ask("engines")
        return count

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._opened.close()


class RemoteRunner:
    """Has a worker run one session."""

    def __init__(self, worker: _Worker, session: Session, runners: dict[str, RemoteRunner]) -> None:
        self.session = session
        self._name = session.id
        self._worker = worker
        self._runners = runners
        worker.runners[self._name] = self
        worker.call("new_runner", self._name, session.plan)

    def open(self) -> None:
        self._worker.call("tell_runner", self._name, "open")

    def proceed(self, request: Continue) -> None:
        self._worker.call("tell_runner", self._name, "proceed", request)

    def rest(self) -> None:
        self._worker.call("tell_runner", self._name, "rest")

    def close(self) -> None:
        self._runners.pop(self._name, None)
        self._worker.runners.pop(self._name, None)
        self._worker.call("tell_runner", self._name, "close")

    def connect(self, request: web.Request) -> None:
        """Give the worker the connection of a request, which is an upgrade: the worker answers it."""
        lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
        lines.extend(name + b": " + value for name, value in request.raw_headers)
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client left during the upgrade")
        ours = transport.get_extra_info("socket")
        connection = socket.socket(fileno=os.dup(ours.fileno()))
        # This closes only the simulator's copy of the socket, without a word to the client.
        transport.abort()
        self._worker.call("connect", head, connection=connection)

    async def rpc(self, body: bytes) -> bytes | None:
        try:
            reply: bytes | None = await self._worker.ask("rpc", self._name, body)
        except ChannelLost:
            return failure(body, self._worker.end)
        return reply


class _Worker:
    """One worker process."""

    def __init__(self, given: int, faults: DataFaults) -> None:
        """``given`` is the descriptor of the file with the ledger and the switches."""
        self.runners: dict[str, RemoteRunner] = {}
        self.lost = False
        self.end = ""
        """How it ended, once it is lost."""
        self._faults = faults
        self._settings: tuple[dict[str, int], bool] = ({}, False)
        """What it knows of the faults that it does not ask for."""
        self._stalled: dict[int, Callable[[], None]] = {}
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            # Not multiprocessing: it would run the user's main module again, and leave a process that tracks resources.
            command = [sys.executable, "-c", _START, json.dumps(sys.path), str(theirs.fileno()), str(given)]
            self._process = subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), given),
            )
        calls: dict[str, Callable[..., None]] = {
            "tell_session": self._tell_session,
            "stall": self._stall,
            "go_on": self._go_on,
        }
        self._channel = Channel(ours, calls, {"plan": self._plan}, self._end)

    def call(self, name: str, *arguments: Any, connection: socket.socket | None = None) -> None:
        """Have the worker call something."""
        self._tell_settings()
        self._channel.call(name, *arguments, connection=connection)

    async def ask(self, name: str, *arguments: Any) -> Any:
        """Return the worker's answer. Raises ChannelLost."""
        self._tell_settings()
        return await self._channel.ask(name, *arguments)

    def _tell_settings(self) -> None:
        # Before each call: whatever a client has the worker do after it scheduled a fault happens with that fault.
        settings = (self._faults.lags, self._faults.withhold_terminal)
        if settings != self._settings:
            self._settings = settings
            self._channel.call("settings", *settings)

    def stop(self) -> None:
        """Kill the process and wait until it is gone. It holds nothing that is worth a farewell."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        for wake in self._stalled.values():
            self._faults.remove_stalled(wake)

    def _end(self, error: BaseException | None) -> None:
        """The process is gone, or says nonsense: fail its sessions."""
        self.lost = True
        self.stop()
        self.end = (
            f"the worker process {self._process.pid} {_how(self._process.returncode) if error is None else error}"
        )
        for runner in list(self.runners.values()):
            runner.session.failed(SessionFailed(f"{self.end}; create it again"))

    # -- what the worker calls

    def _tell_session(self, name: str, what: str, *arguments: Any) -> None:
        """Tell a session, as its owner, what its runner did. A session that was closed meanwhile is not told."""
        if name in self.runners:
            getattr(self.runners[name].session, what)(*arguments)

    async def _plan(self, occasion: str, facts: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return what the faults plan for an occasion."""
        return await getattr(self._faults, occasion)(*facts, **named)

    def _stall(self, number: int) -> None:
        def wake() -> None:
            # From any thread, also after the simulator has stopped.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.call, "release", number)

        self._stalled[number] = wake
        self._faults.add_stalled(wake)

    def _go_on(self, number: int) -> None:
        self._faults.remove_stalled(self._stalled.pop(number))


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
