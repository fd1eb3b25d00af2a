"""The reason why a server cannot be reached, with advice."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

import websocket

_LONGEST_CHAIN = 10
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""Reasons of OpenSSL, by version, when the peer does not speak TLS."""
_WANTS_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def unreachable_reason(url: str, error: BaseException) -> str | None:
    """Explain why no server can be reached at an address, or return None for any other failure.

    The libraries wrap the exception that counts in others, as an argument, as ``reason``, as cause or as context.
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
                f"the server's certificate was not accepted ({current.verify_message}); to trust another CA pass"
                " Options(ssl_context=...)"
            )
        if isinstance(current, ssl.SSLError) and current.reason == _WANTS_CERTIFICATE:
            return "the server requires a client certificate: load one into a context and pass Options(ssl_context=...)"
        if isinstance(current, ssl.SSLError) and current.reason in _NO_TLS:
            plain = "ws://" if parts.scheme in ("ws", "wss") else "http://"
            return f"the server does not speak TLS: use {plain}{parts.netloc} (a bare host means TLS)"
        wrapped = (*current.args, getattr(current, "reason", None))
        inner = next((part for part in wrapped if isinstance(part, BaseException) and part not in seen), None)
        following = inner or current.__cause__ or current.__context__
        if following is None or following in seen:
            return None
        seen.append(following)
    return None
