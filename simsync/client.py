"""The entry: where the simulator is, who is asking, and with which options."""

from __future__ import annotations

import os
import time

from simsync.errors import InvalidParams
from simsync.options import Options
from simsync.parallel import ParallelSession
from simsync.params import CreateSession, checks
from simsync.protocol.parallel import ParallelConversation
from simsync.protocol.route import Route
from simsync.rpc import Rpc
from simsync.runtime.cancel import CancelToken
from simsync.runtime.control import ControlLink
from simsync.runtime.threads import spawn
from simsync.wire import urls

URL_VARIABLE = "SIMULATOR_URL"
KEY_VARIABLE = "SIMULATOR_API_KEY"


class Client:
    """Knows a simulator. Making one does not connect.

    ``url``: a bare host, or a ``ws``, ``wss``, ``http`` or ``https`` address; default: the environment variable
    ``SIMULATOR_URL``. ``api_key``: default ``SIMULATOR_API_KEY``; it goes to the control host only. Raises
    :class:`~simsync.InvalidParams`.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, *, options: Options | None = None) -> None:
        if url is None:
            url = os.environ.get(URL_VARIABLE)
        if not url:
            raise InvalidParams("url", url, f"give the address of a simulator, or set {URL_VARIABLE}")
        self._control_url = urls.control_url(url)
        key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
        if not isinstance(key, str) or not key.isprintable() or not key.isascii() or key != key.strip():
            raise InvalidParams("api_key", "(hidden)", "must be plain text without line breaks or outer spaces")
        self._api_key = key
        self.options = options if options is not None else Options()
        if not isinstance(self.options, Options):
            raise InvalidParams("options", options, "must be an Options(...)")

    def __repr__(self) -> str:
        return f"Client({self._control_url!r}, api_key={'(hidden)' if self._api_key else 'None'})"

    @property
    def url(self) -> str:
        """The address of the control connection."""
        return self._control_url

    def parallel(
        self, create: CreateSession, *, cancel: CancelToken | None = None, timeout: float | None = None
    ) -> ParallelSession:
        """Create a session that the server splits into sub-sessions, and wait until they exist.

        A cold range can take minutes; ``timeout`` (seconds) bounds the wait. ``cancel`` ends it, and later every wait
        of the session. Raises :class:`~simsync.ConnectError` (:class:`~simsync.HttpStatusError` when the key was
        refused), :class:`~simsync.CreateError`, :class:`~simsync.EventTimeout` or :class:`~simsync.Cancelled`.
        """
        if not isinstance(create, CreateSession):
            raise InvalidParams("create", create, "must be a CreateSession(...)")
        if timeout is not None:
            checks.seconds("timeout", timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        link = ControlLink(
            self._control_url,
            self._api_key,
            ParallelConversation(create, self.options),
            self.options,
            self._ask_slot,
        )
        token = cancel if cancel is not None else CancelToken()
        # In a thread of its own, as a token may be fired in a signal handler, in the middle of anything.
        forget_token = token.on_cancel(lambda: _cancel_soon(link))
        try:
            link.start(deadline)
            return ParallelSession(link, self._control_url, self.options, forget_token)
        except BaseException:
            forget_token()
            link.close()
            raise

    def _ask_slot(self, route: Route) -> int:
        rpc = Rpc(urls.rpc_url(route.rpc_endpoint, self._control_url), self.options)
        try:
            return rpc.get_slot()
        finally:
            rpc.close()


def _cancel_soon(link: ControlLink) -> None:
    spawn("cancel", lambda: link.cancel("the cancel token was fired"))
