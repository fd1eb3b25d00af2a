"""When to connect again, how long to wait before, and when to give up."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Callable

from simsync.errors import ConnectError
from simsync.options import Options
from simsync.protocol.connection_log import Adapter
from simsync.runtime import late_imports
from simsync.runtime.exhaustion import Exhausted

if TYPE_CHECKING:
    from tenacity import AttemptManager, RetryCallState

SMOOTHING = 2.0
"""Longest delay in seconds after a connection that has delivered something new."""


class Reconnectable(Exception):
    """A connection could not be made or was lost, and trying again makes sense.

    ``uptime``: seconds it was up. ``progress``: it has delivered something new.
    """

    def __init__(self, reason: str, uptime: float = 0.0, *, progress: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.uptime = uptime
        self.progress = progress


class Attempt:
    """One connection, from connecting to its end.

    ``delay``: seconds to wait before. ``lost``: how it ended, if another attempt makes sense.
    """

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.lost: Reconnectable | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, Reconnectable):
            self.lost = error
        return self.lost is not None

    def tell(self, made: AttemptManager) -> None:
        """Tell tenacity how it ended. Nothing keeps the failure then: it keeps its frames, and what they hold."""
        made.__exit__(None if self.lost is None else type(self.lost), self.lost, None)
        self.lost = None


class ReconnectPolicy:
    """Says when to connect again, until one connection ends for good or the budget of an outage is spent.

    An outage begins with a lost connection or a failed attempt. It is over when a connection has delivered something
    new, or was up for ``uptime_reset`` seconds; a server that flaps and delivers nothing uses up the budget.
    """

    def __init__(
        self,
        options: Options,
        logger: logging.Logger | Adapter,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._options = options
        self._logger = logger
        self._clock = clock
        self._uniform = uniform
        self._failures = 0
        self._outage_began = 0.0
        self._down_since: float | None = None
        self._progress = False
        self._pause = 0.0

    def attempts(self) -> Iterator[Attempt]:
        """Iterate over the attempts. Wait for :attr:`Attempt.delay`, and make the connection in its ``with`` block.

        Raises the last Reconnectable when the budget is spent, and any other exception at once.
        """
        attempt = Attempt(0.0)
        yield attempt
        for _ in range(self._options.reconnect_attempts):
            if attempt.lost is None or _may_import():
                break
            attempt = Attempt(min(self._options.backoff_max, SMOOTHING))
            yield attempt
        if attempt.lost is None:
            return
        # Only now: most sessions end with their first connection, and a session does not wait for the import.
        late_imports.load(*late_imports.RETRY)
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Reconnectable),
            after=self._count,
            stop=self._is_spent,
            wait=self._delay,
            sleep=self._note_pause,
            before_sleep=self._report,
            reraise=True,
        )
        for made in retrying:
            if made.retry_state.attempt_number > 1:  # the first was made above
                attempt = Attempt(self._pause)
                yield attempt
            attempt.tell(made)

    def _note_pause(self, seconds: float) -> None:
        self._pause = seconds

    def established(self, name: str) -> None:
        """A connection is up. Says so if one was lost before. ``name``: what the line calls it."""
        down_since, self._down_since = self._down_since, None
        if down_since is not None:
            seconds = self._clock() - down_since
            self._logger.info(
                "%s is back after %.1f s (attempt %d)", name, seconds, self._failures, extra={"attempt": self._failures}
            )

    def exclude(self, seconds: float) -> None:
        """Time that was spent waiting for others does not use up the budget of the present outage."""
        self._outage_began += seconds

    def _count(self, state: RetryCallState) -> None:
        lost = state.outcome.exception() if state.outcome is not None else None
        now = self._clock()
        uptime = lost.uptime if isinstance(lost, Reconnectable) else 0.0
        self._progress = isinstance(lost, Reconnectable) and lost.progress
        if self._progress or uptime >= self._options.uptime_reset or not self._failures:
            self._failures = 0
            self._outage_began = now
        self._failures += 1
        if self._down_since is None:
            self._down_since = now

    def _is_spent(self, state: RetryCallState) -> bool:
        if self._failures > self._options.reconnect_attempts:  # safeguard: reconnect attempts are limited
            return True
        return self._clock() - self._outage_began + state.upcoming_sleep > self._options.reconnect_window

    def _delay(self, state: RetryCallState) -> float:
        options = self._options
        # 2.0 ** 1023 is the last that is finite; far beyond any cap.
        delay = min(options.backoff_max, options.backoff_initial * 2.0 ** min(max(self._failures - 1, 0), 1000))
        delay *= self._uniform(1 - options.backoff_jitter, 1 + options.backoff_jitter)
        if self._progress:
            delay = min(delay, SMOOTHING)
        return max(delay, _asked_for(state))

    def _report(self, state: RetryCallState) -> None:
        lost = state.outcome.exception() if state.outcome is not None else None
        # Its text only: whoever keeps an exception keeps its frames, and what they hold.
        self._logger.warning(
            "%s; attempt %d follows in %.1f s",
            str(lost),
            self._failures,
            state.upcoming_sleep,
            extra={"attempt": self._failures},
        )


def _may_import() -> bool:
    """False while the process may open no more files. Then another attempt is made without asking the policy."""
    try:
        late_imports.load(*late_imports.RETRY)
    except Exhausted:
        return False
    return True


# guess: `Retry-After` of a refusal
def _asked_for(state: RetryCallState) -> float:
    """The seconds for which the server asked to be left alone (``Retry-After``)."""
    lost = state.outcome.exception() if state.outcome is not None else None
    error = getattr(lost.__cause__, "error", None) if lost is not None else None
    return error.retry_after if isinstance(error, ConnectError) else 0.0
