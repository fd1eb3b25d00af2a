"""When an HTTP request is sent again, how long to wait before, and when to give up."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Callable, TypeVar

from simsync.errors import ConnectError, HttpStatusError, ProtocolError
from simsync.options import Options
from simsync.protocol.connection_log import Adapter
from simsync.runtime import late_imports

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

READ_ATTEMPTS = 4
READ_BACKOFF = 0.15
"""Seconds before the second attempt; doubled each time, with up to as much again by chance."""
READ_BACKOFF_MAX = 2.0
WRITE_ATTEMPTS = 5
WRITE_DELAY = 0.3
"""Seconds, times the number of the attempt."""
_TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})


# guess: which HTTP requests are retried
def is_transient(error: BaseException) -> bool:
    """May the same HTTP request succeed later? Without an answer, with an empty one, or when the server says so."""
    if isinstance(error, HttpStatusError):
        return error.status in _TRANSIENT_STATUSES
    if isinstance(error, ConnectError):
        return error.retryable
    return isinstance(error, ProtocolError) and error.raw == b""


class HttpRetry:
    """Sends the request of one call again after transient failures. What is not safe to repeat must not come here.

    A server that asks to be left alone for a while (``Retry-After``) gets no request before that; if the call may not
    take so long, it fails at once.

    Args:
        options: ``rpc_timeout`` bounds :meth:`read` and :meth:`write`, ``reconnect_window`` bounds :meth:`watch`.
        logger: For the announcement of each attempt.
        sleep: Waits between two attempts.

    Raises:
        Exhausted: The process may not open the files of tenacity.
    """

    def __init__(
        self, options: Options, logger: logging.Logger | Adapter, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        late_imports.load(*late_imports.RETRY)
        self._options = options
        self._logger = logger
        self._sleep = sleep
        self._began = time.monotonic()

    @property
    def deadline(self) -> float:
        """When the call has to end, in seconds of :func:`time.monotonic`."""
        return self._began + self._options.rpc_timeout

    # guess: other calls without an answer
    def read(self, request: Callable[[], T], is_transient: Callable[[BaseException], bool] = is_transient) -> T:
        """For what changes nothing. Raises the last failure."""
        import tenacity

        return self._run(
            request,
            is_transient,
            attempts=READ_ATTEMPTS,
            within=self._options.rpc_timeout,
            wait=tenacity.wait_exponential(multiplier=READ_BACKOFF, max=READ_BACKOFF_MAX)
            + tenacity.wait_random(0, READ_BACKOFF),
        )

    # guess: empty replies to `modifyAccounts`
    def write(self, request: Callable[[], T]) -> T:
        """For what may be done twice. Raises the last failure."""
        import tenacity

        return self._run(
            request,
            is_transient,
            attempts=WRITE_ATTEMPTS,
            within=self._options.rpc_timeout,
            wait=tenacity.wait_incrementing(start=WRITE_DELAY, increment=WRITE_DELAY),
        )

    def watch(self, request: Callable[[], T], is_transient: Callable[[BaseException], bool] = is_transient) -> T:
        """For a caller who waits long anyway: an outage may last as long as that of a connection."""
        import tenacity

        options = self._options
        self._began = time.monotonic()
        return self._run(
            request,
            is_transient,
            attempts=options.reconnect_attempts + 1,
            within=options.reconnect_window,
            wait=tenacity.wait_exponential(multiplier=options.backoff_initial, max=options.backoff_max),
            level=logging.WARNING,
        )

    def _run(
        self,
        request: Callable[[], T],
        is_transient: Callable[[BaseException], bool],
        *,
        attempts: int,
        within: float,
        wait: Callable[[RetryCallState], float],
        level: int = logging.INFO,  # what fails within seconds is told by the exception
    ) -> T:
        import tenacity

        def is_spent(state: RetryCallState) -> bool:
            next_one = time.monotonic() + state.upcoming_sleep
            return state.attempt_number >= attempts or next_one >= self._began + within

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            sleep=self._sleep,
            before_sleep=lambda state: self._report(state, level),
            stop=is_spent,
            wait=lambda state: max(wait(state), _asked_for(state)),
            reraise=True,
        )
        # wait: caller, inquiry, subscription | the next attempt | in an `HttpWait` its token | `rpc_timeout`
        return retrying(request)

    def _report(self, state: RetryCallState, level: int) -> None:
        # As text: a record that is kept must not keep the failure, and with it the connection.
        failure = str(state.outcome.exception()) if state.outcome is not None else ""
        self._logger.log(
            level, "%s; attempt %d follows in %.1f s", failure, state.attempt_number + 1, state.upcoming_sleep
        )


# guess: `Retry-After` of a refusal
def _asked_for(state: RetryCallState) -> float:
    """Return the seconds for which the server asked to be left alone."""
    failure: object = state.outcome.exception() if state.outcome is not None else None
    return failure.retry_after if isinstance(failure, ConnectError) else 0.0
