"""The embedded simulator: an HTTP and WebSocket server in its own thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

from aiohttp import web

from simsync.errors import InvalidParams, SimsyncError
from simsync.local.behaviour import Behaviour
from simsync.local.control.groups import SessionTable
from simsync.local.control.wire import Encoder
from simsync.local.faults.faults import Faults
from simsync.local.host import LocalHost
from simsync.local.http_routes import Routes
from simsync.local.ledger.ledger import Ledger
from simsync.local.workers.host import WorkerHost
from simsync.params import checks

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType
    from typing import Callable

    from simsync.local.host import Host

_log = logging.getLogger("simsync.local")
_BACKLOG = 512
_PAIR_ATTEMPTS = 100
_ENDPOINT = "wsEndpoint, the address of the RPC with ws:"
_DEFAULT_KEY = "local-dev-key"
_Answer = TypeVar("_Answer")
_STOP_TIMEOUT = 10.0
"""Seconds that close() waits for the server's thread."""


class Simulator:
    """A backtest simulator on a port of this machine. It serves from construction until :meth:`close`.

    It is a context manager that closes at the end of the block.

    Args:
        ledger: What the sessions replay.
        host: The address to listen on.
        port: The port; 0 takes any free one, see :attr:`port`.
        api_key: The key that clients must send. If it is empty, none is required.
        faults: What goes wrong, and when; by default nothing.
        allow_remote: Accept a ``host`` that other machines can reach. A warning is logged.
        workers: Run sessions in that many processes, each session in one of them, because LiteSVM holds the GIL. With
            0 or 1 they run in the simulator's thread.
        **switches: The fields of :class:`~simsync.local.Behaviour`.

    Raises:
        InvalidParams: ``host`` is not a loopback address and ``allow_remote`` is False, ``workers`` is not possible on
            this system, or an argument or a switch is unknown or has an invalid value.
        SimsyncError: The address cannot be bound, or a worker process cannot be started.

    Attributes:
        ledger: The ledger.
        api_key: The key.
        behaviour: The switches.
        faults: The faults; more can be scheduled at any time.
        host: The address.
        port: The port that is really used.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        host: str = "127.0.0.1",
        port: SupportsIndex = 0,
        api_key: str = _DEFAULT_KEY,
        faults: Faults | None = None,
        allow_remote: bool = False,
        workers: SupportsIndex = 0,
        **switches: Any,
    ) -> None:
        if not allow_remote and not _is_loopback(host):
            raise InvalidParams(
                "host", host, "is not a loopback address; to serve other machines pass allow_remote=True"
            )
        if not isinstance(ledger, Ledger):
            raise InvalidParams("ledger", ledger, "must be a Ledger, such as Ledger.load(path)")
        if faults is not None and not isinstance(faults, Faults):
            raise InvalidParams("faults", faults, "must be a Faults(...)")
        api_key = checks.text("api_key", api_key)
        port = checks.integer("port", port, 0, checks.U16)
        workers = checks.integer("workers", workers, 0, checks.U16)
        if workers > 1 and not hasattr(socket, "send_fds"):
            raise InvalidParams("workers", workers, "this system cannot hand connections to another process; use 0")
        unknown = sorted(set(switches) - set(Behaviour.__dataclass_fields__))
        if unknown:
            known = ", ".join(sorted(Behaviour.__dataclass_fields__))
            raise InvalidParams("switches", unknown, f"unknown switch; use one of {known}")
        self.ledger = ledger
        self.api_key = api_key
        self.behaviour = Behaviour(**switches)
        self.faults = faults if faults is not None else Faults()
        self._closing = threading.Lock()
        listeners = _listen_with_next(host, port) if self.behaviour.serve_next_port else [_listen(host, port)]
        address = listeners[0].getsockname()
        if not _is_loopback(host):
            _log.warning(
                "the simulator on %s:%d serves other machines%s, and the traffic is not encrypted",
                host,
                address[1],
                "" if api_key not in ("", _DEFAULT_KEY) else " without a secret API key",
            )
        self.host: str = host
        self.port: int = address[1]
        self._host: Host
        if workers > 1:
            self._host = WorkerHost(workers, ledger, self.behaviour, self.faults.data)
        else:
            self._host = LocalHost(ledger, self.behaviour, self.faults.data)
        table = SessionTable(ledger, self.behaviour, Encoder(self.behaviour), self.url, self._host.run)
        self._routes = Routes(table, self._host, self.faults, api_key)
        self._server = _Server(listeners, table, self._host, self._routes)
        self._thread = threading.Thread(target=self._server.run, name=f"simsync-local-{self.port}", daemon=True)
        self._thread.start()
        self._server.started.wait()
        if self._server.failure is not None:
            self._thread.join()
            failure = self._server.failure
            raise SimsyncError(f"the simulator did not start on {self.url}: {failure}") from failure

    def __repr__(self) -> str:
        return f"<Simulator {self.url} {'closed' if self.closed else 'serving'} {self.ledger!r}>"

    @property
    def url(self) -> str:
        """The address for a client, ``http://host:port``."""
        return f"http://{_in_url(self.host)}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address of the control socket, ``ws://host:port/backtest``."""
        return f"ws://{_in_url(self.host)}:{self.port}/backtest"

    @property
    def draining(self) -> bool:
        """True makes ``GET /ready`` answer 503; everything else, new sessions included, works as before.

        May be set from any thread.
        """
        return self._routes.draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._routes.draining = value

    def engines(self) -> int:
        """Return how many engines are alive, that is, hold memory; those of parked sessions are not."""
        return self._server.ask(self._host.engines) or 0

    @property
    def closed(self) -> bool:
        """True once the server's thread has ended."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Drop all connections, end all sessions and free the port. May be called repeatedly and from any thread.

        Raises:
            SimsyncError: The server did not stop within 10 s, or the caller is the server's own thread.
        """
        if threading.current_thread() is self._thread:
            raise SimsyncError("close() was called from the simulator's own thread")
        with self._closing:
            self._server.stop()
            self._thread.join(_STOP_TIMEOUT)
            if self._thread.is_alive():
                raise SimsyncError(f"the simulator on {self.url} did not stop within {_STOP_TIMEOUT:g} s")

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server:
    """The event loop in the simulator's thread."""

    def __init__(self, listeners: list[socket.socket], table: SessionTable, host: Host, routes: Routes) -> None:
        self.started = threading.Event()
        self.failure: BaseException | None = None
        self._listeners = listeners
        self._table = table
        self._host = host
        self._routes = routes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self.started.is_set():
                _log.critical("the simulator failed", exc_info=error)
                raise
            self.failure = error
        finally:
            for listener in self._listeners:
                listener.close()
            self.started.set()

    def stop(self) -> None:
        """Ask the server to stop; from any thread, even after it has stopped."""
        loop, stopping = self._loop, self._stopping
        if loop is None or stopping is None or loop.is_closed():
            return
        try:
            loop.call_soon_threadsafe(stopping.set)
        except RuntimeError:
            # It ended between the check and the call.
            _log.debug("the event loop is already closed")

    def ask(self, question: Callable[[], Coroutine[Any, Any, _Answer]]) -> _Answer | None:
        """Return an answer from the event loop, None if the server has stopped. For other threads."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return None
        work = question()
        try:
            return asyncio.run_coroutine_threadsafe(work, loop).result(_STOP_TIMEOUT)
        except (RuntimeError, concurrent.futures.CancelledError, concurrent.futures.TimeoutError):
            # It ended in between.
            work.close()
            return None

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runner = web.AppRunner(self._routes.application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await self._host.start()
            for listener in self._listeners:
                await web.SockSite(runner, listener, backlog=_BACKLOG).start()
            self.started.set()
            await self._stopping.wait()
        finally:
            # Stop accepting first, then let the connections that were just accepted reach the runner, which takes a few
            # turns of the loop. asyncio forgets a connection whose server is closed in between: its socket would stay
            # open, and the client would wait for ever.
            with contextlib.suppress(NotImplementedError):
                for listener in self._listeners:
                    self._loop.remove_reader(listener)
            for _turn in range(3):
                await asyncio.sleep(0)
            self._table.close()
            self._routes.abort_all()
            self._host.close()
            await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise SimsyncError(
            f"the simulator cannot listen on {host}:{port}: {error}; use another port, or port 0 for any free one"
        ) from error


def _listen_with_next(host: str, port: int) -> list[socket.socket]:
    """Listen on a port, and on the next one too if it is free: web3.js looks for the WebSocket there."""
    first = _listen(host, port)
    spare: list[socket.socket] = []
    try:
        # The neighbour of a free port is often taken: Linux gives every other port to clients, and keeps it a minute
        # after they are gone. Ports that do not fit are kept until the end, so that they are not chosen again.
        for _attempt in range(1 if port else _PAIR_ATTEMPTS):
            try:
                return [first, _listen(host, first.getsockname()[1] + 1)]
            except SimsyncError:
                if not port:
                    spare.append(first)
                    first = _listen(host, port)
        taken = first.getsockname()[1] + 1
        _log.warning("port %d is taken; web3.js looks for the WebSocket there, so pass it %s", taken, _ENDPOINT)
        return [first]
    finally:
        for listener in spare:
            listener.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
