"""Waiting for HTTP replies in a way that a deadline or a cancel token ends at once."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from simsync.cancel import CancelToken
from simsync.errors import Cancelled, EventTimeout
from simsync.interruptible import take
from simsync.runtime.threads import spawn

if TYPE_CHECKING:
    from simsync.runtime.http import HttpClient
    from simsync.runtime.late_http import LateHttpClient

T = TypeVar("T")


class _Outcome:
    """The result or the exception of a call."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        try:
            self.value = call()
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            self.error = error


class HttpWait:
    """A wait made of HTTP calls and pauses; a context manager.

    The caller's wait must end at once, and requests has no way to be told. So each call runs in a thread of its own,
    and the caller waits for the outcome on a queue, where a deadline, a cancel token and Ctrl-C end the wait. A caller
    that leaves early aborts the HTTP client: its sockets are shut down, so that the thread ends too. Only a thread that
    still resolves a name may outlive the wait; it sends nothing any more.

    Args:
        http: The client that the calls use. It cannot be used again after the wait was ended early.
        describe: Returns what is waited for, for the message of an exception.
        deadline: End of the wait in seconds of :func:`time.monotonic`; None waits without a limit.
        cancel: Ends the wait when it is fired.
    """

    def __init__(
        self,
        http: HttpClient | LateHttpClient,
        describe: Callable[[], str],
        deadline: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._http = http
        self._describe = describe
        self._deadline = deadline
        self._under_way = False
        # A SimpleQueue, because a token may be fired in a signal handler, between any two instructions.
        self._news: queue.SimpleQueue[_Outcome | None] = queue.SimpleQueue()
        self._forget = cancel.on_cancel(lambda: self._news.put(None)) if cancel is not None else None

    def __enter__(self) -> HttpWait:
        return self

    def __exit__(self, *_details: object) -> None:
        if self._forget is not None:
            self._forget()
        if self._under_way:
            self._http.abort()

    def run(self, call: Callable[[], T]) -> T:
        """Return the result of ``call``. Raises what it raises, EventTimeout after the deadline, or Cancelled."""
        self._next(0.0)  # does not start the call if the wait is over already
        self._under_way = True
        spawn("http", lambda: self._news.put(_Outcome(call)))
        outcome = None
        while outcome is None:
            outcome = self._next(None)
        self._under_way = False
        if outcome.error is not None:
            raise outcome.error
        value: T = outcome.value
        return value

    def pause(self, seconds: float) -> None:
        """Sleep. Raises EventTimeout when the deadline passes meanwhile, or Cancelled."""
        self._next(seconds)

    def _next(self, seconds: float | None) -> _Outcome | None:
        """Return the outcome of the call, or None after ``seconds``."""
        until = None if seconds is None else time.monotonic() + seconds
        late = self._deadline is not None and (until is None or self._deadline < until)
        limit = self._deadline if late else until
        try:
            # wait: as `HttpWait.run`, `HttpWait.pause` | a reply | `simsync-http`; a cancelled token | its deadline
            news = take(self._news, limit)
        except queue.Empty:
            if late:
                raise EventTimeout(f"{self._describe()} within the timeout") from None
            return None
        if news is None:
            raise Cancelled(f"{self._describe()} when the cancel token was fired")
        return news
