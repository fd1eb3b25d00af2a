"""Which proxy leads to an address: decided once, by the rules of requests, for WebSockets, RPC and services."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from simsync.runtime import late_imports
from simsync.runtime.addresses import Unreachable
from simsync.wire import urls

SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_PORTS = {"http": 80, **dict.fromkeys(SOCKS, 1080)}
_BY_SCHEME = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_TARGET_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """A proxy. Its text holds neither user name nor password.

    Attributes:
        scheme: ``http``, or one of :data:`SOCKS`.
        host: Its host.
        port: Its port.
        source: The environment variable that names it.
    """

    scheme: str
    host: str
    port: int
    source: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def has_credentials(self) -> bool:
        return bool(self.username or self.password)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy {self.scheme}://{host}:{self.port} ({self.source})"


def target(url: str) -> tuple[str, int]:
    """Return the host and the port of a WebSocket or HTTP address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _TARGET_PORTS[_BY_SCHEME[parts.scheme.lower()]]


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for an address, or None if it is reached directly. Raises Unreachable if that is not a proxy.

    ``ws`` counts as ``http`` and ``wss`` as ``https``. This machine is never reached through a proxy.
    """
    if urls.is_loopback(url) or not _may_have_settings():
        return None
    late_imports.load("urllib.request")
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    if not set(proxies) - {"no"}:
        return None
    host, port = target(url)
    host = host.rstrip(".")  # the final dot of an absolute name
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if _is_excepted(host, port, excepted) or proxy_bypass(host):
        return None
    late_imports.load("requests")
    from requests.utils import select_proxy

    scheme = _BY_SCHEME[urlsplit(url).scheme.lower()]
    found = select_proxy(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}", proxies)
    if not found or not found.strip():
        return None
    return _read(found.strip(), _source(scheme, found))


def _may_have_settings() -> bool:
    """Whether something may name a proxy: a variable, or the settings of the system, which Linux does not have.

    To look closer takes an import that most sessions do not need.
    """
    return sys.platform in ("darwin", "win32") or any(name.lower().endswith("_proxy") for name in os.environ)


def _is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` names a host.

    As requests reads it, and also addresses with a port, and IPv6 in brackets and networks of it, in any case.
    """
    excepted = (_name_and_port(entry.strip().lower()) for entry in no_proxy.split(","))
    return any((not wanted or wanted == str(port)) and _is_inside(host, name) for name, wanted in excepted)


def _name_and_port(entry: str) -> tuple[str, str]:
    """Split an entry of ``NO_PROXY``; the port is empty if it has none."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and ":" not in name:
        return name, port
    return entry, ""


def _is_inside(host: str, name: str) -> bool:
    """Whether a host is the one, or in the domain or the IP network, that is named."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = name.strip(".")
        return bool(domain) and f".{host}".endswith(f".{domain}")
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _source(scheme: str, value: str) -> str:
    names = [f"{prefix}_proxy" for prefix in (scheme, "all")]
    for name in (spelling for one in names for spelling in (one, one.upper())):
        if os.environ.get(name) == value:
            return name
    return "of this machine's settings"


def _read(text: str, source: str) -> Proxy:
    """Read the value of a variable. The errors do not repeat it, as it may hold a password."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if "@" in parts.path + parts.query + parts.fragment:  # `#`, `?` or `/` has ended the host too early
            raise Unreachable(
                f"the proxy of {source} has a special character in its user name or password: percent-encode it, for"
                " example # as %23, / as %2F and ? as %3F",
                final=True,
            )
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        scheme, host, port = "http", "", None
    if scheme == "https":
        raise Unreachable(
            f"the proxy of {source} is to be reached over TLS (https://), which simsync cannot do: write http:// if it"
            " also accepts connections without TLS, as most do",
            final=True,
        )
    if scheme not in _PORTS:
        raise Unreachable(
            f"the proxy of {source} has the unknown scheme {scheme!r}: write http://HOST:PORT or socks5h://HOST:PORT",
            final=True,
        )
    if not host:
        raise Unreachable(f"the proxy of {source} is no address: write http://HOST:PORT", final=True)
    return Proxy(
        scheme, host, port or _PORTS[scheme], source, unquote(parts.username or ""), unquote(parts.password or "")
    )
