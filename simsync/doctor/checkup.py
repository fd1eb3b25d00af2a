"""Checks of this machine, the network and the services of a simulator, each with advice.

A check that fails skips those that depend on it. The checks create no session and cost nothing.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Optional
from urllib.parse import urlsplit

import simsync
from simsync.json_form import JsonForm
from simsync.reports import ConnectionReport

OK, WARNING, FAILED = "ok", "warning", "failed"

_PYTHONS = ((3, 9), (3, 13))
_NEEDED = ("websocket-client", "requests", "dataclasses-json", "tenacity")
EXTRAS = {
    "speed": ("orjson", "msgspec", "zstandard"),
    "local": ("solders", "aiohttp"),
    "cli": ("click", "rich"),
    "report": ("duckdb", "plotly", "jinja2"),
    "arrow": ("pyarrow",),
    "socks": ("python-socks",),
}
_SECONDS = 10.0
"""Timeout of each connection."""
_CLOCK_LIMIT = 60.0
"""Seconds by which this clock may differ from the server's without a warning."""
_CERTIFICATE_DAYS = 14
_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True)
class CheckResult(JsonForm):
    """The result of one check.

    Attributes:
        check: Name of the check.
        result: ``ok``, ``warning`` or ``failed``.
        detail: What was found.
        advice: What to do; None if there is nothing to do.
    """

    check: str
    result: str
    detail: str
    advice: Optional[str] = None


