"""A session at work: it carries out continues one after the other and reports events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from simsync.local.backtest.backtest import Backtest
from simsync.local.backtest.messages import Acknowledged, Completed, Event, Paused, Plan, Ready, SlotExecuted, Step
from simsync.local.control.wire import Continue, read_advance, read_advance_to
from simsync.local.request_fields import BadRequest, Refused, invalid
from simsync.local.services import SessionEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simsync.local.backtest.engines import Engines
    from simsync.local.behaviour import Behaviour
    from simsync.local.ledger.ledger import Ledger
    from simsync.local.services import Usage


_log = logging.getLogger("simsync.local.session")
_LONGEST_STEP = 0.004
"""Seconds of execution after which the event loop may run other work."""


class SessionFailed(Exception):
    """The session broke with an error of the simulator; the control connection was told so."""


class Session:
    """One session. All of it runs on the simulator's event loop.

    It does not know its control connection: events go to ``emit``, and the session keeps working while no client is
    connected.
    """

    def __init__(
        self,
        session_id: str,
        ledger: Ledger,
        plan: Plan,
        behaviour: Behaviour,
        emit: Callable[[Session, Event], None],
        usage: Usage,
        engines: Engines,
    ) -> None:
        self.id = session_id
        self.plan = plan
        self.backtest = Backtest(ledger, plan, behaviour, usage.slots.add, engines)
        self.history = Retained()
        self.closed = False
        self._behaviour = behaviour
        self._emit = emit
        self._usage = usage.start_session()
        self._requests: deque[Continue] = deque()
        self._arrived = asyncio.Event()
        self._opened = asyncio.Event()
        self._busy = True
        self._task: asyncio.Task[None] | None = None
        self._on_close: set[Callable[[], None]] = set()

    def open(self) -> None:
        """Begin to work, unless it has begun or was closed."""
        if self._task is None and not self.closed:
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._worked)

    async def opened(self) -> None:
        """Wait until the events up to the first ready were reported."""
        await self._opened.wait()

    def queue_continue(self, request: Continue) -> None:
        """Queue a continue. Raises BadRequest if the simulator is strict and the session is busy."""
        if self._behaviour.strict_continue and (self._busy or self._requests):
            raise invalid("the session is not ready for a continue")
        self._requests.append(request)
        self._arrived.set()

    def serves(self) -> bool:
        """Does the session's endpoint answer?"""
        over = self.backtest.completed and not self._behaviour.serve_completed and not self._on_close
        return not self.closed and not over

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the session is closed. Each data socket registers one."""
        self._on_close.add(callback)

    def off_close(self, callback: Callable[[], None]) -> None:
        """Remove a callback, once its data socket has ended."""
        self._on_close.discard(callback)
        self._free_if_over()

    def start_engine(self) -> None:
        """Make the engine if that was not done yet. Raises SessionFailed."""
        try:
            self.backtest.ensure_started()
        except Exception as error:
            self.fail(error)
            raise SessionFailed(str(error)) from error

    def fail(self, error: BaseException) -> None:
        """End the session because of an error of the simulator: report it, release the engine, keep the server alive.

        Every handler that runs work for a session calls this: an error that nobody reports is a client that waits.
        """
        if self.closed:
            return
        _log.error("session %s failed: %s", self.id, error)
        _log.debug("the error was", exc_info=error)
        self._usage.end(SessionEnd.FAILED)
        self._emit(self, Refused("internal", {"error": f"the session failed: {error}"}))
        self.close()

    def close(self, *, acknowledge: bool = False) -> None:
        """Stop working, release the engine and end the data sockets. With ``acknowledge`` report success first."""
        if self.closed:
            if acknowledge:
                self._emit(self, Acknowledged())
            return
        # First of all: data sockets and RPC calls check it before they use the engine, which is released below.
        self.closed = True
        self._usage.end(SessionEnd.CLOSED)
        if self._task is not None:
            self._task.cancel()
        if acknowledge:
            self._emit(self, Acknowledged())
        self.backtest.free()
        for callback in list(self._on_close):
            callback()

    def _free_if_over(self) -> None:
        if not self.serves():
            self.backtest.free()

    async def _work(self) -> None:
        await self._carry_out(self.backtest.opening())
        self._opened.set()
        while True:
            while not self._requests:
                self._arrived.clear()
                await self._arrived.wait()
            request = self._requests.popleft()
            self._busy = True
            # The body is read only now: a client that sent several continues gets the answers in their order.
            try:
                if request.to_slot:
                    steps = self.backtest.advance_to(read_advance_to(request.body))
                else:
                    steps = self.backtest.advance(read_advance(request.body))
            except BadRequest as error:
                self._report(error.refused)
                if not self.backtest.completed:
                    self._report(Ready())
                continue
            await self._carry_out(steps)

    async def _carry_out(self, steps: Iterator[Step]) -> None:
        """Report the events of a request. Yields to other work between steps, so that sockets stay responsive."""
        begun = time.perf_counter()
        for step in steps:
            if step is not None:
                self._report(step)
            executed = isinstance(step, SlotExecuted)
            if executed or time.perf_counter() - begun > _LONGEST_STEP:
                self.backtest.stream.wake()
                await asyncio.sleep(self._behaviour.slot_delay if executed else 0)
                begun = time.perf_counter()
        self.backtest.stream.wake()
        self._free_if_over()

    def _report(self, event: Event) -> None:
        if isinstance(event, (Ready, Paused, Completed)):
            self._busy = False
        if isinstance(event, Completed):
            self._usage.end(SessionEnd.COMPLETED)
        self._emit(self, event)

    def _worked(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.fail(error)


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
