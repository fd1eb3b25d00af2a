"""Ending HTTP requests from another thread: they block in calls that only the end of their socket can end."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class OpenSockets:
    """The sockets of one client's connections, from before their TLS handshake until they are closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._open: set[socket.socket] = set()
        self._called_off = threading.Event()

    @property
    def called_off(self) -> bool:
        return self._called_off.is_set()

    def sleep(self, seconds: float) -> None:
        """Until that time is over, or everything is called off."""
        self._called_off.wait(seconds)

    def call_off(self) -> None:
        """End every connection, and each later one at once."""
        with self._lock:
            self._called_off.set()
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

    def pools(self) -> dict[str, type[HTTPConnectionPool]]:
        """Kinds of connection pools, by scheme, whose sockets are among these."""

        class Plain(HTTPConnectionPool):
            ConnectionCls = _observed(HTTPConnectionPool.ConnectionCls, self)

        class Secure(HTTPSConnectionPool):
            ConnectionCls = _observed(HTTPSConnectionPool.ConnectionCls, self)

        return {"http": Plain, "https": Secure}


def _observed(kind: Any, sockets: OpenSockets) -> Any:
    class Observed(kind):  # type: ignore[misc]
        # The TLS socket takes over the descriptor, so it is a duplicate that can be shut down at any time.
        _duplicate: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            self._forget()
            self._duplicate = sock.dup()
            try:
                sockets.add(self._duplicate)
            except OSError:
                sock.close()
                self._forget()
                raise
            return sock

        def _forget(self) -> None:
            if self._duplicate is not None:
                sockets.remove(self._duplicate)
                self._duplicate = None

        def close(self) -> None:
            super().close()
            self._forget()

    return Observed
