"""Plain HTTP through requests: pooled connections, foreign exceptions mapped to ours."""

from __future__ import annotations

import os
import queue
import ssl
import threading
from collections.abc import Mapping
from typing import Any, Callable, Optional

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from simsync._version import __version__
from simsync.errors import ConnectError, HttpStatusError
from simsync.runtime.unreachable import unreachable_reason
from simsync.wire import urls

_NO_PROXY = {"http": "", "https": ""}
_HIDDEN = "(hidden)"


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that adds nothing: without one, requests would look for the user's netrc file."""
    return request


class _IdleConnections:
    """What urllib3 wants of a ``queue.LifoQueue``, whose lock Ctrl-C can leave taken for ever.

    It is used by one thread and never waited for.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._maxsize = maxsize
        self._stack: list[Any] = []

    def put(self, connection: Any, block: bool = False, timeout: float | None = None) -> None:
        if len(self._stack) >= self._maxsize > 0:
            raise queue.Full
        self._stack.append(connection)

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        if not self._stack:
            raise queue.Empty
        return self._stack.pop()

    def qsize(self) -> int:
        return len(self._stack)


class _HttpPool(HTTPConnectionPool):
    QueueCls: Any = _IdleConnections


class _HttpsPool(HTTPSConnectionPool):
    QueueCls: Any = _IdleConnections


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    """With pools that survive Ctrl-C."""

    def init_poolmanager(self, *args: Any, **keywords: Any) -> Any:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(*args, **keywords)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _TlsAdapter(_Adapter):
    """Lets the caller's context alone decide which certificates are good."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

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

    ``timeout``: seconds without a sign of life. ``headers`` go with each request, ``secret`` stands in one of them and
    is kept out of every error. ``advice``: HTTP status → what to do about it. ``ssl_context``: for ``https``.
    """

    def __init__(
        self,
        timeout: float,
        headers: Optional[Mapping[str, str]] = None,
        *,
        secret: str = "",
        advice: Optional[Mapping[int, str]] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._timeout = timeout
        self._headers = {"User-Agent": f"simsync/{__version__}", **(headers or {})}
        self._secret = secret
        self._advice = advice or {}
        self._ssl_context = ssl_context
        # By process: a child that was forked must not talk on its parent's connections, nor wait for its locks.
        self._pools: dict[int, _Pool] = {}

    def get(self, url: str) -> bytes:
        """The body of the reply. Raises ConnectError, or HttpStatusError for any status but 2xx; so do the others."""
        return self._send("GET", url)

    def post_json(self, url: str, body: bytes) -> bytes:
        return self._send("POST", url, body)

    def delete(self, url: str) -> bytes:
        return self._send("DELETE", url)

    def _send(self, method: str, url: str, body: bytes | None = None) -> bytes:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
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
            )
        except requests.Timeout as error:
            raise ConnectError(f"{method} {url}: no answer within {self._timeout:g} s") from error
        except (requests.RequestException, HTTPError, UnicodeError) as error:  # requests lets some of urllib3's pass
            reason = unreachable_reason(url, error) or str(error)
            raise ConnectError(self._without_secret(f"{method} {url} failed: {reason}")) from error
        status = reply.status_code
        if not 200 <= status < 300:
            text = self._without_secret(reply.content.decode("utf-8", "replace"))
            advice = "redirects are not followed" if 300 <= status < 400 else self._advice.get(status, "")
            raise HttpStatusError(url, status, text, advice)
        return reply.content

    def _without_secret(self, text: str) -> str:
        return text.replace(self._secret, _HIDDEN) if self._secret else text

    def _session(self) -> requests.Session:
        while True:
            pool = self._pools.setdefault(os.getpid(), _Pool(self._new_session))
            session = pool.session()
            if session is not None:
                return session

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.mount("http://", _Adapter())
        session.mount("https://", _Adapter() if self._ssl_context is None else _TlsAdapter(self._ssl_context))
        return session

    def close(self) -> None:
        """Give the connections back. The next request opens another one."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()
