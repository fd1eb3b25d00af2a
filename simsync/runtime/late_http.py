"""An HTTP client that is made by its first request, because its imports take a third of the time to a first event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simsync.options import Options
from simsync.runtime import late_imports

if TYPE_CHECKING:
    from simsync.runtime.http import HttpClient


class LateHttpClient:
    """Sends the requests of an RPC as :class:`~simsync.runtime.http.HttpClient` does; most sessions send none.

    A request that cannot import fails like one that cannot connect, and is retried like it.
    """

    def __init__(self, options: Options, advice: Mapping[int, str]) -> None:
        self._options = options
        self._advice = advice
        self._made: dict[str, HttpClient] = {}
        self._aborted = False

    def post_json(self, url: str, body: bytes, deadline: float | None = None) -> bytes:
        late_imports.load(*late_imports.HTTP)
        from simsync.runtime.http import HttpClient

        client = self._made.get("")
        if client is None:
            # setdefault is atomic: of several threads that are the first, all get the same client.
            client = self._made.setdefault("", HttpClient(self._options, advice=self._advice))
        if self._aborted:  # looked at after the client is made, and set before it is looked for
            client.abort()
        return client.post_json(url, body, deadline)

    def abort(self) -> None:
        """End the requests that are under way in other threads, and all later ones."""
        self._aborted = True
        for client in list(self._made.values()):  # a list is made in one step
            client.abort()

    def close(self) -> None:
        """Close the idle connections. The next request opens another one."""
        for client in list(self._made.values()):
            client.close()
