"""Which certificates are trusted: decided once, for WebSockets, RPC and services."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path

from simsync.errors import ConnectError
from simsync.options import Options

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name a file or a folder of CA certificates; the first that is set counts."""

WEBSOCKET, HTTP = "websocket", "http"
"""Users of a context. Each has its own, because urllib3 changes settings of a context."""


def tls_context(options: Options, user: str) -> ssl.SSLContext:
    """Return the context for ``wss`` and ``https``.

    The first of these counts: ``Options.ssl_context``, ``Options.ca_bundle``, the variables, the store of the system.

    Raises:
        ConnectError: A bundle is missing or cannot be read. Another attempt would not help.
    """
    if options.ssl_context is not None:
        return options.ssl_context
    bundle = _bundle(options)
    return _with_system_store(user) if bundle is None else _with_bundle(*bundle, user)


def trusted_by(options: Options) -> str:
    """Return which certificates :func:`tls_context` trusts, as text."""
    if options.ssl_context is not None:
        return "those of Options(ssl_context=...)"
    bundle = _bundle(options)
    return "those of this system" if bundle is None else f"those in {bundle[1]} ({bundle[0]})"


def _bundle(options: Options) -> tuple[str, str] | None:
    """Return where the path of a bundle was set, and the path."""
    if options.ca_bundle is not None:
        return "ca_bundle", os.fspath(options.ca_bundle)
    return next(((name, os.environ[name]) for name in VARIABLES if os.environ.get(name)), None)


def _with_bundle(source: str, path: str, user: str) -> ssl.SSLContext:
    try:
        # SSL_CERT_DIR may name several folders.
        parts = [Path(part) for part in (path.split(os.pathsep) if source == "SSL_CERT_DIR" else [path])]
        return _loaded(path, tuple(part.stat().st_mtime_ns for part in parts), parts[0].is_dir(), user)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError, and a path with a NUL a ValueError
        if isinstance(error, ssl.SSLError):
            reason = f"it holds no certificate that can be read ({error.reason or error})"
        else:
            reason = getattr(error, "strerror", None) or str(error)
        failure = ConnectError(f"the CA bundle {path!r} ({source}) cannot be used: {reason}")
        failure.retryable = False
        raise failure from error


@functools.lru_cache(maxsize=8)
def _loaded(path: str, _changed: tuple[int, ...], is_folder: bool, _user: str) -> ssl.SSLContext:
    """Loading takes long, and many connections may be made at a time. A file that has changed is read again."""
    return ssl.create_default_context(capath=path) if is_folder else ssl.create_default_context(cafile=path)


@functools.lru_cache(maxsize=2)
def _with_system_store(_user: str) -> ssl.SSLContext:
    """The store of the system, or that of certifi where a Python comes without one."""
    paths = ssl.get_default_verify_paths()
    if os.name == "nt" or paths.cafile or paths.capath:
        return ssl.create_default_context()
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
