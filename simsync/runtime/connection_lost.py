"""How a WebSocket connection ends for the thread that reads or writes it."""

from __future__ import annotations


class ConnectionLost(Exception):
    """The connection has ended; ``code`` is the close code if a close frame came."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
