"""The reason why a server cannot be reached, with advice."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from simsync.options import Options
from simsync.runtime.addresses import Unreachable
from simsync.runtime.trust import has_bundle, trusted_by

_LONGEST_CHAIN = 10
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""Reasons of OpenSSL, by version, when the peer does not speak TLS."""
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
"""Codes of OpenSSL: the certificate, or the last one of its chain, is signed by a CA that is not trusted."""
_WANTS_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it wraps.

    The libraries wrap the exception that counts in others, as an argument, as ``reason``, as cause or as context.
    """
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen and len(seen) < _LONGEST_CHAIN:
        seen.append(following)
        yield following
        wrapped = (*following.args, getattr(following, "reason", None))
        inner = next((part for part in wrapped if isinstance(part, BaseException) and part not in seen), None)
        following = inner or following.__cause__ or following.__context__


def unreachable_reason(url: str, error: BaseException, options: Options) -> str | None:
    """Explain why no server can be reached at an address, or return None for any other failure."""
    parts = urlsplit(url)
    for current in chain(error):
        if isinstance(current, Unreachable):
            return str(current)
        if isinstance(current, socket.gaierror):
            return f"the host {parts.hostname!r} does not resolve: check the address"
        if isinstance(current, ConnectionRefusedError):
            return (
                f"nothing is listening on {parts.netloc}: start the simulator there"
                " ('simsync local' starts an embedded one) or check the address"
            )
        if isinstance(current, ssl.SSLCertVerificationError):
            return _not_trusted(current, options)
        if isinstance(current, ssl.SSLError) and current.reason == _WANTS_CERTIFICATE:
            return "the server requires a client certificate: load one into a context and pass Options(ssl_context=...)"
        if isinstance(current, ssl.SSLError) and current.reason in _NO_TLS:
            plain = "ws://" if parts.scheme in ("ws", "wss") else "http://"
            return f"the server does not speak TLS: use {plain}{parts.netloc} (a bare host means TLS)"
    return None


def _not_trusted(error: ssl.SSLCertVerificationError, options: Options) -> str:
    text = (
        f"the server's certificate was not accepted ({error.verify_message});"
        f" the trusted certificates are {trusted_by(options)}"
    )
    if error.verify_code not in _UNKNOWN_AUTHORITY:  # another name, or expired: no other CA would help
        return text
    if options.ssl_context is not None:
        return f"{text}: load that of the server's CA into it"
    if has_bundle(options):
        return f"{text}: add that of the server's CA, or pass Options(ssl_context=...)"
    return f"{text}; to trust another CA pass Options(ca_bundle=...) or Options(ssl_context=...)"
