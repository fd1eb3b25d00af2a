"""Sends many WebSocket frames with few system calls."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

from aiohttp import WSMsgType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

Frame = tuple[WSMsgType, bytes]
_FINAL = 0x80
_MAX_WRITE = 256 * 1024


def encode_frame(kind: WSMsgType, payload: bytes) -> bytes:
    """Return an unmasked, unfragmented frame, as servers send it."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", _FINAL | kind, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", _FINAL | kind, 126, size) + payload
    return struct.pack("!BBQ", _FINAL | kind, 127, size) + payload


class FrameSender:
    """Writes the frames of one connection in as few system calls as possible.

    Most frames are encoded here and written to the transport directly, past aiohttp. The last frame of a batch goes
    through aiohttp, which then waits until the client has read enough: that is the backpressure. So the connection must
    not use per-message compression, and its ``writer_limit`` must be 1 byte.
    """

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.WriteTransport) -> None:
        self._socket = socket
        self._transport = transport

    async def send(self, frames: Sequence[Frame]) -> None:
        """Send the frames in order. Raises ConnectionResetError when the connection is gone."""
        pending: list[bytes] = []
        size = 0
        for index, (kind, payload) in enumerate(frames):
            size += len(payload)
            if size < _MAX_WRITE and index + 1 < len(frames):
                pending.append(encode_frame(kind, payload))
                continue
            if self.closed:
                raise ConnectionResetError("the connection is closed")
            if pending:
                self._transport.write(b"".join(pending))
                pending.clear()
            size = 0
            await self._socket.send_frame(payload, kind)

    @property
    def closed(self) -> bool:
        """The connection is gone; frames sent now are lost."""
        return self._transport.is_closing()

    async def flush(self) -> None:
        """Wait until the operating system has all data, or the connection is gone."""
        # asyncio has no event for an empty buffer; its resume_writing callback belongs to aiohttp.
        while self._transport.get_write_buffer_size() and not self.closed:
            await asyncio.sleep(0.001)

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self._transport.abort()
