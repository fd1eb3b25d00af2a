"""A session that was created with websocket-client and nothing else."""

from __future__ import annotations

import ssl
from typing import Any

import websocket

from benchmarks.readers.created import Created, continue_request, create_request, subscribe_request
from benchmarks.stream import Stream


class BareSession:
    """See the module. ``created``: its sub-sessions; ``ws``: its control connection."""

    def __init__(self, stream: Stream, **options: Any) -> None:
        self._stream = stream
        self.ws = _connect(stream, stream.url, **options)
        self.created = Created()
        self.ws.send(create_request(stream.events))
        while not self.created.feed(self.ws.recv()):
            pass

    def subscribe(self, *, packed: bool = False) -> websocket.WebSocket:
        """A data connection whose subscribe was acknowledged."""
        ws = _connect(self._stream, f"{self._stream.url}/{self.created.ids[0]}")
        ws.send(subscribe_request(packed=packed))
        ws.recv()
        return ws

    def send_continue(self) -> None:
        self.ws.send(continue_request(self.created.ids[-1], self._stream.events))


def _connect(stream: Stream, url: str, **options: Any) -> websocket.WebSocket:
    secured = {"context": ssl.create_default_context(cadata=stream.ca)} if stream.is_tls else {}
    ws = websocket.WebSocket(**{"skip_utf8_validation": True, "sslopt": secured, **options})
    ws.connect(url, suppress_origin=True)  # type: ignore[no-untyped-call]
    return ws
