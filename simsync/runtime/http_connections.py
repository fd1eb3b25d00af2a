"""The connections of one HTTP client: a session per thread, and a way to end them all from another thread."""

from __future__ import annotations

import functools
import queue
import socket
import threading
from typing import Any, Callable

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError

from simsync.options import Options
from simsync.runtime.abort import Abort
from simsync.runtime.bounded_socket import BoundedSocket
from simsync.runtime.http_sockets import Budget
from simsync.runtime.trust import HTTP, tls_context


class Connections:
    """The requests sessions of one process, one per thread, because a ``requests.Session`` must not be shared."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._abort = Abort()
        self._local = threading.local()
        self.lock = threading.Lock()  # guards what follows
        self._sessions: dict[threading.Thread, BoundedSession] = {}
        self._closed = False

    def session(self) -> BoundedSession | None:
        """Return the session of this thread, or None if the connections are closed."""
        session: BoundedSession | None = getattr(self._local, "session", None)
        if session is None:
            ended = []
            with self.lock:
                if self._closed:
                    return None
                for thread in [thread for thread in self._sessions if not thread.is_alive()]:
                    ended.append(self._sessions.pop(thread))
                session = self._local.session = BoundedSession(self._options, self._abort)
                self._sessions[threading.current_thread()] = session
            for other in ended:
                _close(other)
        return session

    def threads(self) -> list[threading.Thread]:
        """Return the threads that have a session."""
        with self.lock:
            return list(self._sessions)

    def abort(self) -> None:
        """Shut down every open socket, so that the requests of other threads fail now, and refuse all later ones."""
        self._abort.fire("the request was aborted")

    def close(self) -> None:
        """Close the idle connections. A request that is under way in another thread is completed first."""
        with self.lock:
            self._closed = True
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            _close(session)


def _close(session: requests.Session) -> None:
    """Close a session and its connections.

    ``Session.close()`` alone leaves a connection open for as long as any kept exception refers to it.
    """
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            for key in adapter.poolmanager.pools.keys():  # noqa: SIM118  not a mapping
                pool = adapter.poolmanager.pools.get(key)
                if pool is not None:
                    pool.close()
    session.close()


class BoundedSession(requests.Session):
    """A session whose connections are made by simsync and bounded by its budget.

    It reads nothing from the environment: proxies and certificates are decided as for WebSockets, and there is no netrc
    file to take a password from.
    """

    def __init__(self, options: Options, abort: Abort) -> None:
        super().__init__()
        self.budget = Budget(options.connect_timeout)
        self.trust_env = False
        self._options = options
        self._abort = abort
        self.adapters.clear()
        self.mount("http://", _Adapter(abort, self.budget))

    def get_adapter(self, url: str) -> BaseAdapter:
        """Return the adapter of an address. Raises ConnectError if the certificates cannot be read."""
        if url.lower().startswith("https:") and "https://" not in self.adapters:
            self.mount("https://", _TlsAdapter(self._abort, self.budget, tls_context(self._options, HTTP)))
        return super().get_adapter(url)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Ignore redirects: to find out where one leads, requests reads the whole body, however large it is."""
        return None


class _Adapter(HTTPAdapter):
    """Opens connections that are tracked and bounded."""

    def __init__(self, abort: Abort, budget: Budget) -> None:
        self._pools = {
            "http": functools.partial(_pool, _HttpPool, _HttpConnection, abort, budget),
            "https": functools.partial(_pool, _HttpsPool, _HttpsConnection, abort, budget),
        }
        super().__init__()

    def init_poolmanager(self, *args: Any, **keywords: Any) -> Any:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = self._pools


class _TlsAdapter(_Adapter):
    """Lets one context alone decide which certificates are valid."""

    def __init__(self, abort: Abort, budget: Budget, context: object) -> None:
        self._context = context
        super().__init__(abort, budget)

    def init_poolmanager(self, *args: object, **keywords: object) -> Any:
        return super().init_poolmanager(*args, **keywords, ssl_context=self._context)

    def cert_verify(self, conn: object, url: str, verify: object, cert: object) -> None:
        """Do nothing: requests would overwrite the settings of the context."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Do the same for requests 2.32 and later."""
        host, _attributes = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}


def _pool(
    kind: Callable[..., HTTPConnectionPool],
    connection: Callable[..., object],
    abort: Abort,
    budget: Budget,
    *args: object,
    **keywords: object,
) -> HTTPConnectionPool:
    pool = kind(*args, **keywords)
    pool.ConnectionCls = functools.partial(connection, abort, budget)  # type: ignore[assignment]
    return pool


class _Tracked:
    """Mixed into a connection class of urllib3: makes its socket, tracks it and bounds it."""

    sock: Any

    def __init__(self, abort: Abort, budget: Budget, *args: object, **keywords: object) -> None:
        self._abort = abort
        self._budget = budget
        self._duplicate: socket.socket | None = None  # see Abort
        super().__init__(*args, **keywords)

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        scheme = "https" if isinstance(self, HTTPSConnection) else "http"
        host = f"[{connection.host}]" if ":" in connection.host else connection.host
        try:
            sock = self._budget.dial(f"{scheme}://{host}:{connection.port}", self._abort)
        except ConnectionError as error:
            # Under its own type urllib3 would take it for a failure to send, and continue without a socket.
            raise ProtocolError(str(error), error) from error
        self._forget()
        self._duplicate = sock.dup()
        try:
            self._abort.add(self._duplicate)
        except OSError:
            sock.close()
            self._forget()
            raise
        return sock

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = BoundedSocket(self.sock, self._budget.left)

    def _forget(self) -> None:
        if self._duplicate is not None:
            self._abort.discard(self._duplicate)
            self._duplicate.close()
            self._duplicate = None

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        self._forget()


class _HttpConnection(_Tracked, HTTPConnection):
    pass


class _HttpsConnection(_Tracked, HTTPSConnection):
    pass


class _IdleConnections:
    """Replaces the ``queue.LifoQueue`` of a urllib3 pool, whose lock can stay taken for ever after Ctrl-C.

    Only the thread of the session uses it, and never waits for it, so it needs no lock.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._maxsize = maxsize
        self._stack: list[object] = []

    def put(self, connection: object, block: bool = False, timeout: float | None = None) -> None:
        if len(self._stack) >= self._maxsize > 0:
            raise queue.Full
        self._stack.append(connection)

    def get(self, block: bool = False, timeout: float | None = None) -> object:
        if not self._stack:
            raise queue.Empty
        return self._stack.pop()

    def qsize(self) -> int:
        return len(self._stack)


class _HttpPool(HTTPConnectionPool):
    QueueCls: Any = _IdleConnections


class _HttpsPool(HTTPSConnectionPool):
    QueueCls: Any = _IdleConnections
