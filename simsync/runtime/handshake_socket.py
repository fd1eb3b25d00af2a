"""A socket for the upgrade to a WebSocket."""

from __future__ import annotations

import socket
import ssl
from typing import Any

_PIECE = 4096


class HandshakeSocket:
    """Stands for a socket and reads it in large pieces.

    websocket-client asks for the lines of the answer byte by byte, until it gets a line end. Who asks for one byte gets
    all that is there of the line before its end.
    """

    def __init__(self, sock: socket.socket | ssl.SSLSocket) -> None:
        self._sock = sock
        self._piece = b""
        self._taken = 0
        self.gettimeout = sock.gettimeout  # asked for each byte

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        if self._taken >= len(self._piece):
            self._piece, self._taken = self._sock.recv(_PIECE), 0
        end = self._taken + size
        if size == 1:
            end = max(end, self._piece.find(b"\n", self._taken))
        chunk = self._piece[self._taken : end]
        self._taken += len(chunk)
        return chunk

    @property
    def rest(self) -> bytes:
        """What was read and belongs to the frames after the answer."""
        return self._piece[self._taken :]
