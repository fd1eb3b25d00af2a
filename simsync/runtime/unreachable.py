"""Why nobody could be reached, in words that say what to do."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

import websocket

_LONGEST_CHAIN = 10
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""What the handshake says when the peer answers in another protocol; the words depend on the version of OpenSSL."""
_WANTS_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def unreachable_reason(url: str, error: BaseException) -> str | None:
    """The reason when nobody is at this address with whom one could talk, whatever libraries have wrapped it in.

    None for other failures.
    """
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
        if isinstance(current, ssl.SSLCertVerificationError):
            return (
                f"its certificate was not accepted ({current.verify_message}); for an own CA pass"
                " Options(ssl_context=...)"
            )
        if isinstance(current, ssl.SSLError) and current.reason == _WANTS_CERTIFICATE:
            return "the server wants a client certificate: pass Options(ssl_context=...) with one loaded"
        if isinstance(current, ssl.SSLError) and current.reason in _NO_TLS:
            plain = "ws://" if parts.scheme in ("ws", "wss") else "http://"
            return f"the server there speaks no TLS: write {plain}{parts.netloc} (a bare host means TLS)"
        wrapped = (*current.args, getattr(current, "reason", None))
        inner = next((part for part in wrapped if isinstance(part, BaseException) and part not in seen), None)
        following = inner or current.__cause__ or current.__context__
        if following is None or following in seen:
            return None
        seen.append(following)
    return None
