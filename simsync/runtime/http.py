"""Plain HTTP through requests: pooled connections, foreign exceptions mapped to ours."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping
from typing import Any, Callable, Optional

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from simsync._version import __version__
from simsync.errors import Cancelled, ConnectError, HttpStatusError, ProtocolError
from simsync.frames import HTTP, OnFrame
from simsync.params.api_key import NO_KEY, ApiKey
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.http_body import ENCODING, BodyRefused, read_body
from simsync.runtime.open_sockets import OpenSockets
from simsync.runtime.unreachable import unreachable_reason
from simsync.wire import urls

_NO_PROXY = {"http": "", "https": ""}


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that adds nothing: without one, requests would look for the user's netrc file."""
    return request


class _Session(requests.Session):
    """Looks at no redirect: to learn where it leads the library reads its whole body, however large."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _Adapter(HTTPAdapter):
    """Makes connections that can be called off."""

    def __init__(self, sockets: OpenSockets) -> None:
        self._pools = sockets.pools()
        super().__init__()

    def init_poolmanager(self, *args: Any, **keywords: Any) -> Any:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(*args, **keywords)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _TlsAdapter(_Adapter):
    """Lets the caller's context alone decide which certificates are good."""

    def __init__(self, sockets: OpenSockets, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(sockets)

    def init_poolmanager(self, *args: Any, **keywords: Any) -> Any:
        return super().init_poolmanager(*args, **keywords, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **keywords: Any) -> Any:
        return super().proxy_manager_for(*args, **keywords, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: requests would set its own rules in the context."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """The same for newer versions of requests."""
        host, _attributes = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}


class _Pool:
    """The sessions of one process, one per thread: a requests.Session must not be shared."""

    def __init__(self, make: Callable[[], requests.Session]) -> None:
        self._make = make
        self._local = threading.local()
        self._lock = threading.Lock()  # guards what follows
        self._sessions: dict[threading.Thread, requests.Session] = {}
        self._closed = False

    def session(self) -> requests.Session | None:
        """The session of this thread, None once the pool is closed."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            ended = []
            with self._lock:
                if self._closed:
                    return None
                for thread in [thread for thread in self._sessions if not thread.is_alive()]:
                    ended.append(self._sessions.pop(thread))
                session = self._local.session = self._sessions[threading.current_thread()] = self._make()
            for other in ended:
                _close(other)
        return session

    def close(self) -> None:
        with self._lock:
            self._closed = True
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            _close(session)


def _close(session: requests.Session) -> None:
    """Close the connections too: left to themselves they stay open as long as any exception remembers them."""
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                for key in manager.pools.keys():  # noqa: SIM118  it is no mapping
                    pool = manager.pools.get(key)
                    if pool is not None:
                        pool.close()
    session.close()


class HttpClient:
    """Sends requests. Redirects are not followed, so nothing travels to a host that was not asked for.

    ``timeout``: seconds without a sign of life. ``key`` goes with each request and is kept out of every error.
    ``max_body``: bytes of a reply. ``advice``: HTTP status → what to do about it. ``ssl_context``: for ``https``.
    ``on_frame``: shown each exchange.
    """

    def __init__(
        self,
        timeout: float,
        key: ApiKey = NO_KEY,
        *,
        max_body: int,
        advice: Optional[Mapping[int, str]] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
        on_frame: Optional[OnFrame] = None,
    ) -> None:
        self._timeout = timeout
        self._key = key
        self._max_body = max_body
        self._on_frame = on_frame
        self._advice = advice or {}
        self._ssl_context = ssl_context
        # By process: a child that was forked must not talk on its parent's connections, nor wait for its locks.
        self._pools: dict[int, _Pool] = {}
        self._sockets: dict[int, OpenSockets] = {}

    def get(self, url: str) -> bytes:
        """The body of the reply. Raises ConnectError, HttpStatusError for any status but 2xx, and ProtocolError for a
        body that is too large or cannot be read; so do the others."""
        return self._send("GET", url)[0]

    def get_date(self, url: str) -> str | None:
        """The ``Date`` header of the reply."""
        return self._send("GET", url)[1].get("Date")

    def post_json(self, url: str, body: bytes) -> bytes:
        return self._send("POST", url, body)[0]

    def delete(self, url: str) -> bytes:
        return self._send("DELETE", url)[0]

    def _send(self, method: str, url: str, body: bytes | None = None) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of the reply."""
        tap = FrameObserver.of(self._on_frame, HTTP, url)
        if tap is None:
            _status, content, reply_headers = self._exchange(method, url, body)
            return content, reply_headers
        tap.requested(method, body)
        try:
            status, content, reply_headers = self._exchange(method, url, body)
        except HttpStatusError as error:
            tap.answered(error.status, error.body.encode("utf-8", "replace"))
            raise
        except (Cancelled, ConnectError, ProtocolError) as error:
            tap.answered(None, str(error).encode("utf-8", "replace"))
            raise
        tap.answered(status, content)
        return content, reply_headers

    def _exchange(self, method: str, url: str, body: bytes | None) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers of the reply."""
        headers = {"User-Agent": f"simsync/{__version__}", "Accept-Encoding": ENCODING, **self._key.headers()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._check(method, url)
        try:
            reply = self._session().request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                auth=_leave_alone,
                proxies=_NO_PROXY if urls.is_loopback(url) else None,
                stream=True,  # read_body() does the reading
            )
            content, refused = self._read(reply)
        except requests.Timeout as error:
            self._check(method, url)
            raise ConnectError(f"{method} {url}: no answer within {self._timeout:g} s") from error
        except (requests.RequestException, HTTPError, UnicodeError) as error:  # requests lets some of urllib3's pass
            self._check(method, url)
            reason = unreachable_reason(url, error) or str(error)
            text = self._key.hidden_in(f"{method} {url} failed: {reason}")
            raise ConnectError(text) from self._key.harmless(error)
        status = reply.status_code
        if not 200 <= status < 300:
            text = self._key.hidden_in(refused or content.decode("utf-8", "replace"))
            advice = "redirects are not followed" if 300 <= status < 400 else self._advice.get(status, "")
            raise HttpStatusError(url, status, text, advice)
        if refused:
            raise ProtocolError(f"{method} {url}: {refused}")
        return status, content, reply.headers

    def _read(self, reply: requests.Response) -> tuple[bytes, str]:
        """The body, and why it was not taken."""
        try:
            return read_body(reply, self._max_body), ""
        except BodyRefused as error:
            reply.close()  # the rest is not waited for
            return b"", str(error)

    def sleep(self, seconds: float) -> None:
        """Until that time is over, or everything is called off."""
        sockets = self._own_sockets()
        # wait: caller, inquiry, subscription | the next attempt of an RPC call | `HttpClient.call_off` | the delay
        sockets.sleep(seconds)

    def call_off(self) -> None:
        """End the requests that are under way, and all later ones, with Cancelled; for another thread."""
        self._own_sockets().call_off()

    def _check(self, method: str, url: str) -> None:
        if self._own_sockets().called_off:
            raise Cancelled(f"{method} {url} was called off")

    def _own_sockets(self) -> OpenSockets:
        return self._sockets.setdefault(os.getpid(), OpenSockets())

    def _session(self) -> requests.Session:
        while True:
            pool = self._pools.setdefault(os.getpid(), _Pool(self._new_session))
            session = pool.session()
            if session is not None:
                return session

    def _new_session(self) -> requests.Session:
        session = _Session()
        sockets = self._own_sockets()
        plain = _Adapter(sockets)
        session.mount("http://", plain)
        session.mount("https://", plain if self._ssl_context is None else _TlsAdapter(sockets, self._ssl_context))
        return session

    def close(self) -> None:
        """Give the connections back. The next request opens another one."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()
