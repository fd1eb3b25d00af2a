"""Plain HTTP requests through requests, with the library's exceptions mapped to those of simsync."""

from __future__ import annotations

import os
import ssl
import zlib
from collections.abc import Iterator, Mapping

import requests
from urllib3.exceptions import HTTPError

from simsync._version import __version__
from simsync.errors import Cancelled, ConnectError, HttpStatusError, ProtocolError
from simsync.frames import HTTP, OnFrame
from simsync.params.api_key import NO_KEY, ApiKey
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.http_connections import Connections
from simsync.runtime.unreachable import unreachable_reason
from simsync.wire import urls

_NO_PROXY = {"http": "", "https": ""}
_PIECE = 64 * 1024
"""Bytes read at once."""

_ENCODING = "gzip"
"""The only compression that is requested and accepted, because zlib inflates it piece by piece, within a bound."""
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class HttpClient:
    """Sends HTTP requests. Redirects are not followed, so nothing is sent to a host that the caller did not name.

    A request runs in the thread that makes it; :meth:`abort` ends those of other threads.

    Args:
        timeout: Seconds without a byte from the server after which a request fails.
        key: Sent with each request and removed from every error.
        max_body: Limit of a reply's body in bytes, after inflating.
        advice: HTTP status → what the user should do about it.
        ssl_context: Used for ``https``.
        on_frame: Called with each request and reply.
    """

    def __init__(
        self,
        timeout: float,
        key: ApiKey = NO_KEY,
        *,
        max_body: int,
        advice: Mapping[int, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        on_frame: OnFrame | None = None,
    ) -> None:
        self._timeout = timeout
        self._key = key
        self._max_body = max_body
        self._on_frame = on_frame
        self._advice = advice or {}
        self._ssl_context = ssl_context
        # By process: a forked child must neither use the connections of its parent nor wait for its locks.
        self._connections: dict[int, Connections] = {}
        self._aborted = False

    def get(self, url: str) -> bytes:
        """Return the body of the reply.

        This and the other methods raise ConnectError if there is no reply, HttpStatusError for any status but 2xx,
        ProtocolError for a body that is too large or cannot be read, and Cancelled after :meth:`abort`.
        """
        return self._send("GET", url)[0]

    def get_date(self, url: str) -> str | None:
        """Return the ``Date`` header of the reply."""
        return self._send("GET", url)[1].get("Date")

    def post_json(self, url: str, body: bytes) -> bytes:
        return self._send("POST", url, body)[0]

    def delete(self, url: str) -> bytes:
        return self._send("DELETE", url)[0]

    def connections(self) -> Connections:
        """Return the connections of this process."""
        found = self._connections.setdefault(os.getpid(), Connections(self._ssl_context))
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

    def _send(self, method: str, url: str, body: bytes | None = None) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of the reply, and show the exchange to ``on_frame``."""
        observer = FrameObserver.of(self._on_frame, HTTP, url)
        if observer is None:
            _status, content, reply_headers = self._exchange(method, url, body)
            return content, reply_headers
        observer.requested(method, body)
        try:
            status, content, reply_headers = self._exchange(method, url, body)
        except HttpStatusError as error:
            observer.answered(error.status, error.body.encode("utf-8", "replace"))
            raise
        except (Cancelled, ConnectError, ProtocolError) as error:
            observer.answered(None, str(error).encode("utf-8", "replace"))
            raise
        observer.answered(status, content)
        return content, reply_headers

    # guess: errors over HTTP
    def _exchange(self, method: str, url: str, body: bytes | None) -> tuple[int, bytes, Mapping[str, str]]:
        """Return status, body and headers of the reply."""
        # guess: `User-Agent`
        headers = {"User-Agent": f"simsync/{__version__}", "Accept-Encoding": _ENCODING, **self._key.headers()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._raise_if_aborted(method, url)
        try:
            reply = self._session().request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                auth=_no_authentication,
                proxies=_NO_PROXY if urls.is_loopback(url) else None,
                stream=True,  # the body is read below, within a bound
            )
            content, refused = self._read(reply)
        except requests.Timeout as error:
            self._raise_if_aborted(method, url)
            raise ConnectError(f"{method} {url}: no answer within {self._timeout:g} s") from error
        except (requests.RequestException, HTTPError, UnicodeError) as error:  # requests passes some of urllib3's on
            self._raise_if_aborted(method, url)
            reason = unreachable_reason(url, error)
            text = self._key.hidden_in(f"{method} {url} failed: {reason or error}")
            # A known reason says it all; the tracebacks of the libraries would hide it.
            raise ConnectError(text) from None if reason else self._key.harmless(error)
        status = reply.status_code
        if not 200 <= status < 300:
            text = self._key.hidden_in(refused or content.decode("utf-8", "replace"))
            advice = "redirects are not followed" if 300 <= status < 400 else self._advice.get(status, "")
            raise HttpStatusError(url, status, text, advice)
        if refused:
            raise ProtocolError(f"{method} {url}: {refused}")
        return status, content, reply.headers

    def _read(self, reply: requests.Response) -> tuple[bytes, str]:
        """Return the body and the reason why it was refused, one of them empty."""
        try:
            return _read_body(reply, self._max_body), ""
        except _BodyRefused as error:
            reply.close()  # without reading the rest
            return b"", str(error)

    def _session(self) -> requests.Session:
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
