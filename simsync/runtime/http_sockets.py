"""The sockets of HTTP connections: made like those of WebSockets, tracked, and bounded by the end of the call."""

from __future__ import annotations

import io
import socket
import ssl
import time
from typing import Any, Union

from simsync.runtime.abort import Abort
from simsync.runtime.addresses import Unreachable
from simsync.runtime.dial import dial

Socket = Union[socket.socket, ssl.SSLSocket]

_PIECE = 64 * 1024
"""Bytes written at once."""


class Budget:
    """When the present call of a thread has to end. The connections that the thread uses refer to it."""

    def __init__(self, connect_timeout: float) -> None:
        self._connect_timeout = connect_timeout
        self.deadline = 0.0
        """In seconds of :func:`time.monotonic`."""

    def left(self) -> float:
        """Return the seconds that are left. Raises ``socket.timeout`` if there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("the call took too long")
        return left

    def dial(self, url: str, abort: Abort) -> socket.socket:
        """Open a TCP connection. Raises as :func:`simsync.runtime.dial.dial`."""
        self.left()
        deadline = min(self.deadline, time.monotonic() + self._connect_timeout)
        try:
            # wait: caller, `simsync-http` | a connection | the peer; `Abort.fire` | `connect_timeout`, `rpc_timeout`
            sock = dial(url, deadline, abort)
        except socket.timeout as error:
            self.left()  # the call itself may be over
            raise Unreachable(f"no connection within {self._connect_timeout:g} s") from error
        sock.settimeout(self.left())
        return sock


class BoundedSocket:
    """Stands for the socket of an HTTP connection. Each call on it may take what is left of the budget.

    A timeout of the socket would begin anew with each byte that arrives.
    """

    def __init__(self, sock: Socket, budget: Budget) -> None:
        self._sock = sock
        self._budget = budget

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self._budget.left())
            rest = rest[self._sock.send(rest[:_PIECE]) :]

    def makefile(self, *_mode: Any, **_options: Any) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._budget))


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: Socket, budget: Budget) -> None:
        self._sock = sock
        self._budget = budget
        self._file: io.RawIOBase = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._budget.left())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
