"""Why nobody could be reached, in words that say what to do."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import websocket

_LONGEST_CHAIN = 10


def unreachable_reason(url: str, error: BaseException) -> str | None:
    """The reason when nobody is at this address, whatever libraries have wrapped it in; None for other failures."""
    parts = urlsplit(url)
    seen: list[BaseException] = [error]
    while len(seen) < _LONGEST_CHAIN:
        current = seen[-1]
        if isinstance(current, (websocket.WebSocketAddressException, socket.gaierror)):
            return f"the host {parts.hostname!r} does not resolve: check the address"
        if isinstance(current, ConnectionRefusedError):
            return (
                f"nothing is listening on {parts.netloc}: start the simulator there"
                " ('simsync local' starts an embedded one) or check the address"
            )
        wrapped = (*current.args, getattr(current, "reason", None))
        inner = next((part for part in wrapped if isinstance(part, BaseException) and part not in seen), None)
        following = inner or current.__cause__ or current.__context__
        if following is None or following in seen:
            return None
        seen.append(following)
    return None
