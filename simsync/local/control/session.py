"""A session as its control connection sees it: the events that it reports, and its end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from simsync.local.backtest.messages import Acknowledged, Completed, Event, Paused, Plan, Ready
from simsync.local.request_fields import Refused, invalid
from simsync.local.services import SessionEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsync.local.control.wire import Continue
    from simsync.local.services import Usage

_log = logging.getLogger("simsync.local.session")


class Work(Protocol):
    """What does the work of a session: a :class:`~simsync.local.control.runner.Runner`, or one in another process."""

    def open(self) -> None: ...

    def proceed(self, request: Continue) -> None: ...

    def rest(self) -> None: ...

    def close(self) -> None: ...


class Session:
    """One session. It does not know its control connection: events go to ``emit``, also while no client is connected.

    ``run`` is called with the session and returns what does its work.
    """

    def __init__(
        self,
        session_id: str,
        plan: Plan,
        emit: Callable[[Session, Event], None],
        usage: Usage,
        run: Callable[[Session], Work],
        *,
        strict: bool,
    ) -> None:
        """With ``strict`` a continue is refused while the session is busy."""
        self.id = session_id
        self.plan = plan
        self.history = Retained()
        self.closed = False
        self._strict = strict
        self._emit = emit
        self._usage = usage.start_session()
        self._slots = usage.slots
        self._opened = asyncio.Event()
        self._busy = True
        self._work = run(self)

    def open(self) -> None:
        """Begin to work, unless it has begun or was closed."""
        self._work.open()

    async def opened(self) -> None:
        """Wait until the events up to the first ready were reported."""
        await self._opened.wait()

    def proceed(self, request: Continue) -> None:
        """Queue a continue. Raises BadRequest if the simulator is strict and the session is busy."""
        if self._strict and self._busy:
            raise invalid("the session is not ready for a continue")
        self._busy = True
        self._work.proceed(request)

    def rest(self) -> None:
        """Give the engine up if the session is completed; it is made again if a client calls."""
        self._work.rest()

    def close(self, *, acknowledge: bool = False) -> None:
        """Stop working, release the engine and end the data sockets. With ``acknowledge`` report success first."""
        if not self.closed:
            self.closed = True
            self._usage.end(SessionEnd.CLOSED)
            self._work.close()
        if acknowledge:
            self._emit(self, Acknowledged())

    # -- as the work tells it

    def report(self, event: Event) -> None:
        """Pass an event on to the client."""
        if self.closed:
            return
        if isinstance(event, (Ready, Paused, Completed)):
            self._busy = False
            self._opened.set()
        if isinstance(event, Completed):
            self._usage.end(SessionEnd.COMPLETED)
        self._emit(self, event)

    def slot_executed(self) -> None:
        """Count an executed block."""
        self._slots.add()

    def failed(self, error: BaseException) -> None:
        """End because of an error of the simulator, and tell the client why."""
        if self.closed:
            return
        _log.error("session %s failed: %s", self.id, error)
        _log.debug("the error was", exc_info=error)
        self._usage.end(SessionEnd.FAILED)
        self._emit(self, Refused("internal", {"error": f"the session failed: {error}"}))
        self.close()


class Retained:
    """The numbered messages of one session, from 1, kept for clients that attach later."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []

    def add(self, encode: Callable[[int], bytes]) -> bytes:
        """Number a message with ``encode(number)``, keep it and return it."""
        message = encode(len(self._messages) + 1)
        self._messages.append(message)
        return message

    def after(self, number: int) -> list[bytes]:
        """Return the messages after message ``number``."""
        return self._messages[number:]
