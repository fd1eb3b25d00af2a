"""Ending blocking calls on sockets from another thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Callable


class Abort:
    """The sockets of connections that are being made or used, and a way to end every call that blocks on them.

    A TLS object takes over the descriptor of the socket that it wraps, so what is added for a connection with TLS is a
    duplicate of its socket: shutting that down works at any time, also during the handshake.
    """

    def __init__(self) -> None:
        # Reentrant: the garbage collector may close a connection, and so call discard(), inside add().
        self._lock = threading.RLock()  # guards what follows
        self._sockets: set[socket.socket] = set()
        self._callbacks: list[Callable[[], None]] = []
        self._done = False
        self.reason: str | None = None
        """Why it was fired; None before that."""

    def fire(self, reason: str) -> None:
        """Shut every socket down, wake what waits for something else, and refuse later sockets."""
        with self._lock:
            self.reason = self.reason or reason
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raises OSError after :meth:`fire`."""
        if self.reason is not None:
            raise OSError(self.reason)

    def add(self, sock: socket.socket) -> None:
        """Track a socket. Raises OSError after :meth:`fire`."""
        with self._lock:
            self.check()
            self._sockets.add(sock)

    def discard(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)

    @contextlib.contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call ``callback`` when fired inside of the ``with`` block. Raises OSError after :meth:`fire`."""
        with self._lock:
            self.check()
            self._callbacks.append(callback)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    def finish(self) -> None:
        """The connection belongs to the caller from now on. Raises OSError after :meth:`fire`."""
        with self._lock:
            self.check()
            self._done = True

    @property
    def ends(self) -> bool:
        """Whether the thread that makes the connection ends soon, or has ended, now that this was fired."""
        with self._lock:
            return self._done or bool(self._sockets)
