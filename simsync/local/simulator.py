"""The embedded simulator: an HTTP and WebSocket server in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simsync.errors import InvalidParams, SimsyncError
from simsync.local.behaviour import Behaviour
from simsync.local.control_wire import Encoder
from simsync.local.faults import Faults
from simsync.local.groups import SessionTable
from simsync.local.http_routes import Routes

if TYPE_CHECKING:
    from types import TracebackType

    from simsync.local.ledger import Ledger

_log = logging.getLogger("simsync.local")
_BACKLOG = 512
_DEFAULT_KEY = "local-dev-key"
_STOP_TIMEOUT = 10.0
"""Seconds that close() waits for the server's thread."""


class Simulator:
    """A backtest simulator on a port of this machine. It serves from construction until :meth:`close`.

    ``port`` 0 takes any free port. An empty ``api_key`` lets everybody in. ``faults``: when it misbehaves. The other
    keyword arguments are the switches of :class:`~simsync.local.Behaviour`. Raises InvalidParams for a host other than
    this machine (unless ``allow_remote``) or an unknown switch, and SimsyncError if the address cannot be bound.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = _DEFAULT_KEY,
        faults: Faults | None = None,
        allow_remote: bool = False,
        **switches: Any,
    ) -> None:
        if not allow_remote and not _is_loopback(host):
            raise InvalidParams("host", host, "is no loopback address; allow_remote=True serves other machines")
        unknown = sorted(set(switches) - set(Behaviour.__dataclass_fields__))
        if unknown:
            known = ", ".join(sorted(Behaviour.__dataclass_fields__))
            raise InvalidParams("switches", unknown, f"no such switch; there are {known}")
        self.ledger = ledger
        self.api_key = api_key
        self.behaviour = Behaviour(**switches)
        self.faults = faults if faults is not None else Faults()
        self._closing = threading.Lock()
        listener = _listen(host, port)
        address = listener.getsockname()
        if not _is_loopback(host):
            _log.warning(
                "the simulator on %s:%d serves other machines%s; nothing that travels is encrypted",
                host,
                address[1],
                "" if api_key not in ("", _DEFAULT_KEY) else ", and asks for no key that they do not know",
            )
        self.host: str = host
        self.port: int = address[1]
        table = SessionTable(ledger, self.behaviour, Encoder(self.behaviour), self.url)
        self._routes = Routes(table, self.faults, api_key)
        self._server = _Server(listener, table, self._routes)
        self._thread = threading.Thread(target=self._server.run, name=f"simsync-local-{self.port}", daemon=True)
        self._thread.start()
        self._server.started.wait()
        if self._server.failure is not None:
            self._thread.join()
            raise SimsyncError(f"the simulator did not start on {self.url}") from self._server.failure

    def __repr__(self) -> str:
        return f"<Simulator {self.url} {'closed' if self.closed else 'serving'} {self.ledger!r}>"

    @property
    def url(self) -> str:
        """The address for a client, ``http://host:port``."""
        return f"http://{_in_url(self.host)}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address of the control socket."""
        return f"ws://{_in_url(self.host)}:{self.port}/backtest"

    @property
    def draining(self) -> bool:
        """Is the simulator about to go? ``GET /ready`` then answers 503; all else, creates too, works as before.

        May be set from any thread.
        """
        return self._routes.draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._routes.draining = value

    @property
    def closed(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop serving: drop all connections, end all sessions, free the port. May be called again, from any thread."""
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
    """What runs in the simulator's thread."""

    def __init__(self, listener: socket.socket, table: SessionTable, routes: Routes) -> None:
        self.started = threading.Event()
        self.failure: BaseException | None = None
        self._listener = listener
        self._table = table
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
            self._listener.close()
            self.started.set()

    def stop(self) -> None:
        """Ask the server to stop; from any thread, also when it has stopped."""
        loop, stopping = self._loop, self._stopping
        if loop is None or stopping is None or loop.is_closed():
            return
        try:
            loop.call_soon_threadsafe(stopping.set)
        except RuntimeError:
            _log.debug("the event loop is closed already")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runner = web.AppRunner(self._routes.application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listener, backlog=_BACKLOG).start()
            self.started.set()
            await self._stopping.wait()
        finally:
            # Accept no more, and let what was accepted become known to the runner, which takes a few turns of the loop:
            # asyncio loses a connection whose server is closed in between.
            with contextlib.suppress(NotImplementedError):
                self._loop.remove_reader(self._listener)
            for _turn in range(3):
                await asyncio.sleep(0)
            self._table.close()
            self._routes.abort_all()
            await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise SimsyncError(
            f"the simulator cannot listen on {host}:{port}: {error}; choose another port, or port 0 for any free one"
        ) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
