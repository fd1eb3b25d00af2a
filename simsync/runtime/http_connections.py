"""The connections of one HTTP client: a session per thread, and a way to end them all from another thread."""

from __future__ import annotations

import contextlib
import functools
import queue
import socket
import ssl
import threading
from typing import Any, Callable

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Connections:
    """The requests sessions of one process, one per thread, because a ``requests.Session`` must not be shared."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context
        self._sockets = _OpenSockets()
        self._local = threading.local()
        self.lock = threading.Lock()  # guards what follows
        self._sessions: dict[threading.Thread, requests.Session] = {}
        self._closed = False

    def session(self) -> requests.Session | None:
        """Return the session of this thread, or None if the connections are closed."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            ended = []
            with self.lock:
                if self._closed:
                    return None
                for thread in [thread for thread in self._sessions if not thread.is_alive()]:
                    ended.append(self._sessions.pop(thread))
                session = self._local.session = self._sessions[threading.current_thread()] = self._new_session()
            for other in ended:
                _close(other)
        return session

    def threads(self) -> list[threading.Thread]:
        """Return the threads that have a session."""
        with self.lock:
            return list(self._sessions)

    def abort(self) -> None:
        """Shut down every open socket, so that the requests of other threads fail now, and refuse all later ones."""
        self._sockets.shut_down()

    def close(self) -> None:
        """Close the idle connections. A request that is under way in another thread is completed first."""
        with self.lock:
            self._closed = True
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            _close(session)

    def _new_session(self) -> requests.Session:
        session = _Session()
        plain = _Adapter(self._sockets)
        session.mount("http://", plain)
        session.mount("https://", plain if self._ssl_context is None else _TlsAdapter(self._sockets, self._ssl_context))
        return session


def _close(session: requests.Session) -> None:
    """Close a session and its connections.

    ``Session.close()`` alone leaves a connection open for as long as any kept exception refers to it.
    """
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                for key in manager.pools.keys():  # noqa: SIM118  not a mapping
                    pool = manager.pools.get(key)
                    if pool is not None:
                        pool.close()
    session.close()


class _Session(requests.Session):
    """Ignores redirects: to find out where one leads, requests reads the whole body, however large it is."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _Adapter(HTTPAdapter):
    """Opens connections whose sockets are tracked."""

    def __init__(self, sockets: _OpenSockets) -> None:
        self._pools = sockets.pools()
        super().__init__()

    def init_poolmanager(self, *args: Any, **keywords: Any) -> Any:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(*args, **keywords)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _TlsAdapter(_Adapter):
    """Lets the caller's context alone decide which certificates are valid."""

    def __init__(self, sockets: _OpenSockets, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(sockets)

    def init_poolmanager(self, *args: Any, **keywords: Any) -> Any:
        return super().init_poolmanager(*args, **keywords, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **keywords: Any) -> Any:
        return super().proxy_manager_for(*args, **keywords, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: requests would overwrite the settings of the context."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Do the same for requests 2.32 and later."""
        host, _attributes = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}


class _OpenSockets:
    """The open sockets of the connections, each from before its TLS handshake until it is closed."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may close a connection, and so call remove(), inside add().
        self._lock = threading.RLock()  # guards what follows
        self._open: set[socket.socket] = set()
        self._refusing = False

    def shut_down(self) -> None:
        """Shut every socket down, which ends blocking calls on it, and refuse later ones."""
        with self._lock:
            self._refusing = True
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def add(self, sock: socket.socket) -> None:
        """Track a socket. Raises OSError after :meth:`shut_down`."""
        with self._lock:
            if self._refusing:
                raise OSError("the request was aborted")
            self._open.add(sock)

    def remove(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.discard(sock)
        sock.close()

    def pools(self) -> dict[str, Callable[..., HTTPConnectionPool]]:
        """Return the makers of connection pools by URL scheme; the sockets of these pools are tracked here."""
        return {
            "http": functools.partial(_pool, _HttpPool, _HttpConnection, self),
            "https": functools.partial(_pool, _HttpsPool, _HttpsConnection, self),
        }


def _pool(
    kind: Callable[..., HTTPConnectionPool],
    connection: Callable[..., Any],
    sockets: _OpenSockets,
    *args: Any,
    **keywords: Any,
) -> HTTPConnectionPool:
    pool = kind(*args, **keywords)
    pool.ConnectionCls = functools.partial(connection, sockets)  # type: ignore[assignment]
    return pool


class _Tracked:
    """Mixed into a connection class of urllib3: tracks its socket."""

    def __init__(self, sockets: _OpenSockets, *args: Any, **keywords: Any) -> None:
        self._sockets = sockets
        # A duplicate, because the TLS socket takes over the descriptor of the one that was connected. Shutting the
        # duplicate down works at any time, also during the handshake.
        self._duplicate: socket.socket | None = None
        super().__init__(*args, **keywords)

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._forget()
        self._duplicate = sock.dup()
        try:
            self._sockets.add(self._duplicate)
        except OSError:
            sock.close()
            self._forget()
            raise
        return sock

    def _forget(self) -> None:
        if self._duplicate is not None:
            self._sockets.remove(self._duplicate)
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
        self._stack: list[Any] = []

    def put(self, connection: Any, block: bool = False, timeout: float | None = None) -> None:
        if len(self._stack) >= self._maxsize > 0:
            raise queue.Full
        self._stack.append(connection)

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        if not self._stack:
            raise queue.Empty
        return self._stack.pop()

    def qsize(self) -> int:
        return len(self._stack)


class _HttpPool(HTTPConnectionPool):
    QueueCls: Any = _IdleConnections


class _HttpsPool(HTTPSConnectionPool):
    QueueCls: Any = _IdleConnections
