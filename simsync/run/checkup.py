"""What stands between this machine and a simulator, one check after the other, each with what to do.

A check that fails ends those that depend on it. Nothing is created and nothing costs anything.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Optional
from urllib.parse import urlsplit

import simsync
from simsync.json_form import JsonForm

OK, WARNING, FAILED = "ok", "warning", "failed"

_PYTHONS = ((3, 9), (3, 13))
_NEEDED = ("websocket-client", "requests", "dataclasses-json", "tenacity")
_EXTRAS = {
    "speed": ("orjson", "msgspec", "zstandard"),
    "local": ("solders", "aiohttp"),
    "cli": ("click", "rich"),
    "report": ("plotly", "jinja2", "pyarrow"),
}
_SECONDS = 10.0
"""Longest time for each connection."""
_CLOCK_LIMIT = 60.0
"""Seconds by which this clock may differ from the server's before it is worth a word."""
_CERTIFICATE_DAYS = 14
_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True)
class Finding(JsonForm):
    """``result``: ``ok``, ``warning`` or ``failed``; ``advice``: what to do, None where there is nothing."""

    check: str
    result: str
    detail: str
    advice: Optional[str] = None


def check_up(client: simsync.Client | None) -> Iterator[Finding]:
    """The findings, as they are made. Without a client only this machine is looked at."""
    yield _python()
    yield from _packages()
    if client is None:
        yield Finding("address", FAILED, "none given", "give --url, or set SIMULATOR_URL")
        return
    yield Finding("address", OK, client.url)
    parts = urlsplit(client.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    name = _name(host, port)
    yield name
    if name.result == FAILED:
        return
    connection = _connection(host, port, client.options.ssl_context, tls=parts.scheme == "wss")
    yield connection
    if connection.result == FAILED:
        return
    yield from _services(client)
    yield _clock(client)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if _PYTHONS[0] <= sys.version_info[:2] <= _PYTHONS[1]:
        return Finding("Python", OK, version)
    return Finding("Python", WARNING, version, "simsync is tested on 3.9 to 3.13")


def _packages() -> Iterator[Finding]:
    missing = [name for name in _NEEDED if _version(name) is None]
    found = ", ".join(f"{name} {_version(name)}" for name in _NEEDED if name not in missing)
    if missing:
        yield Finding("packages", FAILED, f"missing: {', '.join(missing)}", "pip install --force-reinstall simsync")
    else:
        yield Finding("packages", OK, found)
    for extra, names in _EXTRAS.items():
        absent = [name for name in names if _version(name) is None]
        if absent:
            advice = f"pip install 'simsync[{extra}]' if you want it"
            yield Finding(f"extra [{extra}]", WARNING, f"missing: {', '.join(absent)}", advice)
        else:
            yield Finding(f"extra [{extra}]", OK, ", ".join(f"{name} {_version(name)}" for name in names))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _name(host: str, port: int) -> Finding:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return Finding("name", FAILED, f"{host} does not resolve ({error})", "check the address and this machine's DNS")
    addresses = dict.fromkeys(str(one[4][0]) for one in found)
    return Finding("name", OK, f"{host} is {', '.join(addresses)}")


def _connection(host: str, port: int, context: ssl.SSLContext | None, *, tls: bool) -> Finding:
    what = "TLS" if tls else "connection"
    try:
        with socket.create_connection((host, port), _SECONDS) as plain:
            if not tls:
                return Finding(what, OK, f"{host}:{port} answers; not encrypted, as the address says")
            with (context or ssl.create_default_context()).wrap_socket(plain, server_hostname=host) as secure:
                return _certificate(secure)
    except ssl.SSLCertVerificationError as error:
        advice = "for an own CA pass Options(ssl_context=...); never switch the check off"
        return Finding(what, FAILED, f"the certificate was not accepted: {error.verify_message}", advice)
    except ssl.SSLError as error:
        advice = f"if the server there speaks no TLS, write ws://{host}:{port} (a bare host means TLS)"
        return Finding(what, FAILED, f"the handshake with {host}:{port} failed ({error.reason})", advice)
    except OSError as error:
        advice = "is the simulator running there? Is a firewall in between?"
        return Finding(what, FAILED, f"{host}:{port} cannot be reached ({error})", advice)


def _certificate(secure: ssl.SSLSocket) -> Finding:
    certificate = secure.getpeercert() or {}
    until = certificate.get("notAfter")
    detail = f"{secure.version()}, certificate valid until {until}"
    if isinstance(until, str) and ssl.cert_time_to_seconds(until) - time.time() < _CERTIFICATE_DAYS * 86_400:
        return Finding("TLS", WARNING, detail, "the server's certificate ends soon")
    return Finding("TLS", OK, detail)


def _services(client: simsync.Client) -> Iterator[Finding]:
    try:
        if client.health():
            yield Finding("health", OK, "the server says that it is well")
        else:
            yield Finding("health", WARNING, "the server says that it is not well", "try again later")
        if client.ready():
            yield Finding("ready", OK, "it takes sessions")
        else:
            yield Finding("ready", WARNING, "it takes no sessions now", "try again later")
        ranges = client.available_ranges()
    except simsync.SimsyncError as error:
        yield Finding("services", FAILED, str(error), "does a simulator answer at this address?")
        return
    if ranges:
        yield Finding("ranges", OK, f"{len(ranges)}, from slot {min(one.start_slot for one in ranges)}")
    else:
        yield Finding("ranges", WARNING, "nothing can be replayed", "is this the right simulator, and the right key?")
    yield _key(client)


def _key(client: simsync.Client) -> Finding:
    try:
        name = client.usage().api_key_name
    except simsync.HttpStatusError as error:
        if error.status in (401, 403):
            return Finding("key", FAILED, "it was refused", "check --api-key or SIMULATOR_API_KEY")
        return Finding("key", WARNING, str(error), "this server does not tell; creating a session will")
    except simsync.SimsyncError as error:
        return Finding("key", WARNING, str(error), "creating a session will tell")
    return Finding("key", OK, f"accepted, its name is {name!r}" if name else "accepted")


def _clock(client: simsync.Client) -> Finding:
    """The difference is no trouble for simsync itself, but for whoever reads its logs beside the server's."""
    try:
        told = client.server_time()
    except simsync.SimsyncError:
        told = None
    if told is None:
        return Finding("clock", WARNING, "the server does not tell the time")
    difference = time.time() - told.timestamp()
    if abs(difference) > _CLOCK_LIMIT:
        direction = "ahead of" if difference > 0 else "behind"
        return Finding(
            "clock", WARNING, f"{abs(difference):.0f} s {direction} the server's", "set this machine's clock"
        )
    return Finding("clock", OK, "as the server's")
