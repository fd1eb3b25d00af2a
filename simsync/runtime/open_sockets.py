"""Ending HTTP requests from another thread: they block in calls that only the end of their socket can end."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import time
from typing import Any, Callable

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool

from simsync.runtime.idle_connections import HttpPool, HttpsPool
from simsync.runtime.waiting import InterruptSafeCondition


class OpenSockets:
    """The sockets of one client's connections, from before their TLS handshake until they are closed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # guards what follows
        self._changed = InterruptSafeCondition(self._lock)
        self._open: set[socket.socket] = set()
        self._called_off = False

    @property
    def called_off(self) -> bool:
        return self._called_off

    def sleep(self, seconds: float) -> None:
        """Until that time is over, or everything is called off."""
        # wait: caller, inquiry, subscription | the next attempt of an RPC call | `HttpClient.call_off` | the delay
        self._changed.wait_for(lambda: self._called_off, time.monotonic() + seconds)

    def call_off(self) -> None:
        """End every connection, and each later one at once."""
        with self._lock:
            self._called_off = True
            self._changed.notify_all()
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def add(self, sock: socket.socket) -> None:
        """Raises OSError once everything was called off."""
        with self._lock:
            if self.called_off:
                raise OSError("called off")
            self._open.add(sock)

    def remove(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.discard(sock)
        sock.close()

    def pools(self) -> dict[str, Callable[..., HTTPConnectionPool]]:
        """What makes connection pools, by scheme, whose sockets are among these."""
        return {
            "http": functools.partial(_pool, HttpPool, _Plain, self),
            "https": functools.partial(_pool, HttpsPool, _Secure, self),
        }


def _pool(
    kind: Callable[..., HTTPConnectionPool],
    connection: Callable[..., Any],
    sockets: OpenSockets,
    *args: Any,
    **keywords: Any,
) -> HTTPConnectionPool:
    pool = kind(*args, **keywords)
    pool.ConnectionCls = functools.partial(connection, sockets)  # type: ignore[assignment]
    return pool


class _Observed:
    """Goes before a kind of connection."""

    def __init__(self, sockets: OpenSockets, *args: Any, **keywords: Any) -> None:
        self._sockets = sockets
        # The TLS socket takes over the descriptor, so it is a duplicate that can be shut down at any time.
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


class _Plain(_Observed, HTTPConnection):
    pass


class _Secure(_Observed, HTTPSConnection):
    pass
