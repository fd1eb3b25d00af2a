"""Long waits for HTTP answers, and a way to walk away from them."""

from __future__ import annotations

import queue
import time
from typing import Any, Callable, TypeVar

from simsync.errors import Cancelled, EventTimeout
from simsync.runtime.cancel import CancelToken
from simsync.runtime.threads import spawn

T = TypeVar("T")


class _Outcome:
    """How a call in another thread ended."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        try:
            self.value = call()
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            self.error = error


class Watch:
    """A caller's long wait, which a deadline and a cancel token end at once, also while a request is under way.

    ``deadline`` is on the clock of :func:`time.monotonic`; ``describe`` tells what is waited for. A request that is
    walked away from goes on in a thread of its own until it is answered or times out; its answer is dropped.
    """

    def __init__(self, describe: Callable[[], str], deadline: float | None, cancel: CancelToken | None) -> None:
        self._describe = describe
        self._deadline = deadline
        # A SimpleQueue, as a token may be fired in a signal handler, in the middle of anything.
        self._news: queue.SimpleQueue[_Outcome | None] = queue.SimpleQueue()
        self._forget = cancel.on_cancel(lambda: self._news.put(None)) if cancel is not None else None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_details: object) -> None:
        if self._forget is not None:
            self._forget()

    def run(self, call: Callable[[], T]) -> T:
        """The result of ``call``. Raises what it raises, EventTimeout, or Cancelled."""
        self._next(0.0)  # not begun at all if it is over already
        spawn("http-watch", lambda: self._news.put(_Outcome(call)))
        outcome = None
        while outcome is None:
            outcome = self._next(None)
        if outcome.error is not None:
            raise outcome.error
        value: T = outcome.value
        return value

    def pause(self, seconds: float) -> None:
        """Raises EventTimeout when the deadline passes meanwhile, or Cancelled."""
        self._next(seconds)

    def _next(self, seconds: float | None) -> _Outcome | None:
        now = time.monotonic()
        until = None if seconds is None else now + seconds
        late = self._deadline is not None and (until is None or self._deadline < until)
        limit = self._deadline if late else until
        try:
            news = self._news.get(timeout=None if limit is None else max(0.0, limit - now))
        except queue.Empty:
            if late:
                raise EventTimeout(f"{self._describe()} within the timeout") from None
            return None
        if news is None:
            raise Cancelled(f"{self._describe()} when the cancel token was fired")
        return news
