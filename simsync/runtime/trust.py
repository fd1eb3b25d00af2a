"""Which certificates are trusted: decided once, for WebSockets, RPC and services."""

from __future__ import annotations

import functools
import os
import re
import ssl
from typing import TYPE_CHECKING

from simsync.errors import ConnectError
from simsync.options import Options
from simsync.runtime.exhaustion import exhaustion, is_limit

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name a file or a folder of CA certificates; the first that is set counts."""

_HASHED = r"[0-9a-f]{8}\.\d+$"
"""The names that OpenSSL looks for in a folder."""

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
    if bundle is not None:
        return _with_bundle(*bundle, user)
    try:
        return _with_system_store(user)
    except OSError as error:
        raise exhaustion(error) or error from None


def trusted_by(options: Options) -> str:
    """Return which certificates :func:`tls_context` trusts, as text."""
    if options.ssl_context is not None:
        return "those of Options(ssl_context=...)"
    bundle = _bundle(options)
    return "those of this system" if bundle is None else f"those in {bundle[1]} ({bundle[0]})"


def has_bundle(options: Options) -> bool:
    """Return whether a file or folder replaces the certificates of the system."""
    return options.ssl_context is None and _bundle(options) is not None


def _bundle(options: Options) -> tuple[str, str] | None:
    """Return where the path of a bundle was set, and the path."""
    if options.ca_bundle is not None:
        return "ca_bundle", os.fspath(options.ca_bundle)
    return next(((name, os.environ[name]) for name in VARIABLES if os.environ.get(name)), None)


def _with_bundle(source: str, path: str, user: str) -> ssl.SSLContext:
    from pathlib import Path  # late: few programs have a bundle, and every start would wait for the import

    try:
        # SSL_CERT_DIR may name several folders.
        parts = [Path(part) for part in (path.split(os.pathsep) if source == "SSL_CERT_DIR" else [path]) if part]
        if len(parts) > 1:  # OpenSSL ignores those that are missing
            parts = [part for part in parts if part.is_dir()] or parts[:1]
        states = tuple((found.st_mtime_ns, found.st_ctime_ns, found.st_ino) for found in map(os.stat, parts))
        is_folder = parts[0].is_dir()
        if is_folder and not any(_is_hashed(part) for part in parts):
            raise _NotHashed(f"it holds no file with a name such as 5ed36f99.0: run `openssl rehash {parts[0]}`")
        return _loaded(os.pathsep.join(map(str, parts)), states, is_folder, user)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError, and a path with a NUL a ValueError
        limit = exhaustion(error)
        if limit is not None:
            raise limit from error
        if isinstance(error, ssl.SSLError):
            found = "it is damaged or cut off" if error.reason is None else error.reason
            reason = f"it holds no certificate that can be read ({found})"
        else:
            reason = getattr(error, "strerror", None) or str(error)
        failure = ConnectError(f"the CA bundle {path!r} ({source}) cannot be used: {reason}")
        failure.retryable = False
        raise failure from error


class _NotHashed(ValueError):
    """OpenSSL would find no certificate in this folder."""


def _is_hashed(folder: Path) -> bool:
    return any(re.match(_HASHED, entry.name) for entry in folder.iterdir())


@functools.lru_cache(maxsize=8)
def _loaded(path: str, _changed: tuple[tuple[int, ...], ...], is_folder: bool, _user: str) -> ssl.SSLContext:
    """Loading takes long, and many connections may be made at a time. A file that has changed is read again."""
    return ssl.create_default_context(capath=path) if is_folder else ssl.create_default_context(cafile=path)


@functools.lru_cache(maxsize=2)
def _with_system_store(_user: str) -> ssl.SSLContext:
    """The store of the system, or that of certifi where a Python comes without one."""
    paths = ssl.get_default_verify_paths()
    if os.name == "nt" or paths.cafile or paths.capath:
        try:
            return ssl.create_default_context(cafile=paths.cafile, capath=paths.capath)
        except OSError as error:
            if is_limit(error):  # what is returned here is kept: it must not be a store without certificates
                raise
            return ssl.create_default_context()
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
