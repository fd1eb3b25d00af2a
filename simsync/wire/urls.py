"""The rules for URLs: what the caller may give, and which address each service has."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from simsync.errors import InvalidParams, ProtocolError
from simsync.params import checks

_CONTROL_PATH = "/backtest"
_HIDDEN = "(hidden)"
_TO_WEBSOCKET = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_TO_HTTP = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def control_url(url: str) -> str:
    """The WebSocket address of the control connection.

    A bare host means ``wss://host/backtest``. ``ws``, ``wss``, ``http`` and ``https`` addresses keep their security;
    the path ``/backtest`` is added once. Raises :class:`~simsync.errors.InvalidParams`.
    """
    text = url.strip() if isinstance(url, str) else ""
    if not text:
        raise InvalidParams("url", url, "must name a host or an address, for example ws://localhost:8900")
    if any(mark in text for mark in "@?#"):
        url = _HIDDEN  # a password or a key may be in there
    parts = _split("url", text if "://" in text else f"wss://{text}", url)
    scheme = _TO_WEBSOCKET.get(parts.scheme.lower())
    if scheme is None:
        raise InvalidParams("url", url, "must begin with ws://, wss://, http:// or https://, or be a bare host")
    if not parts.hostname:
        raise InvalidParams("url", url, "has no host")
    if parts.username or parts.password:
        raise InvalidParams("url", url, "must not hold a user name or password; use api_key")
    if parts.query or parts.fragment:
        raise InvalidParams("url", url, "must not hold a query or a fragment; for a key use api_key")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/")
    if not path.endswith(_CONTROL_PATH):
        path += _CONTROL_PATH
    return f"{scheme}://{host}{f':{parts.port}' if parts.port is not None else ''}{path}"


def http_endpoint(endpoint: str) -> str:
    """The address of a session's RPC as the caller gives it. Raises :class:`~simsync.errors.InvalidParams`."""
    text = checks.text("endpoint", endpoint)
    shown = _HIDDEN if "@" in text else text  # a password may be in there
    parts = _split("endpoint", text, shown)
    if parts.username or parts.password:
        raise InvalidParams("endpoint", shown, "must not hold a user name or password")
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise InvalidParams("endpoint", shown, "must be an http:// or https:// address")
    return text


def _split(argument: str, text: str, shown: str) -> SplitResult:
    """The parts, among them a port that can be read. ``shown``: what an error may quote."""
    if not text.isprintable() or " " in text:
        raise InvalidParams(argument, shown, "must not contain white space")
    try:
        parts = urlsplit(text)
        _port = parts.port  # checked when it is read
    except ValueError as error:
        detail = "" if shown == _HIDDEN else f" ({error})"
        raise InvalidParams(argument, shown, f"is no valid address{detail}") from None
    return parts


def http_base(websocket_url: str) -> str:
    """Scheme and host for plain HTTP: ``ws`` → ``http``, ``wss`` → ``https``, the path dropped."""
    parts = urlsplit(websocket_url)
    return f"{_TO_HTTP[parts.scheme]}://{parts.netloc}"


def rpc_url(endpoint: str, websocket_url: str) -> str:
    """The HTTP address of a session's RPC. ``endpoint`` is an absolute address or a path on the control host.

    Raises :class:`~simsync.errors.ProtocolError`.
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
        raise ProtocolError(f"the server gave an RPC endpoint that is of no use: {shown}", endpoint) from error


def session_path(session_id: str) -> str:
    """The path of a session's endpoint on the control host, where the server does not name it."""
    return f"{_CONTROL_PATH}/{session_id}"


def pubsub_url(rpc_address: str) -> str:
    """The WebSocket address of a session's subscriptions."""
    scheme, rest = rpc_address.split("://", 1)
    return f"{_TO_WEBSOCKET[scheme.lower()]}://{rest}"


def is_loopback(url: str) -> bool:
    """Does ``url`` name this machine? Such an address is never reached through a proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
