"""Frames and HTTP messages of a client, as passed to ``Options(on_frame=...)``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Optional

CONTROL, DATA, HTTP = "control", "data", "http"
SENT, RECEIVED = "sent", "received"
OPEN, TEXT, BINARY, CLOSE, REFUSED, REPLY = "open", "text", "binary", "close", "refused", "reply"


@dataclass(frozen=True)
class Frame:
    """One frame of a WebSocket, or one request or reply of HTTP.

    Headers, and with them the API key, are not included. Neither are pings and pongs.

    Attributes:
        plane: ``"control"``, ``"data"`` (a subscription) or ``"http"`` (services and RPC).
        connection: Number of the connection, unique in the process. Each HTTP exchange has its own.
        direction: ``"sent"`` or ``"received"``.
        kind: For a WebSocket ``"open"`` (the connection is up), ``"text"`` or ``"binary"`` (a message), ``"close"``
            (the server closed it, or it was lost) or ``"refused"`` (no connection). For HTTP the method, such as
            ``"GET"``, then ``"reply"``.
        url: Address of the connection or the request.
        payload: The message, inflated if it was compressed; the body of a request or reply; or the reason of a
            ``"close"`` or ``"refused"``.
        status: Close code of a ``"close"``; HTTP status of a ``"refused"`` or ``"reply"``. None if there is none.
    """

    plane: str
    connection: int
    direction: str
    kind: str
    url: str
    payload: bytes = field(default=b"", repr=False)
    status: Optional[int] = None


OnFrame = Callable[[Frame], object]
"""Called just before a frame is written and just after it was read, in the thread that does so: by several threads at
the same time, each of which waits until it returns."""
