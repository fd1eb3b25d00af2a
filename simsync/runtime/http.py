"""Plain HTTP through requests: one pooled connection per owner, foreign exceptions mapped to ours."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Optional

import requests

from simsync._version import __version__
from simsync.errors import ConnectError, HttpStatusError
from simsync.wire import urls

_NO_PROXY = {"http": "", "https": ""}


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that adds nothing: without one, requests would look for the user's netrc file."""
    return request


class HttpClient:
    """Sends requests. Redirects are not followed, so nothing travels to a host that was not asked for."""

    def __init__(self, timeout: float, headers: Optional[Mapping[str, str]] = None) -> None:
        self._timeout = timeout
        self._headers = {"User-Agent": f"simsync/{__version__}", **(headers or {})}
        self._local = threading.local()  # a requests.Session must not be shared between threads
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()  # guards _sessions

    def post_json(self, url: str, body: bytes) -> bytes:
        """The body of the reply. Raises ConnectError, or HttpStatusError for any status but 2xx."""
        return self._send("POST", url, body)

    def _send(self, method: str, url: str, body: bytes) -> bytes:
        headers = {**self._headers, "Content-Type": "application/json"}
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
        except requests.RequestException as error:
            raise ConnectError(f"{method} {url} failed: {error}") from error
        if not 200 <= reply.status_code < 300:
            advice = "the session is over or was never there" if reply.status_code == 404 else ""
            raise HttpStatusError(url, reply.status_code, reply.text, advice)
        return reply.content

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            with self._lock:
                self._sessions.append(session)
        return session

    def close(self) -> None:
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()
