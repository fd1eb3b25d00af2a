"""The rules for URLs: which ones a caller may pass, and the address of each service."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from simsync.errors import InvalidParams, ProtocolError
from simsync.params import checks

_CONTROL_PATH = "/backtest"
_HIDDEN = "(hidden)"
_TO_WEBSOCKET = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_TO_HTTP = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


# guess: address forms
def control_url(url: str) -> str:
    """Return the WebSocket address of the control connection.

    A bare host means ``wss://host/backtest``. ``http`` becomes ``ws`` and ``https`` becomes ``wss``; the path
    ``/backtest`` is added once. Raises InvalidParams.
    """
    text = url.strip() if isinstance(url, str) else ""
    if not text:
        raise InvalidParams("url", url, "must be a host or an address, for example ws://localhost:8900")
    if any(mark in text for mark in "@?#"):
        url = _HIDDEN  # may contain a password or a key
    if checks.is_in_quotes(text):
        raise InvalidParams("url", url, "is in quotes: remove them")
    parts = _split("url", text if "://" in text else f"wss://{text}", url)
    scheme = _TO_WEBSOCKET.get(parts.scheme.lower())
    if scheme is None:
        raise InvalidParams("url", url, "must begin with ws://, wss://, http:// or https://, or be a bare host")
    if not parts.hostname:
        raise InvalidParams("url", url, "has no host")
    if parts.username or parts.password:
        raise InvalidParams("url", url, "must not contain a user name or a password; use api_key")
    if parts.query or parts.fragment:
        raise InvalidParams("url", url, "must not contain a query or a fragment; for a key use api_key")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/")
    if not path.endswith(_CONTROL_PATH):
        path += _CONTROL_PATH
    return f"{scheme}://{host}{f':{parts.port}' if parts.port is not None else ''}{path}"


def http_endpoint(endpoint: str) -> str:
    """Check the address of a session's RPC and return it. Raises InvalidParams."""
    text = checks.text("endpoint", endpoint)
    shown = _HIDDEN if "@" in text else text  # may contain a password
    parts = _split("endpoint", text, shown)
    if parts.username or parts.password:
        raise InvalidParams("endpoint", shown, "must not contain a user name or a password")
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise InvalidParams("endpoint", shown, "must be an http:// or https:// address")
    return text


def _split(argument: str, text: str, shown: str) -> SplitResult:
    """Split an address whose port is valid. ``shown`` is what an error quotes."""
    if not text.isprintable() or " " in text:
        raise InvalidParams(argument, shown, "must not contain white space")
    try:
        parts = urlsplit(text)
        _port = parts.port  # raises ValueError if it is not valid
    except ValueError as error:
        detail = "" if shown == _HIDDEN else f" ({error})"
        raise InvalidParams(argument, shown, f"is not a valid address{detail}") from None
    return parts


def http_base(websocket_url: str) -> str:
    """Return scheme and host for plain HTTP: ``ws`` → ``http``, ``wss`` → ``https``, without the path."""
    parts = urlsplit(websocket_url)
    return f"{_TO_HTTP[parts.scheme]}://{parts.netloc}"


# guess: `rpc_endpoint` that is a path
def rpc_url(endpoint: str, websocket_url: str) -> str:
    """Return the HTTP address of a session's RPC. Raises ProtocolError.

    ``endpoint`` comes from the server: an address, or a path on the control host.
    """
    scheme, separator, rest = endpoint.partition("://")
    if not separator:
        address = http_base(websocket_url) + (endpoint if endpoint.startswith("/") else f"/{endpoint}")
    else:
        address = f"{_TO_HTTP.get(scheme.lower(), scheme)}://{rest}"
    try:
        return http_endpoint(address)
    except InvalidParams as error:
        shown = f"{endpoint[:100]!r}: {error.rule}" if "@" not in endpoint else error.rule
        raise ProtocolError(f"the server sent an RPC endpoint that cannot be used: {shown}", endpoint) from error


# guess: endpoint when `sessionAttached` does not name it
def session_path(session_id: str) -> str:
    """Return the path of a session's RPC on the control host, for servers that do not send it."""
    return f"{_CONTROL_PATH}/{session_id}"


def pubsub_url(rpc_address: str) -> str:
    """Return the WebSocket address of a session's subscriptions."""
    scheme, rest = rpc_address.split("://", 1)
    return f"{_TO_WEBSOCKET[scheme.lower()]}://{rest}"


def is_loopback(url: str) -> bool:
    """Return True if ``url`` is on this machine, which is never reached through a proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
