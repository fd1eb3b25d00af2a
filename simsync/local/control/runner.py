"""The work of one session: it carries out continues one after the other, and serves its data sockets."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from simsync.local.backtest.backtest import Backtest
from simsync.local.backtest.messages import Event, Plan, Ready, SlotExecuted, Step
from simsync.local.control.wire import Continue, read_advance, read_advance_to
from simsync.local.request_fields import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simsync.local.backtest.decoded import DecodedBlocks
    from simsync.local.backtest.engines import Engines
    from simsync.local.behaviour import Behaviour
    from simsync.local.ledger.ledger import Ledger

_LONGEST_STEP = 0.004
"""Seconds of execution after which the event loop may run other work."""


class SessionFailed(Exception):
    """The session broke with an error of the simulator; the control connection was told so."""


class Owner(Protocol):
    """Who learns what a runner does."""

    def report(self, event: Event) -> None: ...

    def slot_executed(self) -> None: ...

    def failed(self, error: BaseException) -> None: ...


class Runner:
    """Runs one session on an event loop. It knows nothing of control connections: it tells its owner."""

    def __init__(
        self,
        ledger: Ledger,
        plan: Plan,
        behaviour: Behaviour,
        owner: Owner,
        engines: Engines,
        blocks: DecodedBlocks,
        ended: Callable[[], object],
    ) -> None:
        """``ended`` is called once, when it is closed."""
        self.plan = plan
        self.backtest = Backtest(ledger, plan, behaviour, owner.slot_executed, engines, blocks)
        self.closed = False
        self._behaviour = behaviour
        self._owner = owner
        self._ended = ended
        self._requests: deque[Continue] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._on_close: set[Callable[[], None]] = set()

    # -- as the session asks

    def open(self) -> None:
        """Begin to work, unless it has begun or was closed."""
        if self._task is None and not self.closed:
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._worked)

    def proceed(self, request: Continue) -> None:
        """Carry out a continue after those that came before."""
        self._requests.append(request)
        self._arrived.set()

    def rest(self) -> None:
        """Give the engine up if the session is completed; it is made again if a client calls."""
        if self.backtest.completed:
            self.backtest.park()

    def close(self) -> None:
        """Stop working, release the engine and end the data sockets."""
        if self.closed:
            return
        # First of all: data sockets and RPC calls check it before they use the engine, which is released below.
        self.closed = True
        if self._task is not None:
            self._task.cancel()
        self.backtest.free()
        for callback in list(self._on_close):
            callback()
        self._ended()

    # -- as data sockets and RPC calls need it

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
        """End the session because of an error of the simulator, and keep the server alive.

        Every handler that runs work for a session calls this: an error that nobody reports is a client that waits.
        """
        if not self.closed:
            self._owner.failed(error)
            self.close()

    # -- work

    def _free_if_over(self) -> None:
        if not self.serves():
            self.backtest.free()

    async def _work(self) -> None:
        await self._carry_out(self.backtest.opening())
        while True:
            while not self._requests:
                self._arrived.clear()
                await self._arrived.wait()
            request = self._requests.popleft()
            # The body is read only now: a client that sent several continues gets the answers in their order.
            try:
                if request.to_slot:
                    steps = self.backtest.advance_to(read_advance_to(request.body))
                else:
                    steps = self.backtest.advance(read_advance(request.body))
            except BadRequest as error:
                self._owner.report(error.refused)
                if not self.backtest.completed:
                    self._owner.report(Ready())
                continue
            await self._carry_out(steps)

    async def _carry_out(self, steps: Iterator[Step]) -> None:
        """Report the events of a request. Yields to other work between steps, so that sockets stay responsive."""
        begun = time.perf_counter()
        for step in steps:
            if step is not None:
                self._owner.report(step)
            executed = isinstance(step, SlotExecuted)
            if executed or time.perf_counter() - begun > _LONGEST_STEP:
                self.backtest.stream.wake()
                await asyncio.sleep(self._behaviour.slot_delay if executed else 0)
                begun = time.perf_counter()
        self.backtest.stream.wake()
        self._free_if_over()

    def _worked(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.fail(error)
