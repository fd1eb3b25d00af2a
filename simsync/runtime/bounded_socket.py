"""A socket for libraries that set one timeout for a whole conversation."""

from __future__ import annotations

import io
import socket
import ssl
from typing import Any, Callable, Union

Socket = Union[socket.socket, ssl.SSLSocket]

_PIECE = 64 * 1024
"""Bytes written at once."""


class BoundedSocket:
    """Stands for a socket. Each read and each write on it may take what is left of the time.

    A timeout of the socket would begin anew with each byte that arrives.

    Args:
        sock: The socket.
        left: Returns the seconds that are left, and raises ``socket.timeout`` if there are none.
    """

    def __init__(self, sock: Socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self._left())
            rest = rest[self._sock.send(rest[:_PIECE]) :]

    def recv(self, size: int) -> bytes:
        self._sock.settimeout(self._left())
        return self._sock.recv(size)

    def makefile(self, *_mode: Any, **_options: Any) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._left))


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: Socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left
        self._file: io.RawIOBase = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
