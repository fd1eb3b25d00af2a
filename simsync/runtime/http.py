"""Plain HTTP requests through requests, with the library's exceptions mapped to those of simsync."""

from __future__ import annotations

import os
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from simsync._version import __version__
from simsync.errors import Cancelled, ConnectError, HttpStatusError, ProtocolError
from simsync.frames import HTTP
from simsync.options import Options
from simsync.params.api_key import NO_KEY, ApiKey
from simsync.runtime.addresses import Unreachable
from simsync.runtime.exhaustion import Exhausted, exhaustion
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.http_connections import BoundedSession, Connections
from simsync.runtime.retry_after import seconds_to_wait
from simsync.runtime.unreachable import chain, unreachable_reason

_PIECE = 64 * 1024
"""Bytes read at once."""

_ENCODING = "gzip"
"""The only compression that is requested and accepted, because zlib inflates it piece by piece, within a bound."""
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class HttpClient:
    """Sends HTTP requests. Redirects are not followed, so nothing is sent to a host that the caller did not name.

    A request runs in the thread that makes it; :meth:`abort` ends those of other threads.

    Args:
        options: ``rpc_timeout`` bounds each request as a whole, ``connect_timeout`` the making of a connection;
            ``max_message`` bounds the body of a reply, after inflating. ``ssl_context``, ``ca_bundle`` and ``on_frame``
            apply.
        key: Sent with each request and removed from every error.
        advice: HTTP status → what the user should do about it.
    """

    def __init__(self, options: Options, key: ApiKey = NO_KEY, *, advice: Mapping[int, str] | None = None) -> None:
        self._options = options
        self._key = key
        self._advice = advice or {}
        # By process: a forked child must neither use the connections of its parent nor wait for its locks.
        self._connections: dict[int, Connections] = {}
        self._aborted = False

    def get(self, url: str, deadline: float | None = None) -> bytes:
        """Return the body of the reply.

        ``deadline`` is the end of the call that this request belongs to, in seconds of :func:`time.monotonic`.

        This and the other methods raise ConnectError if there is no reply, HttpStatusError for any status but 2xx,
        ProtocolError for a body that is too large or cannot be read, and Cancelled after :meth:`abort`.
        """
        return self._send("GET", url, deadline=deadline)[0]

    def get_date(self, url: str) -> str | None:
        """Return the ``Date`` header of the reply."""
        return self._send("GET", url)[1].get("Date")

    def post_json(self, url: str, body: bytes, deadline: float | None = None) -> bytes:
        return self._send("POST", url, body, deadline)[0]

    def delete(self, url: str) -> bytes:
        return self._send("DELETE", url)[0]

    def connections(self) -> Connections:
        """Return the connections of this process."""
        found = self._connections.setdefault(os.getpid(), Connections(self._options))
        # Looked at after the lookup, and set before it in abort(): whichever thread comes second aborts them.
        if self._aborted:
            found.abort()
        return found

    def abort(self) -> None:
        """End the requests that are under way in other threads. They and all later ones raise Cancelled."""
        self._aborted = True
        self.connections()

    def close(self) -> None:
        """Close the idle connections. The next request opens another one."""
        connections = self._connections.pop(os.getpid(), None)
        if connections is not None:
            connections.close()

    def _send(
        self, method: str, url: str, body: bytes | None = None, deadline: float | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of the reply, and show the exchange to ``on_frame``."""
        observer = FrameObserver.of(self._options.on_frame, HTTP, url)
        if observer is None:
            _status, content, reply_headers = self._exchange(method, url, body, deadline)
            return content, reply_headers
        observer.requested(method, body)
        try:
            status, content, reply_headers = self._exchange(method, url, body, deadline)
        except HttpStatusError as error:
            observer.answered(error.status, error.body.encode("utf-8", "replace"))
            raise
        except (Cancelled, ConnectError, ProtocolError) as error:
            observer.answered(None, str(error).encode("utf-8", "replace"))
            raise
        observer.answered(status, content)
        return content, reply_headers

    # guess: errors over HTTP
    def _exchange(
        self, method: str, url: str, body: bytes | None, deadline: float | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Return status, body and headers of the reply."""
        # guess: `User-Agent`
        headers = {"User-Agent": f"simsync/{__version__}", "Accept-Encoding": _ENCODING, **self._key.headers()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._raise_if_aborted(method, url)
        session = self._session()
        budget = session.budget
        budget.deadline = time.monotonic() + self._options.rpc_timeout
        if deadline is not None:
            budget.deadline = min(budget.deadline, deadline)
        try:
            reply = session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=budget.left(),
                allow_redirects=False,
                auth=_no_authentication,
                stream=True,  # the body is read below, within a bound
            )
            content, refused = self._read(reply)
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:  # some are urllib3's
            self._raise_if_aborted(method, url)
            # A known reason says it all; the tracebacks of the libraries would hide it.
            known = unreachable_reason(url, error, self._options) is not None
            raise self._failed(method, url, error) from None if known else self._key.harmless(error)
        status = reply.status_code
        if not 200 <= status < 300:
            text = self._key.hidden_in(refused or content.decode("utf-8", "replace"))
            advice = "redirects are not followed" if 300 <= status < 400 else self._advice.get(status, "")
            wait = seconds_to_wait(reply.headers.get("Retry-After"), reply.headers.get("Date"))
            raise HttpStatusError(url, status, text, advice, wait)
        if refused:
            raise ProtocolError(f"{method} {url}: {refused}")
        return status, content, reply.headers

    def _failed(self, method: str, url: str, error: Exception) -> ConnectError:
        limit = exhaustion(error)
        if limit is not None:
            return Exhausted(f"{method} {url} failed: {limit}")
        causes = list(chain(error))
        reason = unreachable_reason(url, error, self._options)
        if reason is None and any(isinstance(cause, (Urllib3Timeout, socket.timeout)) for cause in causes):
            return ConnectError(f"{method} {url}: no complete answer within {self._options.rpc_timeout:g} s")
        failure = ConnectError(f"{method} {url} failed: {reason or self._key.hidden_in(str(error))}")
        for cause in causes:
            if isinstance(cause, Unreachable):
                failure.retryable, failure.retry_after = not cause.final, cause.retry_after
            elif isinstance(cause, ssl.SSLCertVerificationError):
                failure.retryable = False
        return failure

    def _read(self, reply: requests.Response) -> tuple[bytes, str]:
        """Return the body and the reason why it was refused, one of them empty."""
        try:
            return _read_body(reply, self._options.max_message), ""
        except _BodyRefused as error:
            reply.close()  # without reading the rest
            return b"", str(error)

    def _session(self) -> BoundedSession:
        while True:
            session = self.connections().session()
            if session is not None:  # else another thread has just closed them
                return session

    def _raise_if_aborted(self, method: str, url: str) -> None:
        if self._aborted:
            raise Cancelled(f"{method} {url} was aborted")


def _no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing. Without an ``auth``, requests would look for credentials in the user's netrc file."""
    return request


class _BodyRefused(Exception):
    """The body of a reply is too large or cannot be read."""


def _read_body(reply: requests.Response, limit: int) -> bytes:
    """Read the body of a reply that was requested with ``stream=True``.

    However it was compressed, no more than ``limit`` bytes and one piece are held. Raises _BodyRefused, and whatever
    urllib3 raises.
    """
    pieces: Iterator[bytes] = reply.raw.stream(_PIECE, decode_content=False)
    encoding = reply.headers.get("Content-Encoding", "").strip().lower()
    if encoding == _ENCODING:
        pieces = _inflated(pieces, limit)
    elif encoding not in ("", "identity"):
        raise _BodyRefused(f"the reply is compressed with {encoding[:20]!r}, which was not requested")
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            raise _BodyRefused(f"the reply is larger than {limit} bytes")
    return bytes(body)


def _inflated(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """Inflate a gzip body. No piece that is yielded is longer than ``limit`` + 1 bytes."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    begun = False
    try:
        for piece in pieces:
            while piece:
                begun = True
                yield inflater.decompress(piece, limit + 1)
                piece = inflater.unconsumed_tail
                if inflater.eof:  # a gzip file may have several members
                    piece, inflater, begun = inflater.unused_data, zlib.decompressobj(_GZIP_WINDOW), False
    except zlib.error as error:
        raise _BodyRefused(f"the reply is not valid {_ENCODING}: {error}") from error
    if begun:
        raise _BodyRefused("the compressed reply ends early")
