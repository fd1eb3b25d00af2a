"""What goes over the connections of a client, as ``Options(on_frame=...)`` gets to see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Optional

CONTROL, DATA, HTTP = "control", "data", "http"
SENT, RECEIVED = "sent", "received"
OPEN, TEXT, BINARY, CLOSE, REFUSED, REPLY = "open", "text", "binary", "close", "refused", "reply"


@dataclass(frozen=True)
class Frame:
    """One frame of a WebSocket, or one half of an HTTP exchange. Headers, and with them the API key, never appear.

    ``plane``: ``control``, ``data`` (a subscription), or ``http`` (services and RPC). ``connection``: a number that is
    unique in the process; each HTTP exchange has its own. ``direction``: ``sent`` or ``received``.

    ``kind`` of a WebSocket: ``open`` (it is up), ``text`` or ``binary`` (a message), ``close`` (the end that the server
    made, or the loss of the connection; ``status`` is the close code if there was one) or ``refused`` (no upgrade;
    ``status`` is the HTTP status if there was one). Of HTTP: the method, such as ``GET``, then ``reply`` with
    ``status`` (None: there was no answer). Pings and pongs are left out.

    ``payload``: the message as simsync reads it, so what came compressed is inflated; the body; or the reason of an
    end.
    """

    plane: str
    connection: int
    direction: str
    kind: str
    url: str
    payload: bytes = field(default=b"", repr=False)
    status: Optional[int] = None


OnFrame = Callable[[Frame], object]
"""Called in the thread that writes or reads, just before writing and just after reading: from several threads at once,
and each frame waits for it."""