def check_up(client: simsync.Client | None) -> Iterator[CheckResult]:
    """Run the checks, and yield each result at once.

    Args:
        client: A client for the simulator. Without one, only this machine is checked.
    """
    yield _python()
    yield from _packages()
    if client is None:
        yield CheckResult("address", FAILED, "not given", "pass --url, or set SIMULATOR_URL")
        return
    yield CheckResult("address", OK, client.url)
    parts = urlsplit(client.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        proxy = client.proxy
    except simsync.ConnectError as error:
        yield CheckResult("proxy", FAILED, str(error), "correct or unset the variable")
        return
    if proxy is None:  # else the proxy resolves the name
        name = _name(host, port)
        yield name
        if name.result == FAILED:
            return
    connection = check_connection(client)
    yield connection
    if connection.result == FAILED:
        return
    yield from _services(client)
    yield check_clock(client)


def _python() -> CheckResult:
    version = ".".join(map(str, sys.version_info[:3]))
    if _PYTHONS[0] <= sys.version_info[:2] <= _PYTHONS[1]:
        return CheckResult("Python", OK, version)
    return CheckResult("Python", WARNING, version, "simsync is tested on 3.9 to 3.13")


def _packages() -> Iterator[CheckResult]:
    yield _installed("packages", _NEEDED, FAILED, "pip install --force-reinstall simsync")
    for extra, names in EXTRAS.items():
        yield _installed(f"extra [{extra}]", names, WARNING, f"pip install 'simsync[{extra}]' if you need it")


def _installed(check: str, names: Sequence[str], otherwise: str, advice: str) -> CheckResult:
    versions = {name: _version(name) for name in names}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return CheckResult(check, otherwise, f"missing: {', '.join(missing)}", advice)
    return CheckResult(check, OK, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _name(host: str, port: int) -> CheckResult:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        advice = "check the address and this machine's DNS"
        return CheckResult("name", FAILED, f"{host} does not resolve ({error})", advice)
    addresses = dict.fromkeys(str(one[4][0]) for one in found)
    return CheckResult("name", OK, f"{host} is {', '.join(addresses)}")


def check_connection(client: simsync.Client) -> CheckResult:
    """Connect as a session does: through the proxy if there is one, with TLS if the address asks for it."""
    parts = urlsplit(client.url)
    place = f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
    tls = parts.scheme == "wss"
    what = "TLS" if tls else "connection"
    quick = replace(client.options, connect_timeout=min(_SECONDS, client.options.connect_timeout))
    try:
        report = simsync.Client(client.url, "", options=quick).try_connection()
    except simsync.ConnectError as error:
        return _no_connection(error, client.proxy, what, place)
    by = f"by {report.proxy}" if report.proxy else f"at {report.peer}"
    if not tls:
        return CheckResult(what, OK, f"{place} answers {by}; not encrypted, as the address is ws://")
    return _certificate(report, by)


def _no_connection(error: simsync.ConnectError, proxy: str | None, what: str, place: str) -> CheckResult:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = "for a private CA, pass --ca-bundle or Options(ca_bundle=...); do not disable verification"
        return CheckResult(what, FAILED, f"the certificate was rejected: {cause.verify_message}", advice)
    if "CA bundle" in str(error):
        return CheckResult(what, FAILED, str(error), "correct the path, see docs/guides/network.md")
    if isinstance(cause, ssl.SSLError):
        advice = f"if the server does not use TLS, pass ws://{place} (a bare host means TLS)"
        return CheckResult(what, FAILED, f"the handshake with {place} failed ({cause.reason})", advice)
    if proxy is not None:
        return CheckResult("proxy", FAILED, str(error), "see docs/guides/network.md")
    advice = "check that the simulator is running there and that no firewall blocks it"
    return CheckResult(what, FAILED, f"{place} cannot be reached ({cause or error})", advice)


def _certificate(report: ConnectionReport, by: str) -> CheckResult:
    until = report.certificate_until
    detail = f"{report.tls} {by}, certificate valid until {until}; trusted: {report.trusted}"
    if until is not None and ssl.cert_time_to_seconds(until) - time.time() < _CERTIFICATE_DAYS * 86_400:
        return CheckResult("TLS", WARNING, detail, "the server's certificate expires soon")
    return CheckResult("TLS", OK, detail)


def _services(client: simsync.Client) -> Iterator[CheckResult]:
    try:
        if client.health():
            yield CheckResult("health", OK, "the server reports that it is healthy")
        else:
            yield CheckResult("health", WARNING, "the server reports that it is not healthy", "try again later")
        if client.ready():
            yield CheckResult("ready", OK, "the server accepts sessions")
        else:
            yield CheckResult("ready", WARNING, "the server does not accept sessions now", "try again later")
        ranges = client.available_ranges()
    except simsync.SimsyncError as error:
        yield CheckResult("services", FAILED, str(error), "check that the address is that of a simulator")
        return
    if ranges:
        yield CheckResult("ranges", OK, f"{len(ranges)}, from slot {min(one.start_slot for one in ranges)}")
    else:
        yield CheckResult("ranges", WARNING, "there is nothing to replay", "check the address and the key")
    yield _key(client)


def _key(client: simsync.Client) -> CheckResult:
    try:
        name = client.usage().api_key_name
    except simsync.AuthenticationError:
        return CheckResult("key", FAILED, "the server rejected it", "check --api-key or SIMULATOR_API_KEY")
    except simsync.SimsyncError as error:
        return CheckResult("key", WARNING, str(error), "create a session to find out whether the key is accepted")
    return CheckResult("key", OK, f"accepted, its name is {name!r}" if name else "accepted")


def check_clock(client: simsync.Client) -> CheckResult:
    """Compare this machine's clock with the server's.

    simsync works with a wrong clock, but its logs are then hard to compare with those of the server.
    """
    try:
        told = client.server_time()
    except simsync.SimsyncError:
        told = None
    if told is None:
        return CheckResult("clock", WARNING, "the server does not report the time")
    difference = time.time() - told.timestamp()
    if abs(difference) > _CLOCK_LIMIT:
        direction = "ahead of" if difference > 0 else "behind"
        return CheckResult(
            "clock", WARNING, f"{abs(difference):.0f} s {direction} the server's", "set this machine's clock"
        )
    return CheckResult("clock", OK, "agrees with the server's")
